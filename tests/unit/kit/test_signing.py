from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from multidict import MultiDict

from kit.signing import Grant, LinkExpired, LinkForged, Signer
from proto.ids import StorageKey

SECRET, OLDER = "s" * 32, "o" * 40
NOW = 1_000_000.0
GET = Grant("GET", StorageKey("outputs/a b/é%2F+_orig.jpg"), 1_000_100)
PUT = Grant("PUT", StorageKey("uploads/x/0"), 1_000_100, "image/jpeg", 5_000)
SIGNER = Signer([SECRET])

keys = st.text(min_size=1, max_size=60).map(StorageKey)
later = st.integers(int(NOW) + 1, 10**12)
gets = st.builds(Grant, st.just("GET"), keys, later)
puts = st.builds(Grant, st.just("PUT"), keys, later, st.text(max_size=40), st.integers(0, 10**12))
grants = gets | puts


def read(link: str) -> tuple[str, dict[str, str]]:
    """Read a link as a web server does."""
    parts = urlsplit(link)
    query = parse_qsl(parts.query, keep_blank_values=True)
    return unquote(parts.path).removeprefix("/files/"), dict(query)


@settings(deadline=None)
@given(grants)
def test_a_link_gives_what_was_granted(grant: Grant) -> None:
    link = SIGNER.link(grant)
    assert link.isascii()
    key, query = read(link)
    assert SIGNER.verify(grant.method, key, query, NOW) == grant


def test_a_link_is_written_so() -> None:
    link = SIGNER.link(GET)
    assert link.startswith(
        "/files/outputs/a%20b/%C3%A9%252F%2B_orig.jpg?expires=1000100&signature="
    )


@settings(deadline=None)
@given(grants, grants)
def test_a_signature_fits_nothing_but_what_it_was_made_for(grant: Grant, other: Grant) -> None:
    assume(grant != other)
    _, query = read(SIGNER.link(grant))
    key, wanted = read(SIGNER.link(other))
    with pytest.raises(LinkForged):
        SIGNER.verify(other.method, key, wanted | {"signature": query["signature"]}, NOW)


@settings(deadline=None)
@given(grants, st.data())
def test_one_thing_changed_is_enough(grant: Grant, data: st.DataObject) -> None:
    changes: dict[str, st.SearchStrategy[Any]] = {
        "method": st.sampled_from(["GET", "PUT", "POST", "DELETE", "get", ""]),
        "key": keys,
        "expires": later,
        "content_type": st.text(max_size=40),
        "max_bytes": st.integers(0, 10**12),
    }
    field = data.draw(st.sampled_from(sorted(changes)))
    other = replace(grant, **{field: data.draw(changes[field])})
    assume(other != grant)
    # as somebody would write it who knows the parameters of both kinds of link
    _, query = read(SIGNER.link(grant))
    forged = query | {"expires": str(other.expires)}
    if field in ("content_type", "max_bytes") or grant.method == "PUT":
        forged |= {"type": other.content_type, "max": str(other.max_bytes)}
    with pytest.raises(LinkForged):
        SIGNER.verify(other.method, other.key, forged, NOW)


@settings(deadline=None)
@given(grants, st.data())
def test_one_character_changed_anywhere_in_the_query_is_enough(
    grant: Grant, data: st.DataObject
) -> None:
    key, query = read(SIGNER.link(grant))
    name = data.draw(st.sampled_from(sorted(name for name in query if query[name])))
    text = query[name]
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters())
    assume(letter != text[place])
    changed = text[:place] + letter + text[place + 1 :]
    with pytest.raises(LinkForged):
        SIGNER.verify(grant.method, key, query | {name: changed}, NOW)


@settings(deadline=None)
@given(puts, st.integers(1, 9))
def test_a_digit_that_ends_one_field_cannot_begin_the_next(grant: Grant, digit: int) -> None:
    key, kind = StorageKey(f"{grant.key}{digit}"), f"{grant.content_type}{digit}"
    moved = {
        replace(grant, key=key): replace(grant, expires=int(f"{digit}{grant.expires}")),
        replace(grant, content_type=kind): replace(
            grant, max_bytes=int(f"{digit}{grant.max_bytes}")
        ),
    }
    for one, other in moved.items():
        _, signed = read(SIGNER.link(one))
        path, wanted = read(SIGNER.link(other))
        with pytest.raises(LinkForged):
            SIGNER.verify("PUT", path, wanted | {"signature": signed["signature"]}, NOW)


@pytest.mark.parametrize("grant", [GET, PUT], ids=["get", "put"])
@pytest.mark.parametrize(
    "change",
    [
        {"expires": "0001000100"},
        {"expires": " 1000100"},
        {"expires": "+1000100"},
        {"expires": "1_000_100"},
        {"expires": "1000100.0"},
        {"expires": "１０００１００"},
        {"expires": "9" * 5000},
        {"expires": "-1"},
        {"expires": ""},
        {"max": "05000"},
        {"max": "-1"},
        {"max": ""},
        {"signature": ""},
        {"signature": "é" * 64},
        {"signature": "\udcff" * 64},
        {"type": "\udcff"},
        {"download": "1"},
    ],
    ids=str,
)
def test_there_is_one_way_to_write_a_link(grant: Grant, change: dict[str, str]) -> None:
    key, query = read(SIGNER.link(grant))
    with pytest.raises(LinkForged):
        SIGNER.verify(grant.method, key, query | change, NOW)


@pytest.mark.parametrize("grant", [GET, PUT], ids=["get", "put"])
def test_a_parameter_that_is_missing_or_said_twice_is_a_forgery(grant: Grant) -> None:
    key, query = read(SIGNER.link(grant))
    for name in query:
        fewer = {other: text for other, text in query.items() if other != name}
        twice = MultiDict([*query.items(), (name, query[name])])
        for changed in (fewer, twice):
            with pytest.raises(LinkForged):
                SIGNER.verify(grant.method, key, changed, NOW)


def test_a_key_that_is_no_unicode_is_a_forgery() -> None:
    _, query = read(SIGNER.link(GET))
    with pytest.raises(LinkForged):
        SIGNER.verify("GET", "outputs/\udcff", query, NOW)


def test_a_link_to_get_also_serves_head_and_one_to_put_does_not() -> None:
    key, query = read(SIGNER.link(GET))
    assert SIGNER.verify("HEAD", key, query, NOW) == GET
    key, query = read(SIGNER.link(PUT))
    with pytest.raises(LinkForged):
        SIGNER.verify("HEAD", key, query, NOW)


def test_a_link_expires() -> None:
    key, query = read(SIGNER.link(GET))
    assert SIGNER.verify("GET", key, query, GET.expires - 0.1) == GET
    for now in (GET.expires, GET.expires + 1e9):
        with pytest.raises(LinkExpired):
            SIGNER.verify("GET", key, query, now)


def test_a_forged_link_does_not_tell_that_it_has_expired() -> None:
    key, query = read(SIGNER.link(GET))
    with pytest.raises(LinkForged):
        SIGNER.verify("GET", key + "x", query, GET.expires + 1)


def test_secrets_rotate() -> None:
    key, query = read(Signer([OLDER]).link(GET))
    assert Signer([SECRET, OLDER]).verify("GET", key, query, NOW) == GET
    with pytest.raises(LinkForged):
        SIGNER.verify("GET", key, query, NOW)
    assert Signer([SECRET, OLDER]).link(GET) == SIGNER.link(GET)


@pytest.mark.parametrize("secrets", [[], ["short"], [SECRET, "short"]])
def test_secrets_that_can_be_guessed_are_refused(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="at least 32"):
        Signer(secrets)
