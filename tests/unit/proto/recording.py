"""Messages as they were once sent: examples of every one, and the shape each had.

While replicas are replaced two versions run at once, items of jobs wait in the book for a day, and
events lie in their stream for three: what an older version wrote must be read by a newer one. So
`yesterday.json` holds what was sent, and what is written there stays.

    ./just record-messages

adds what is not in it yet, and changes nothing else. A message that was never released may be taken
out by hand.
"""

import base64
import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from msgspec import inspect

import proto
from proto import errors
from proto.events import Event
from proto.message import Message, Request

FILE = Path(__file__).with_name("yesterday.json")

_MOMENT = datetime(2026, 5, 18, 9, 30, 0, 250_000, UTC)
_UUID = UUID("018f8a54-7c3e-7b61-9d0f-2f6c7d1e5a90")
_TEXTS = (
    "text",
    "school",
    "facecrop",
    "en",
    "#336699",
    "somebody@example.com",
    "https://example.com/keys",
    "orig.jpg",
)
_NUMBERS = (7, 1, 0, 2, 100, 1_000, -1)


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a message, by its name on the wire."""

    type: str
    """What it may be, in words: alternatives divided by ` | `, bounds left out."""
    required: bool


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of message."""

    told_by: dict[str, str]
    """What tells it from others: the subject it is sent on, its tag in a union, its error code."""
    fields: dict[str, Field]
    examples: list[str]
    """As they were sent: MessagePack, in base64. Those of older shapes come first."""


Record = dict[str, Recorded]


class NotAdditive(Exception):
    """A message is not what it was with something added; the text says what is wrong."""


def kinds() -> dict[str, type[Any]]:
    """Return every message, event and refusal of today by its name: `wallet.Reserve`."""
    for module in pkgutil.walk_packages(proto.__path__, "proto."):
        importlib.import_module(module.name)
    messages = [kind for kind in _below(Message) if kind.__module__.startswith("proto.")]
    refusals = list(errors.every_refusal().values())
    named = {_name(kind): kind for kind in [*messages, *refusals]}
    return {name: named[name] for name in sorted(named) if named[name] is not Request}


def _name(kind: type[Any]) -> str:
    """Name it after the service, in whichever of its modules it stands."""
    _, service, *_ = kind.__module__.split(".")
    return f"{service}.{kind.__name__}"


def read(file: Path = FILE) -> Record:
    return msgspec.json.decode(file.read_bytes(), type=Record)


def write(record: Record, file: Path = FILE) -> None:
    text = msgspec.json.format(msgspec.json.encode(record, order="deterministic"), indent=1)
    file.write_bytes(text + b"\n")


def added(record: Record, today: dict[str, type[Any]]) -> Record:
    """Return a record with what is new of today's messages. Raises NotAdditive."""
    new = dict(record)
    for name, kind in today.items():
        shape = shape_of(kind)
        if name not in record:
            new[name] = Recorded(told_by=told_by(kind), fields=shape, examples=examples(kind))
            continue
        if wrong := changes(record[name].fields, shape):
            raise NotAdditive(f"{name}: {'; '.join(wrong)}")
        if fresh := shape.keys() - record[name].fields.keys():
            new[name] = Recorded(
                told_by=record[name].told_by,
                fields=record[name].fields | {field: shape[field] for field in sorted(fresh)},
                examples=[*record[name].examples, *examples(kind)],
            )
    return new


def changes(was: dict[str, Field], now: dict[str, Field]) -> list[str]:
    """Return why a message of the shape `was` is not read by who expects `now`, in sentences."""
    found = []
    for name, field in was.items():
        if name not in now:
            found.append(f"{name} was removed; keep it until nobody sends it any more")
        elif gone := _alternatives(field.type) - _alternatives(now[name].type):
            found.append(f"{name} can no longer be {', '.join(sorted(gone))}")
    found += [
        f"{name} is new and required; give it a default, for whoever does not send it yet"
        for name, field in now.items()
        if name not in was and field.required
    ]
    found += [
        f"{name} has become required; keep its default"
        for name, field in now.items()
        if name in was and field.required and not was[name].required
    ]
    return found


def shape_of(kind: type[Any]) -> dict[str, Field]:
    """Return the fields of a message."""
    return {
        field.encode_name: Field(type=_words(field.type), required=field.required)
        for field in _fields(inspect.type_info(kind))
    }


def told_by(kind: type[Any]) -> dict[str, str]:
    """Return what tells a message from others on the wire."""
    told: dict[str, Any] = {}
    if issubclass(kind, Request):
        told["subject"] = kind.subject
    elif issubclass(kind, Event):  # one without a type is what several have in common
        told["subject"] = kind.subject() if hasattr(kind, "type") else ""
    elif issubclass(kind, errors.Refusal):
        told["code"] = kind.code
    if issubclass(kind, msgspec.Struct):
        told["tag"] = kind.__struct_config__.tag or ""
    return {name: value for name, value in told.items() if value}


def examples(kind: type[Any]) -> list[str]:
    """Return encoded examples of a message, in which every alternative of every field occurs."""
    values = list(_examples(inspect.type_info(kind)))
    return [encoded(msgspec.convert(value, kind, strict=False)) for value in values]


def encoded(message: object) -> str:
    return base64.b64encode(msgspec.msgpack.encode(message)).decode()


def decoded(example: str, kind: type[Any]) -> Any:
    """Read an example as a message of today. Raises msgspec.ValidationError."""
    return msgspec.msgpack.decode(base64.b64decode(example), type=kind)


def lost(said: Any, kept: Any, where: str = "") -> list[str]:
    """Return what was said and is not kept, by where it stood; both are plain values."""
    if isinstance(said, dict) and isinstance(kept, dict):
        return [
            each
            for name in said
            for each in (
                lost(said[name], kept[name], f"{where}.{name}")
                if name in kept
                else [f"{where}.{name}"]
            )
        ]
    if isinstance(said, list) and isinstance(kept, list) and len(said) == len(kept):
        pairs = zip(said, kept, strict=True)
        return [
            each for number, pair in enumerate(pairs) for each in lost(*pair, f"{where}[{number}]")
        ]
    return [] if said == kept else [where]


def _below(kind: type[Any]) -> Iterator[type[Any]]:
    for below in kind.__subclasses__():
        yield below
        yield from _below(below)


def _fields(info: inspect.Type) -> tuple[inspect.Field, ...]:
    if not isinstance(info, inspect.StructType | inspect.DataclassType):
        raise TypeError(f"{info} has no fields")
    return info.fields


def _alternatives(words: str) -> set[str]:
    return set(words.split(" | "))


def _words(info: inspect.Type) -> str:
    """Return a type in words that only change when what is sent changes."""
    match info:
        case inspect.Metadata(type=inner):
            return _words(inner)
        case inspect.UnionType(types=types):
            return " | ".join(
                sorted({word for each in types for word in _words(each).split(" | ")})
            )
        case inspect.LiteralType(values=values):
            return " | ".join(sorted(repr(value) for value in values))
        case inspect.StructType(cls=cls) | inspect.DataclassType(cls=cls):
            return _name(cls)
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return f"list[{_inside(item)}]"
        case inspect.TupleType(item_types=items):
            return f"tuple[{', '.join(_inside(item) for item in items)}]"
        case inspect.DictType(key_type=key, value_type=value):
            return f"dict[{_inside(key)}, {_inside(value)}]"
        case _:
            return type(info).__name__.removesuffix("Type").lower()


def _inside(info: inspect.Type) -> str:
    """Return a type as it stands inside brackets, where alternatives are not taken apart."""
    return _words(info).replace(" | ", "|")


def _examples(info: inspect.Type) -> Iterator[Any]:
    """Yield plain values of a type: at least one, and one for each alternative."""
    make = _MAKERS.get(type(info))
    if make is None:
        raise NotImplementedError(f"no example of {info} can be made; teach _MAKERS")
    yield from make(info)


def _of_struct(info: inspect.StructType | inspect.DataclassType) -> Iterator[dict[str, Any]]:
    fields = {field.encode_name: list(_examples(field.type)) for field in info.fields}
    tag = {info.tag_field: info.tag} if isinstance(info, inspect.StructType) and info.tag else {}
    for number in range(max([1, *map(len, fields.values())])):
        values = {name: each[number % len(each)] for name, each in fields.items()}
        yield {str(name): value for name, value in tag.items()} | values


def _of_text(info: inspect.StrType) -> Iterator[str]:
    shortest, longest = info.min_length or 0, info.max_length or sys.maxsize
    for text in _TEXTS:
        padded = text.ljust(shortest, "x")
        if len(padded) <= longest and (not info.pattern or re.search(info.pattern, padded)):
            yield padded
            return
    raise NotImplementedError(f"no text fits {info.pattern}; add one to _TEXTS")


def _of_number(info: inspect.IntType | inspect.FloatType) -> Iterator[float]:
    bounds: list[tuple[float | None, Callable[[float, float], bool]]] = [
        (info.ge, lambda number, bound: number >= bound),
        (info.gt, lambda number, bound: number > bound),
        (info.le, lambda number, bound: number <= bound),
        (info.lt, lambda number, bound: number < bound),
    ]
    ours = (0.375, *_NUMBERS) if isinstance(info, inspect.FloatType) else _NUMBERS
    edges = [bound for bound, _ in bounds if bound is not None]
    for number in [*ours, *edges]:
        if all(bound is None or fits(number, bound) for bound, fits in bounds):
            yield number
            return
    raise NotImplementedError(f"no number fits {info}; add one to _NUMBERS")


def _of_list(info: inspect.ListType | inspect.VarTupleType) -> Iterator[list[Any]]:
    items = list(_examples(info.item_type))
    yield (items * max(1, info.min_length or 0))[: info.max_length or None]


_MAKERS: dict[type[inspect.Type], Callable[[Any], Iterator[Any]]] = {
    inspect.Metadata: lambda info: _examples(info.type),
    inspect.StructType: _of_struct,
    inspect.DataclassType: _of_struct,
    inspect.UnionType: lambda info: (each for kind in info.types for each in _examples(kind)),
    inspect.LiteralType: lambda info: iter(info.values),
    inspect.StrType: _of_text,
    inspect.IntType: _of_number,
    inspect.FloatType: _of_number,
    inspect.BoolType: lambda _: iter((True,)),
    inspect.NoneType: lambda _: iter((None,)),
    inspect.BytesType: lambda info: iter((b"\x00bytes".ljust(info.min_length or 0, b"\xff"),)),
    inspect.UUIDType: lambda _: iter((_UUID,)),
    inspect.DateTimeType: lambda _: iter((_MOMENT,)),
    inspect.DateType: lambda _: iter((_MOMENT.date(),)),
    inspect.ListType: _of_list,
    inspect.VarTupleType: _of_list,
    inspect.TupleType: lambda info: iter(([next(_examples(kind)) for kind in info.item_types],)),
    inspect.DictType: lambda info: iter(
        ({next(_examples(info.key_type)): each for each in _examples(info.value_type)},)
    ),
    inspect.AnyType: lambda _: iter(("anything",)),
}


def main() -> int:
    """Add what is new; returns the exit code."""
    record = read() if FILE.exists() else {}
    try:
        new = added(record, kinds())
    except NotAdditive as error:
        sys.stderr.write(f"{error}\n")
        return 1
    write(new)
    sys.stdout.write(f"{len(new)} messages, {len(new) - len(record)} of them new\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
