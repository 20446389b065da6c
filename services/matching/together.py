"""Searching for many at once: whoever waits while a search runs is in the next one, all together.

A product of matrices reads the references once for all faces, so sixty faces cost little more than
one. Nobody waits for others to come: with one caller each face is searched at once.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proto.agencies import SubjectId
from services.matching.deciding import Likeness
from services.matching.searching import References, Vectors

MOST_TOGETHER = 256
"""Faces in one product; beyond it their cosines outgrow what they are looked for in."""

Only = frozenset[SubjectId] | None
Found = list[tuple[Likeness, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """Faces of one photograph, and who wants to know."""

    faces: Vectors
    only: Only
    found: "asyncio.Future[Found]"


class Together:
    """Searches off the event loop, one product at a time for each set of references."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[_Waiting]] = defaultdict(list)
        """By the identity of references."""
        self._searching: dict[int, asyncio.Task[None]] = {}

    async def nearest(self, references: References, faces: Vectors, only: Only) -> Found:
        """Return the nearest subjects of each face [b, d], as References.nearest does."""
        if not len(faces):
            return []
        found: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        of = id(references)
        self._waiting[of].append(_Waiting(faces, only, found))
        if of not in self._searching:
            # the task holds the references, so their identity stays theirs while anybody waits
            self._searching[of] = asyncio.create_task(self._search(references))
        return await found

    async def close(self) -> None:
        """Let go of what is under way."""
        searching = list(self._searching.values())
        for task in searching:
            task.cancel()
        await asyncio.gather(*searching, return_exceptions=True)
        # of those whose task had not begun
        for waiting in self._waiting.values():
            for each in waiting:
                each.found.cancel()
        self._waiting.clear()
        self._searching.clear()

    async def _search(self, references: References) -> None:
        of, waiting = id(references), list[_Waiting]()
        try:
            while waiting := _next(self._waiting[of]):
                try:
                    found = await asyncio.to_thread(_found, references, waiting)
                except Exception as error:  # noqa: BLE001 - whoever waits is told, whatever it is
                    for each in waiting:
                        _tell(each, error)
                else:
                    for each, of_photograph in zip(waiting, found, strict=True):
                        _tell(each, of_photograph)
        finally:
            for each in (*waiting, *self._waiting.pop(of)):
                each.found.cancel()
            del self._searching[of]


def _next(waiting: list[_Waiting]) -> list[_Waiting]:
    """Take those who have waited longest, as many as one product holds, and at least one."""
    taken = faces = 0
    for each in waiting:
        faces += len(each.faces)
        if taken and faces > MOST_TOGETHER:
            break
        taken += 1
    first = waiting[:taken]
    del waiting[:taken]
    # who was cancelled does not wait any more
    return [each for each in first if not each.found.done()] or (_next(waiting) if waiting else [])


def _found(references: References, waiting: Sequence[_Waiting]) -> list[Found]:
    """Search for everybody; those who ask about the same subjects share a product."""
    by_filter: dict[Only, list[int]] = defaultdict(list)
    for place, each in enumerate(waiting):
        by_filter[each.only].append(place)
    found: list[Found] = [[] for _ in waiting]
    for only, places in by_filter.items():
        faces = np.concatenate([waiting[place].faces for place in places])
        nearest = iter(references.nearest(faces, only))
        for place in places:
            found[place] = [next(nearest) for _ in waiting[place].faces]
    return found


def _tell(who: _Waiting, what: Found | Exception) -> None:
    if who.found.done():
        return
    if isinstance(what, Exception):
        who.found.set_exception(what)
    else:
        who.found.set_result(what)
