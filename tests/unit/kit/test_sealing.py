from uuid import uuid4

import pytest

from kit.sealing import CannotOpen, Vault

KEY, OTHER = "k" * 32, "o" * 32
SECRET = b"signs what is told to the endpoint"
ENDPOINT = uuid4()


def test_what_was_sealed_can_be_opened_and_shows_nothing() -> None:
    vault = Vault([KEY], "tests")
    kept = vault.seal(SECRET, ENDPOINT)
    assert SECRET not in kept
    assert vault.open(kept, ENDPOINT) == SECRET
    assert vault.seal(SECRET, ENDPOINT) != kept


def test_an_older_key_still_opens() -> None:
    kept = Vault([OTHER], "tests").seal(SECRET, ENDPOINT)
    assert Vault([KEY, OTHER], "tests").open(kept, ENDPOINT) == SECRET


def test_what_was_kept_in_clear_is_read_when_there_is_a_key_later() -> None:
    clear = Vault([], "tests")
    assert not clear.seals
    assert Vault([KEY], "tests").open(clear.seal(SECRET, ENDPOINT), ENDPOINT) == SECRET


@pytest.mark.parametrize("keys", [[], [OTHER]])
def test_without_the_key_nothing_is_opened(keys: list[str]) -> None:
    kept = Vault([KEY], "tests").seal(SECRET, ENDPOINT)
    with pytest.raises(CannotOpen):
        Vault(keys, "tests").open(kept, ENDPOINT)


def test_a_secret_of_another_endpoint_or_a_changed_one_is_not_opened() -> None:
    vault = Vault([KEY], "tests")
    kept = vault.seal(SECRET, ENDPOINT)
    with pytest.raises(CannotOpen):
        vault.open(kept, uuid4())
    with pytest.raises(CannotOpen):
        vault.open(kept[:-1] + bytes([kept[-1] ^ 1]), ENDPOINT)


def test_a_key_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="32 characters"):
        Vault([KEY, "short"], "tests")
