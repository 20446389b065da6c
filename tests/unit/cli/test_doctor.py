"""What the doctor says of settings, packages, models, disks and clocks, without any server."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from cli import doctor, services, triton
from cli.doctoring import findings, machine, models, patient, settings
from cli.doctoring.clock import skew
from cli.doctoring.findings import Finding
from cli.errors import CommandFailed
from cli.home import Home

SECRET = "kB3vT9xq1LmZ7cWd5RyN0aHs8GfJ2uPe"
OTHER = "Qw7nX2rV6tYb4MkL9sDf3GhJ1zPc8AeU"
URLS = {
    "NATS_URL": f"nats://gateway:{OTHER}@bus.example:4222",
    "STORAGE_URL": "file:///srv/pictures",
    "FILES_SECRETS": SECRET,
}


def said(found: Iterable[Finding], verdict: str = "fix") -> list[str]:
    return [f"{finding.what}: {finding.said}" for finding in found if finding.verdict == verdict]


def of_gateway(**told: str) -> list[Finding]:
    return list(settings.of_services({"gateway": URLS | told}))


def test_settings_that_are_right_are_counted() -> None:
    found = of_gateway()
    assert said(found) == []
    assert said(found, "ok")[0] == "gateway: 3 set, all understood"


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"STORAGE_URL": ""}, "STORAGE_URL is not set: Where pictures lie"),
        ({"PORT": "eighty"}, "PORT should be `int`"),
        ({"PORT": "70000"}, "PORT should be `int` <= 65535"),
        ({"DEFAULT_USER_ID": "me"}, "DEFAULT_USER_ID should be `str` matching regex"),
        ({"OPERATOR_PORT": "x"}, "OPERATOR_PORT should be `int`"),
        ({"FILES_SECRETS": "short"}, "FILES_SECRETS has fewer than 32 characters"),
        ({"FILES_SECRETS": "a" * 40}, "FILES_SECRETS is made of a few characters only"),
        ({"FILES_SECRETS": "changeme" * 5}, "FILES_SECRETS contains a word that everybody tries"),
        ({"NATS_URL": "http://bus.example"}, "NATS_URL is no URL that is understood"),
        ({"NATS_URL": "nats://gateway:pw@bus.example"}, "the password of gateway in NATS_URL has"),
        ({"STORAGE_URL": "ftp://bucket"}, "STORAGE_URL is no URL that is understood"),
    ],
)
def test_a_setting_that_is_wrong_is_named(told: dict[str, str], sentence: str) -> None:
    (wrong,) = said(of_gateway(**told))
    assert wrong.startswith(f"gateway: {sentence}")


def test_everything_that_is_wrong_is_said_at_once() -> None:
    wrong = said(of_gateway(STORAGE_URL="", PORT="x", LINK_SECONDS="1"))
    assert [line.split()[1] for line in wrong] == ["STORAGE_URL", "PORT", "LINK_SECONDS"]


def test_a_value_that_is_none_of_those_allowed_is_not_quoted() -> None:
    told = URLS | {"UPSCALER": "hunter2-as-a-mistake"}
    (wrong,) = said(settings.of_services({"facecrop": told}))
    assert wrong == "facecrop: UPSCALER is none of upscaler_fast, upscaler"


def test_settings_that_contradict_each_other_are_found() -> None:
    told = URLS | {"DATABASE_URL": f"postgresql://jobs:{SECRET}@db/darkroom", "KEEP_DAYS": "1"}
    (wrong,) = said(settings.of_services({"jobs": told}))
    assert "KEEP_DAYS must be longer than JOB_HOURS" in wrong


def test_a_secret_that_opens_two_doors_is_found() -> None:
    told = {
        "gateway": URLS,
        "qr": URLS | {"DATABASE_URL": "postgresql://qr@db/darkroom", "SECRET_KEY": SECRET},
    }
    (wrong,) = said(settings.of_services(told))
    assert wrong.startswith("gateway, qr: FILES_SECRETS and SECRET_KEY are the same secret")


def test_one_password_for_two_users_of_the_bus_is_found() -> None:
    told = {
        user: URLS | {"NATS_URL": f"nats://{user}:{OTHER}@bus.example"}
        for user in ("gateway", "facecrop")
    }
    assert any(
        "of facecrop in NATS_URL and the" in wrong for wrong in said(settings.of_services(told))
    )


def test_services_that_look_for_files_in_different_places_are_found() -> None:
    told = {"gateway": URLS, "facecrop": URLS | {"STORAGE_URL": "s3://elsewhere"}}
    (wrong,) = said(settings.of_services(told))
    assert "told 2 different places" in wrong


def test_keys_that_lie_in_clear_are_warned_of() -> None:
    told = {"accounts": URLS | {"DATABASE_URL": "postgresql://accounts@db/darkroom"}}
    (warned,) = said(settings.of_services(told), "warning")
    assert "without SECRET_KEY private keys lie in the database in clear" in warned


def test_links_that_lead_to_this_machine_are_warned_of() -> None:
    (warned,) = said(of_gateway(HOST="0.0.0.0"), "warning")
    assert "PUBLIC_URL leads links to files to this machine" in warned


@pytest.mark.parametrize(
    ("name", "meant"), [("STORAGE_URI", "STORAGE_URL"), ("FILE_SECRETS", "FILES_SECRETS")]
)
def test_a_misspelt_variable_is_found(name: str, meant: str) -> None:
    (found,) = settings.misspelt({name: "x", "HOME": "/root", "PATH": "/bin"})
    assert (found.verdict, found.fix) == ("warning", f"Did you mean {meant}?")


@pytest.mark.parametrize("service", services.NAMES)
def test_no_setting_of_any_service_is_taken_for_another(service: str) -> None:
    names = {setting.name: "x" for setting in services.settings_of(service)}
    assert list(settings.misspelt(names)) == []


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(0.5, "ok"), (-1.9, "ok"), (5, "warning"), (-40, "fix"), (3600, "fix")]
)
def test_clocks_are_compared(seconds: float, verdict: str) -> None:
    now = datetime(2026, 5, 18, 9, 30, tzinfo=UTC)
    found = skew("nats", now, now + timedelta(seconds=seconds), now)
    assert found.verdict == verdict
    assert ("behind" in found.said) is (seconds < -2)


def test_a_slow_answer_is_no_wrong_clock() -> None:
    now = datetime(2026, 5, 18, 9, 30, tzinfo=UTC)
    later = now + timedelta(seconds=8)
    assert skew("nats", now, now + timedelta(seconds=7.5), later).verdict == "ok"


def test_a_package_of_another_version_is_found(tmp_path: Path) -> None:
    lock = tmp_path / "runtime.lock"
    lock.write_text(
        "msgspec==0.0.1 \\\n    --hash=sha256:00\nno-such-package==1.0 \\\n    --hash=sha256:00\n"
        "not-for-us==1.0 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
    )
    found = {each.what: each for each in machine.look(patient.only_this_machine(), lock)}
    said = found["packages"].said
    assert found["packages"].verdict == "fix"
    assert said.startswith("msgspec is ")
    assert said.endswith(", not 0.0.1; no-such-package is missing")


def test_a_folder_that_is_gone_is_found(tmp_path: Path) -> None:
    assert machine.room("storage", tmp_path).verdict in ("ok", "warning")
    gone = machine.room("storage", tmp_path / "gone")
    assert (gone.verdict, gone.area) == ("fix", "disk")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A model repository whose large files are the real ones."""
    folder = tmp_path / "repository"
    shutil.copytree(triton.REPOSITORY, folder, copy_function=_linked)
    return folder


def _linked(source: str, target: str) -> str:
    Path(target).symlink_to(source)
    return target


USED = ["face_detector", "upscaler_fast"]


def test_models_as_they_were_tested_are_right(repository: Path) -> None:
    (found,) = models._files(repository, USED)
    assert found.verdict == "ok"
    assert "face_embedder" in found.said


@pytest.mark.parametrize(("name", "verdict"), [("face_detector", "fix"), ("upscaler", "warning")])
def test_a_model_that_is_missing_is_found(repository: Path, name: str, verdict: str) -> None:
    (repository / name / "1" / "model.onnx").unlink()
    found = {each.what: each for each in models._files(repository, USED)}
    assert found[name].verdict == verdict
    assert found[name].said.endswith("model.onnx is missing")
    assert found[name].fix == "Run ./just models."


def test_a_model_that_is_another_is_found(repository: Path) -> None:
    file = repository / "face_embedder" / "1" / "model.onnx"
    file.unlink()
    file.write_bytes(b"not the one")
    found = {each.what: each for each in models._files(repository, USED)}
    assert "is not the file that was tested" in found["face_embedder"].said


def test_a_model_without_its_configuration_is_found(repository: Path) -> None:
    (repository / "face_detector" / "config.pbtxt").unlink()
    found = {each.what: each for each in models._files(repository, USED)}
    assert found["face_detector"].verdict == "fix"


def test_a_report_says_under_each_thing_what_mends_it() -> None:
    report = findings.report(
        "a stack",
        [
            Finding("settings", "gateway", "ok", "3 set"),
            Finding("settings", "wallet", "fix", "DATABASE_URL is not set", "Set it."),
            Finding("disk", "storage", "warning", "1.0 GB free", "Make room."),
        ],
    )
    assert not report.ok
    assert findings.as_table(report).splitlines() == [
        "Looking at a stack",
        "settings  gateway  ok       3 set",
        "          wallet   FIX      DATABASE_URL is not set",
        "                            -> Set it.",
        "disk      storage  warning  1.0 GB free",
        "                            -> Make room.",
        "1 to fix, 1 warnings, 1 in order, 0 not looked at",
    ]
    decoded = msgspec.json.decode(findings.as_json(report), type=findings.Report)
    assert decoded == report


def test_an_environment_names_what_is_looked_at() -> None:
    told = {
        "NATS_URL": "tls://operator:pw@bus.example:4222",
        "NATS_PASSWORD_WALLET": "hidden",
        "DATABASE_URL": "postgresql://darkroom@db/darkroom",
        "TRITON_URL": "triton:8001",
    }
    found = patient.in_environment(told, ())
    assert found.users == {"wallet": "tls://wallet:hidden@bus.example:4222"}
    assert found.databases == {told["DATABASE_URL"]: ()}
    assert found.storage_urls == ()
    assert not found.models_here
    assert replace(found, environments={}) == found
    as_wallet = patient.in_environment(told, ("wallet",))
    assert as_wallet.environments == {"wallet": told}
    assert (found.asks_models, as_wallet.asks_models) == (True, False)
    assert patient.in_environment(told, ("wallet", "facecrop")).asks_models
    assert as_wallet.databases == {told["DATABASE_URL"]: ("wallet",)}


async def test_a_service_that_there_is_not_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="There is no service wallets; there are accounts"):
        await doctor.examine(Home(tmp_path), ["wallets"], {})
