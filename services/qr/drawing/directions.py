"""Which way text runs: the Unicode Bidirectional Algorithm (UAX #9), as far as a line needs it."""

from collections.abc import Sequence
from typing import Any, TypeVar
from unicodedata import bidirectional

from bidi import algorithm

_Item = TypeVar("_Item")

_BACKWARDS = {"R", "AL"}
"""Bidirectional classes of letters that are written from right to left."""


def base_level(text: str) -> int:
    """Return 1 if the first letter with a direction runs from right to left, else 0."""
    if not _runs_backwards(text):
        return 0
    level: int = algorithm.get_base_level(text)
    return level


def levels(text: str, base: int) -> list[int] | None:
    """Return the embedding level of each character, odd where it runs from right to left.

    Args:
        text: One line, without white space at its ends.
        base: The level of the paragraph.

    Returns:
        None if everything runs from left to right.
    """
    if not base and not _runs_backwards(text):
        return None
    storage: dict[str, Any] = algorithm.get_empty_storage()
    storage["base_level"], storage["base_dir"] = base, "LR"[base]
    algorithm.get_embedding_levels(text, storage)
    characters = list(storage["chars"])
    algorithm.explicit_embed_and_overrides(storage)
    algorithm.resolve_weak_types(storage)
    algorithm.resolve_neutral_types(storage, debug=False)
    algorithm.resolve_implicit_levels(storage, debug=False)
    resolved: list[int] = []
    for character in characters:
        # Rule X9 leaves out joiners, which belong to the letter before them.
        beside = resolved[-1] if resolved else base
        resolved.append(beside if character["orig"] == "BN" else character["level"])
    return resolved


def seen_order(runs: Sequence[tuple[int, _Item]]) -> list[_Item]:
    """Put runs, given with their levels in the order of reading, into that from left to right.

    Rule L2: from the highest level down to the lowest odd one, reverse what is at it or above.
    """
    ordered = list(runs)
    highest = max((level for level, _ in ordered), default=0)
    for level in range(highest, 0, -1):
        start = 0
        while start < len(ordered):
            end = start
            while end < len(ordered) and ordered[end][0] >= level:
                end += 1
            ordered[start:end] = reversed(ordered[start:end])
            start = end + 1
    return [item for _, item in ordered]


def _runs_backwards(text: str) -> bool:
    return not text.isascii() and not _BACKWARDS.isdisjoint(map(bidirectional, text))
