"""Two versions talk to each other while one replaces the other: messages only ever grow.

What holds for every message, so that a newer and an older side understand each other: fields go by
name and not by place, and one that the other side does not know is passed over.
"""

from typing import Any

import msgspec
import pytest

from cli.asyncapi import requests


def structs() -> list[type[msgspec.Struct]]:
    """Every struct that travels: requests, replies, and what is in them."""
    found: dict[str, type[msgspec.Struct]] = {}
    kinds = [kind for request in requests() for kind in (request, request.reply)]
    for info in msgspec.inspect.multi_type_info(kinds):
        _collect(info, found)
    return [found[name] for name in sorted(found)]


def _collect(info: Any, found: dict[str, type[msgspec.Struct]]) -> None:
    if isinstance(info, msgspec.inspect.StructType):
        name = f"{info.cls.__module__}.{info.cls.__name__}"
        if name in found:
            return
        found[name] = info.cls
        for each in info.fields:
            _collect(each.type, found)
    for name in ("types", "item_type", "item_types", "key_type", "value_type", "type"):
        inner = getattr(info, name, None)
        for each in inner if isinstance(inner, tuple) else (inner,):
            if isinstance(each, msgspec.inspect.Type):
                _collect(each, found)


@pytest.mark.parametrize("kind", structs(), ids=lambda kind: kind.__name__)
def test_a_message_goes_by_names_and_passes_over_what_it_does_not_know(
    kind: type[msgspec.Struct],
) -> None:
    config = kind.__struct_config__
    assert not config.array_like
    assert not config.forbid_unknown_fields


def test_messages_are_found() -> None:
    names = {kind.__name__ for kind in structs()}
    assert {"Reserve", "Reservation", "CropFace", "Ticket"} - names == {"Ticket"}
    assert len(names) > 100
