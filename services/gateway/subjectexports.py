"""What is known of a subject, as whoever asked for it can read it: with links, not storage keys."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from proto.ids import StorageKey
from services.gateway.portraits import Links

_WITH_PHOTOGRAPHS = ("references", "results", "cards", "portraits")
"""Parts of an export whose entries are about a photograph each."""


async def with_links(export: bytes, to: Links, seconds: int) -> bytes:
    """Return an export with a signed link to each photograph in place of its key.

    Args:
        export: As the service `matching` has written it.
        to: Makes the links.
        seconds: How long they are good for; the export says until when.
    """
    told: dict[str, Any] = msgspec.json.decode(export)
    links: dict[str, str] = {}
    for entry in _about_photographs(told):
        key = entry.pop("key")
        if key and key not in links:
            links[key] = await to.to(StorageKey(key))
        entry["photo_url"] = links.get(key)
    told["links_until"] = datetime.now(UTC) + timedelta(seconds=seconds)
    return msgspec.json.format(msgspec.json.encode(told), indent=2)


def _about_photographs(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in _WITH_PHOTOGRAPHS:
        for entry in told.get(part, ()):
            if "key" in entry:
                yield entry
