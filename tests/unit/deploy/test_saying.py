"""Whether what a service says is read out of its code, and what it may say is held against it."""

import pytest

from cli import nats
from cli.deployment import bus
from cli.deployment.checking import saying, streaming


def test_permissions_fit_what_services_say() -> None:
    assert list(saying.check(saying.USERS.read_text())) == []


def test_code_is_read() -> None:
    assert "wallet.reserve" in saying.says("gateway")
    assert "jobs.take-item" in saying.says("facecrop")  # by the kit's worker, on its behalf
    assert "accounts.check-service-key" in saying.says("cardreader")
    assert saying.says("wallet") == frozenset()
    assert streaming.kinds("qr") == {"qr_sheet"}
    assert "$JS.API.CONSUMER.MSG.NEXT.EVENTS.webhooks" in streaming.says("webhooks")
    assert "$SRV.*.presets.*" in streaming.hears("presets")
    assert streaming.hears("gateway") == {"_INBOX.gateway.>", "progress.*"}
    assert streaming.tells("jobs") == {"events.job.completed", "events.job.failed"}


@pytest.mark.parametrize(
    ("service", "said", "finding"),
    [
        ("qr", (), "qr says jobs.items and may not"),
        ("presets", ("wallet.top-up",), "presets may say wallet.top-up and never does"),
        ("cardreader", ("wallet.>",), "cardreader may say wallet.balance and never does"),
        ("gateway", ("accounts.>", "wallet.>"), "gateway says qr.card and may not"),
        ("jobs", ("events.>",), "jobs says wallet.settle and may not"),
        ("wallet", (), "wallet says events.wallet.low_balance and may not"),
        ("jobs", (), "jobs says $JS.API.STREAM.INFO.WORK and may not"),
        (
            "facecrop",
            ("$JS.API.CONSUMER.MSG.NEXT.WORK.card_read",),
            "facecrop works on ['face_crop'], and may take ('card_read',)",
        ),
    ],
)
def test_a_permission_too_many_or_too_few_is_found(
    monkeypatch: pytest.MonkeyPatch, service: str, said: tuple[str, ...], finding: str
) -> None:
    monkeypatch.setattr(nats, "MAY_SAY", {**nats.MAY_SAY, service: said})
    monkeypatch.setattr("cli.deployment.needs.MAY_SAY", nats.MAY_SAY)
    assert finding in list(saying.check(bus.users_file()))


@pytest.mark.parametrize(
    ("service", "pattern"),
    [
        ("qr", "work.>"),
        ("jobs", "work.>"),
        ("facecrop", "progress.*"),
        ("presets", "events.preset.>"),
        ("wallet", "events.>"),
        ("jobs", "$JS.API.STREAM.DELETE.*"),
        ("matching", "$JS.API.CONSUMER.MSG.NEXT.WORK.>"),
        ("accounts", "_INBOX.gateway.>"),
        ("gateway", "gateways.>"),
        ("gateway", "presets.forget"),
        ("webhooks", ">"),
    ],
)
def test_a_pattern_that_code_does_not_use_is_found(
    monkeypatch: pytest.MonkeyPatch, service: str, pattern: str
) -> None:
    said = (*nats.MAY_SAY[service], pattern)
    monkeypatch.setattr(nats, "MAY_SAY", {**nats.MAY_SAY, service: said})
    assert f"{service} may say {pattern} and never does" in list(saying.check(bus.users_file()))


@pytest.mark.parametrize(
    ("service", "pattern"),
    [
        ("webhooks", "events.>"),
        ("jobs", "work.>"),
        ("gateway", "progress.>"),
        ("gateway", "$SRV.*"),
        ("wallet", "$SRV.>"),
        ("qr", "$JS.EVENT.ADVISORY.>"),
        ("facereader", ">"),
    ],
)
def test_a_pattern_that_code_does_not_listen_to_is_found(
    monkeypatch: pytest.MonkeyPatch, service: str, pattern: str
) -> None:
    heard = (*nats.MAY_HEAR.get(service, ()), pattern)
    monkeypatch.setattr(nats, "MAY_HEAR", {**nats.MAY_HEAR, service: heard})
    assert f"{service} may hear {pattern} and never listens" in list(saying.check(bus.users_file()))


def test_what_a_service_listens_to_and_may_not_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats, "MAY_HEAR", {})
    assert "gateway listens to progress.* and may not" in list(saying.check(bus.users_file()))


def test_who_may_hear_another_service_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats, "MAY_HEAR", {"cardreader": ("accounts.>",)})
    assert "cardreader may hear accounts.login" in list(saying.check(bus.users_file()))


def test_a_file_of_users_that_is_out_of_date_is_found() -> None:
    text = saying.USERS.read_text()
    changed = text.replace('"wallet.grant", ', "")
    assert any("out of date" in finding for finding in saying.check(changed))
    assert "the bus has no user qr" in list(saying.check(text.replace('"qr"', '"rq"')))


@pytest.mark.parametrize(
    ("pattern", "subject", "meant"),
    [
        ("wallet.>", "wallet.reserve", True),
        ("wallet.>", "wallet", False),
        ("wallet.>", "wallet.a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.*.c", "a.b.c", True),
        ("a.b", "a.b", True),
        ("a.b", "a.bc", False),
        (">", "anything.at.all", True),
    ],
)
def test_patterns_mean_what_the_server_means(pattern: str, subject: str, meant: bool) -> None:
    assert saying.matches(pattern, subject) is meant
