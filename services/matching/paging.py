"""Pages that fit into a message of NATS."""

from collections.abc import Iterable

import msgspec

from proto.message import Message

_MOST_BYTES = 700_000


def that_fit(found: Iterable[Message], most_bytes: int = _MOST_BYTES) -> int:
    """Return how many of the first messages fit into so many bytes; of some, at least one."""
    size = count = 0
    for message in found:
        size += len(msgspec.msgpack.encode(message))
        if count and size > most_bytes:
            break
        count += 1
    return count
