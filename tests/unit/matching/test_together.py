"""Searching for many at once."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from proto.agencies import SubjectId
from services.matching import together as searches
from services.matching.searching import References, Vectors
from services.matching.together import Found, Only, Together


def vectors(seed: int, count: int) -> Vectors:
    found: Vectors = np.random.default_rng(seed).standard_normal((count, 8), np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


REFERENCES = References.of(vectors(1, 60), np.repeat(np.arange(1, 21), 3))


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many faces were in each product."""
    found: list[int] = []
    nearest = References.nearest

    def count(self: References, faces: Vectors, only: Only = None) -> Found:
        found.append(len(faces))
        return nearest(self, faces, only)

    monkeypatch.setattr(References, "nearest", count)
    return found


async def ask(together: Together, photographs: Sequence[Vectors], only: Only = None) -> list[Found]:
    return await asyncio.gather(
        *(together.nearest(REFERENCES, faces, only) for faces in photographs)
    )


async def test_whoever_waits_is_in_the_next_product(products: list[int]) -> None:
    photographs = [vectors(seed, seed % 3) for seed in range(10, 40)]
    plain = [REFERENCES.nearest(faces) if len(faces) else [] for faces in photographs]
    products.clear()
    together = Together()
    assert await ask(together, photographs) == plain
    # those who came before the first product began are in it all
    assert sum(products) == sum(len(faces) for faces in photographs)
    assert len(products) == 1
    assert await ask(together, photographs[:1]) == plain[:1]
    assert (together._waiting, together._searching) == ({}, {})


async def test_a_product_holds_so_many_faces(
    products: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searches, "MOST_TOGETHER", 4)
    photographs = [vectors(seed, count) for seed, count in enumerate((3, 1, 1, 9, 2, 2))]
    plain = [REFERENCES.nearest(faces) for faces in photographs]
    products.clear()
    assert await ask(Together(), photographs) == plain
    # a photograph is never cut
    assert products == [4, 1, 9, 4]


async def test_those_who_look_for_others_have_products_of_their_own(products: list[int]) -> None:
    together, faces = Together(), vectors(7, 2)
    wanted = frozenset(map(SubjectId, (3, 4, 5)))
    everybody, some, same = await asyncio.gather(
        together.nearest(REFERENCES, faces, None),
        together.nearest(REFERENCES, faces, wanted),
        together.nearest(REFERENCES, faces[:1], frozenset(wanted)),
    )
    assert sorted(products) == [2, 3]
    assert everybody == REFERENCES.nearest(faces)
    assert some == REFERENCES.nearest(faces, wanted)
    assert same == some[:1]


async def test_who_stops_waiting_takes_nothing_from_the_others() -> None:
    together, faces = Together(), vectors(7, 1)
    plain = REFERENCES.nearest(faces)
    tasks = [asyncio.create_task(together.nearest(REFERENCES, faces, None)) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[3].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [each == plain for each in found] == [False, True, True, False, True]
    assert isinstance(found[0], asyncio.CancelledError)


async def test_all_of_them_cancelled_is_nothing_to_do(products: list[int]) -> None:
    together, faces = Together(), vectors(7, 1)
    tasks = [asyncio.create_task(together.nearest(REFERENCES, faces, None)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await together.nearest(REFERENCES, faces, None) == REFERENCES.nearest(faces)


async def test_a_fault_is_told_to_everybody_who_waited() -> None:
    together, wrong = Together(), np.zeros((1, 3), np.float32)
    found = await asyncio.gather(
        together.nearest(REFERENCES, wrong, None),
        together.nearest(REFERENCES, wrong, None),
        return_exceptions=True,
    )
    assert [type(each) for each in found] == [ValueError, ValueError]
    assert await together.nearest(REFERENCES, vectors(7, 1), None)


async def test_closing_lets_go_of_everybody() -> None:
    together = Together()
    task = asyncio.create_task(together.nearest(REFERENCES, vectors(7, 1), None))
    await asyncio.sleep(0)
    await together.close()
    with pytest.raises(asyncio.CancelledError):
        await task
