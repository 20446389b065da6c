"""Long lists in pieces that fit into messages."""

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def parts(
    items: Sequence[Item], weight: Callable[[Item], int], *, most: int, most_bytes: int
) -> list[list[Item]]:
    """Cut items into lists of at most `most`, which weigh at most `most_bytes` together.

    One that weighs more stands alone.
    """
    cut: list[list[Item]] = []
    size = 0
    for item in items:
        weighs = weight(item)
        if not cut or size + weighs > most_bytes or len(cut[-1]) == most:
            cut.append([])
            size = 0
        cut[-1].append(item)
        size += weighs
    return cut
