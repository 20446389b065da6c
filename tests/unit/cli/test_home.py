import json
from pathlib import Path

import pytest

from cli.errors import AlreadyRunning, NotRunning
from cli.home import Home, Links, StackCard

CARD = StackCard(
    url="http://127.0.0.1:8080",
    email="demo@darkroom.test",
    password="a password",
    account_id="6f0c4d2e-0000-4000-8000-000000000000",
    pids={"wallet": 12},
)
LINKS = Links(nats_url="nats://operator:secret@127.0.0.1:1", database_url="postgresql://x")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def test_a_secret_is_the_same_every_time_and_different_for_every_purpose(home: Home) -> None:
    again = Home(home.folder)
    assert home.secret("files") == again.secret("files")
    assert home.secret("files") != home.secret("postgres")


def test_two_homes_share_no_secret(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    other.prepare()
    assert home.secret("files") != other.secret("files")


def test_a_secret_is_long_enough_to_sign_links_and_safe_in_a_url(home: Home) -> None:
    secret = home.secret("files")
    assert len(secret) >= 32
    assert secret.replace("-", "").replace("_", "").isalnum()


def test_others_cannot_read_what_is_secret(home: Home) -> None:
    with home.held():
        home.secret("files")
        home.publish(CARD, LINKS)
        for name in ("secret", "links.json", "stack.json"):
            assert (home.folder / name).stat().st_mode & 0o777 == 0o600
    for folder in (home.logs, home.storage):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_running_stack_tells_where_it_is(home: Home) -> None:
    with home.held():
        home.publish(CARD, LINKS)
        assert Home(home.folder).card() == CARD
        assert Home(home.folder).links() == LINKS


def test_stack_json_has_exactly_the_promised_fields(home: Home) -> None:
    with home.held():
        home.publish(CARD, LINKS)
        told = json.loads((home.folder / "stack.json").read_text())
    assert list(told) == ["url", "email", "password", "account_id", "pids"]


def test_a_second_stack_in_the_same_home_is_told_where_the_first_one_is(home: Home) -> None:
    with home.held():
        with pytest.raises(AlreadyRunning, match="already starting"), Home(home.folder).held():
            pass
        home.publish(CARD, LINKS)
        with pytest.raises(AlreadyRunning, match=CARD.url), Home(home.folder).held():
            pass
        assert home.card() == CARD, "the one that was refused took nothing away"


def test_nothing_is_told_after_the_stack_has_stopped(home: Home) -> None:
    with home.held():
        home.publish(CARD, LINKS)
    assert not (home.folder / "stack.json").exists()
    with pytest.raises(NotRunning, match="start it with"):
        home.card()


def test_what_a_killed_stack_told_is_not_believed(home: Home) -> None:
    home.publish(CARD, LINKS)
    with pytest.raises(NotRunning):
        home.card()
    with home.held(), pytest.raises(NotRunning):
        home.card()


def test_a_home_that_was_never_used_is_not_running(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        Home(tmp_path / "never").links()
