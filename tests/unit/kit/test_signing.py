from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.signing import Grant, LinkExpired, LinkForged, Signer
from proto.ids import StorageKey

SECRET, OLDER = "s" * 32, "o" * 40
NOW = 1_000_000.0
GET = Grant("GET", StorageKey("outputs/a b/é_orig.jpg"), 1_000_100)
PUT = Grant("PUT", StorageKey("uploads/x/0"), 1_000_100, "image/jpeg", 5_000)


def read(link: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(link)
    return unquote(parts.path).removeprefix("/files/"), dict(parse_qsl(parts.query))


@pytest.mark.parametrize("grant", [GET, PUT])
def test_a_link_gives_what_was_granted(grant: Grant) -> None:
    signer = Signer([SECRET])
    key, query = read(signer.link(grant))
    assert signer.verify(grant.method, key, query, NOW) == grant


def test_a_link_to_get_also_serves_head() -> None:
    signer = Signer([SECRET])
    key, query = read(signer.link(GET))
    assert signer.verify("HEAD", key, query, NOW) == GET


def test_a_link_expires() -> None:
    signer = Signer([SECRET])
    key, query = read(signer.link(GET))
    signer.verify("GET", key, query, GET.expires - 0.1)
    with pytest.raises(LinkExpired):
        signer.verify("GET", key, query, GET.expires)


CHANGES: list[dict[str, Any]] = [
    {"method": "PUT"},
    {"method": "DELETE"},
    {"key": "uploads/x/1"},
    {"key": "uploads/x/0/"},
    {"expires": "1000101"},
    {"expires": "0001000100"},
    {"expires": "never"},
    {"expires": "９"},
    {"type": "text/html"},
    {"max": "5001"},
    {"max": "-1"},
    {"signature": ""},
    {"signature": "é" * 64},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
@pytest.mark.parametrize("grant", [GET, PUT], ids=["get", "put"])
def test_whatever_is_changed_the_link_is_forged(grant: Grant, change: dict[str, Any]) -> None:
    signer = Signer([SECRET])
    key, query = read(signer.link(grant))
    asked = {"method": grant.method, "key": key, **query} | change
    if asked == {"method": grant.method, "key": key, **query}:
        return
    if asked["expires"] == "0001000100":
        # the same number written otherwise means the same
        assert signer.verify(grant.method, key, asked, NOW) == grant
        return
    with pytest.raises(LinkForged):
        signer.verify(asked.pop("method"), asked.pop("key"), asked, NOW)


@given(position=st.integers(0, 63), letter=st.sampled_from("0123456789abcdefg"))
def test_no_other_signature_fits(position: int, letter: str) -> None:
    signer = Signer([SECRET])
    key, query = read(signer.link(GET))
    given_one = query["signature"]
    other = given_one[:position] + letter + given_one[position + 1 :]
    if other != given_one:
        with pytest.raises(LinkForged):
            signer.verify("GET", key, query | {"signature": other}, NOW)


@given(st.text(min_size=1, max_size=20), st.text(max_size=20), st.integers(0, 10**6))
def test_fields_do_not_run_into_each_other(key: str, content_type: str, size: int) -> None:
    signer = Signer([SECRET])
    one = Grant("PUT", StorageKey(key), 1, content_type, size)
    other = Grant("PUT", StorageKey(key + content_type[:1]), 1, content_type[1:], size)
    if one != other:
        assert signer.link(one).rpartition("=")[2] != signer.link(other).rpartition("=")[2]


def test_secrets_rotate() -> None:
    key, query = read(Signer([OLDER]).link(GET))
    assert Signer([SECRET, OLDER]).verify("GET", key, query, NOW) == GET
    with pytest.raises(LinkForged):
        Signer([SECRET]).verify("GET", key, query, NOW)


@pytest.mark.parametrize("secrets", [[], ["short"], [SECRET, "short"]])
def test_secrets_that_can_be_guessed_are_refused(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="at least 32"):
        Signer(secrets)
