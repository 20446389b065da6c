"""What an older version sent is read by this one: messages only ever get more."""

import base64
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from proto.message import Message
from tests.unit.proto.recording import (
    Field,
    NotAdditive,
    added,
    changes,
    decoded,
    encoded,
    examples,
    kinds,
    lost,
    read,
    shape_of,
    told_by,
)

TODAY = kinds()
YESTERDAY = read()
COMMAND = "./just record-messages"


@pytest.mark.parametrize("name", YESTERDAY)
def test_what_was_sent_is_still_understood(name: str) -> None:
    kind = TODAY[name]
    for example in YESTERDAY[name].examples:
        message = decoded(example, kind)
        said = msgspec.msgpack.decode(base64.b64decode(example))
        kept = msgspec.msgpack.decode(base64.b64decode(encoded(message)))
        assert lost(said, kept) == []


@pytest.mark.parametrize("name", YESTERDAY)
def test_nothing_was_taken_away_or_made_something_else(name: str) -> None:
    assert changes(YESTERDAY[name].fields, shape_of(TODAY[name])) == []


@pytest.mark.parametrize("name", YESTERDAY)
def test_it_is_still_found_where_it_was(name: str) -> None:
    assert told_by(TODAY[name]) == YESTERDAY[name].told_by


@pytest.mark.parametrize("name", TODAY)
def test_yesterdays_readers_pass_over_what_is_new(name: str) -> None:
    info = inspect.type_info(TODAY[name])
    assert not isinstance(info, inspect.StructType) or not info.forbid_unknown_fields


def test_every_message_of_today_is_written_down() -> None:
    missing = [
        name
        for name, kind in TODAY.items()
        if name not in YESTERDAY or shape_of(kind).keys() - YESTERDAY[name].fields.keys()
    ]
    assert missing == [], f"run {COMMAND}"


# what the tests above are worth: each way to break a reader is found


class Was(Message):
    name: str
    tokens: int
    state: str = "held"


class WithMore(Message):
    name: str
    tokens: int
    state: str = "held"
    note: str = ""


class WithLess(Message):
    name: str
    state: str = "held"


class Retyped(Message):
    name: str
    tokens: str
    state: str = "held"


class WantsMore(Message):
    name: str
    tokens: int
    state: str = "held"
    note: str


class Stricter(Message):
    name: str
    tokens: int
    state: str


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (WithLess, "tokens was removed"),
        (Retyped, "tokens can no longer be int"),
        (WantsMore, "note is new and required"),
        (Stricter, "state has become required"),
    ],
)
def test_a_message_that_breaks_readers_is_told(now: type[Message], why: str) -> None:
    (said,) = changes(shape_of(Was), shape_of(now))
    assert said.startswith(why)
    record = added({}, {"a.Message": Was})
    with pytest.raises(NotAdditive, match=why):
        added(record, {"a.Message": now})


def test_a_message_with_more_is_added_and_the_old_examples_stay() -> None:
    record = added({}, {"a.Message": Was})
    more = added(record, {"a.Message": WithMore})["a.Message"]
    assert more.examples[: len(record["a.Message"].examples)] == record["a.Message"].examples
    assert set(more.fields) == {"name", "tokens", "state", "note"}
    assert added({"a.Message": more}, {"a.Message": WithMore}) == {"a.Message": more}


def test_a_value_that_is_not_kept_is_told() -> None:
    (example,) = examples(Was)
    kept = msgspec.to_builtins(decoded(example, WithLess))
    assert lost(msgspec.msgpack.decode(base64.b64decode(example)), kept) == [".tokens"]
    with pytest.raises(msgspec.ValidationError):
        decoded(example, Retyped)
    with pytest.raises(msgspec.ValidationError):
        decoded(example, WantsMore)


@pytest.mark.parametrize(
    ("was", "now", "wrong"),
    [
        ("'a' | 'b'", "'a' | 'b' | 'c'", False),
        ("'a' | 'b'", "'a'", True),
        ("int | none", "int", True),
        ("int", "int | none", False),
        ("list[int]", "list[int|none]", True),
    ],
)
def test_alternatives_may_come_and_not_go(was: str, now: str, wrong: bool) -> None:
    shapes: list[dict[str, Any]] = [{"x": Field(type=each, required=True)} for each in (was, now)]
    assert bool(changes(*shapes)) is wrong
