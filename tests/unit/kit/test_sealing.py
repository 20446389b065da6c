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


def test_what_is_sealed_as_text_is_opened_by_it() -> None:
    vault = Vault([KEY], "tests")
    text = vault.seal_text(SECRET, ENDPOINT)
    assert text.isascii()
    assert text.replace("-", "").replace("_", "").isalnum()
    assert vault.open_text(text, ENDPOINT) == SECRET


@pytest.mark.parametrize(
    "text", ["", "A", "AA", "AQ", "AQAA", "AHNlY3JldA", "äöü", "a b", "////", "A" * 5000]
)
def test_text_that_was_never_sealed_is_not_opened(text: str) -> None:
    with pytest.raises(CannotOpen):
        Vault([KEY], "tests").open_text(text, ENDPOINT)


def test_text_is_not_opened_for_another_or_when_it_was_altered() -> None:
    vault = Vault([KEY], "tests")
    text = vault.seal_text(SECRET, ENDPOINT)
    for of, altered in ((uuid4(), text), (ENDPOINT, text[:-2] + "AA"), (ENDPOINT, text[:9])):
        with pytest.raises(CannotOpen):
            vault.open_text(altered, of)


def test_a_vault_without_keys_believes_no_text() -> None:
    vault = Vault([], "tests")
    with pytest.raises(CannotOpen):
        vault.open_text(vault.seal_text(SECRET, ENDPOINT), ENDPOINT)
