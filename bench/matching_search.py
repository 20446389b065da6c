"""The search alone: a face against 1,000 to 1,000,000 references, as matching does it.

Exact, with the best subject and the runners-up that a decision needs, for one face at a time and
for 64 that came together; beside it the bare product of matrices with its largest entry, which is
the least that any exact search has to do.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as matching does, before numpy is there

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.embeddings import photographed, strangers
from services.matching.searching import References, Vectors

SIZES = (1_000, 10_000, 100_000, 1_000_000)
TOGETHER = 64
_LEAST_ROUNDS = 5
_MOST_ROUNDS = 500
_SECONDS = 1.0
"""For each cell; the median round counts, because the machine may have other things to do."""


@dataclass(frozen=True, slots=True)
class Search:
    """Microseconds for each face."""

    references: int
    alone_us: float
    together_us: float
    product_us: float
    """The bare product and its largest entry, for one face."""
    found: float
    """Part of the faces whose own reference was the nearest."""

    def __str__(self) -> str:
        return (
            f"{self.references:9,} references {self.alone_us:10.0f} us alone "
            f"{self.together_us:8.0f} us of {TOGETHER} together "
            f"{self.product_us:10.0f} us bare product; found {self.found:.1%}"
        )


def searched(count: int) -> Search:
    """Search among so many references of as many people."""
    rng = np.random.default_rng(count)
    people = strangers(count, rng)
    faces = photographed(people[rng.integers(0, count, TOGETHER)], rng)
    references = References.of(people, np.arange(1, count + 1))
    nearest = [found[0].subject - 1 for found in references.nearest(faces)]
    own = (people[nearest] * faces).sum(axis=1)
    best = [float((people @ face).max()) for face in faces]
    return Search(
        references=count,
        alone_us=_microseconds(lambda turn: references.nearest(faces[turn : turn + 1])),
        together_us=_microseconds(lambda _: references.nearest(faces)) / TOGETHER,
        product_us=_microseconds(lambda turn: _best(people, faces[turn])),
        found=float(np.isclose(own, best, atol=1e-5).mean()),
    )


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    print(json.dumps({f"search_us_{_short(each.references)}": each.alone_us for each in table()}))


def table() -> list[Search]:
    """Search at every size, and print how long it takes."""
    print("\nthe search alone, with the runners-up of each face")
    found = []
    for count in SIZES:
        search = searched(count)
        print(search, flush=True)
        found.append(search)
    return found


def _best(people: Vectors, face: Vectors) -> int:
    return int((people @ face).argmax())


def _microseconds(search: Callable[[int], object]) -> float:
    """Return the median time of a search, told the number of a face."""
    search(0)
    times: list[float] = []
    until = time.perf_counter() + _SECONDS
    while len(times) < _LEAST_ROUNDS or (len(times) < _MOST_ROUNDS and time.perf_counter() < until):
        turn = len(times) % TOGETHER
        began = time.perf_counter()
        search(turn)
        times.append(time.perf_counter() - began)
    return round(float(np.median(times)) * 1e6, 1)


def _short(count: int) -> str:
    return f"{count // 1_000_000}m" if count >= 1_000_000 else f"{count // 1_000}k"


if __name__ == "__main__":
    main()
