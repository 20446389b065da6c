"""Several people and strangers through the whole stack: who is told, and that nobody is mistaken.

The people do not exist (`likenesses.py`), and their photographs are one picture each, turned,
scaled, lit and saved in many ways. That shows that the way from upload to decision holds together,
that turning, size, light and compression do not make somebody another, and that others who look
alike are not taken for them. It does not show how well real people are told apart, in other poses,
years later, or as children: pose, age and expression do not change here.
"""

from collections.abc import Iterable
from typing import Any

import pytest
from PIL import Image

from tests.contract.conftest import Newcomer
from tests.contract.likenesses import (
    PEOPLE,
    STRANGERS,
    badly_taken,
    person,
    side_by_side,
    well_taken,
)
from tests.contract.schools import File, School, jpeg, nobody, school

_TOKENS = 6


@pytest.fixture
def people(astronaut: bytes) -> dict[str, Image.Image]:
    return {f"P{seed}": person(astronaut, seed) for seed in PEOPLE}


@pytest.fixture
def strangers(astronaut: bytes) -> dict[str, Image.Image]:
    return {f"X{seed}": person(astronaut, seed) for seed in STRANGERS}


async def knowing(newcomer: Newcomer, people: dict[str, Image.Image]) -> School:
    """A school with one reference of each of the people."""
    made = await school(await newcomer(tokens=1_000))
    for name, somebody in people.items():
        await made.person(name, jpeg(somebody), name=f"Name of {name}")
    built = await made.build()
    assert (built["embeddings_created"], built["problems"]) == (len(people), [])
    return made


async def test_nobody_is_mistaken_for_somebody_else(
    newcomer: Newcomer, people: dict[str, Image.Image], strangers: dict[str, Image.Image]
) -> None:
    made = await knowing(newcomer, people)
    well = [file for name, somebody in people.items() for file in well_taken(somebody, name)]
    badly = [file for name, somebody in people.items() for file in badly_taken(somebody, name)]
    unknown: list[File] = [
        file for name, somebody in strangers.items() for file in well_taken(somebody, name)[:9:3]
    ]
    files = [*well, *badly, *unknown, nobody()]
    match = await made.match(await made.job(*files), threshold=0.85)
    assert (match.body["status"], match.body["failed"]) == ("completed", 0)
    found = await match.by_name(limit="500")
    assert len(found) == len(files)

    assert _mistaken(found.values()) == []
    # what was well taken is told without a person, ...
    for name, _ in well:
        (face,) = found[name]["faces"]
        assert (face["state"], found[name]["state"]) == ("matched", "matched"), found[name]
    # ... what was not is told or shown to a person, who needs only to say yes
    for name, _ in badly:
        (face,) = found[name]["faces"]
        assert face["state"] in ("matched", "needs_review"), found[name]
        assert _best(face) == _shown(name)
        if "far" in name:
            assert (face["state"], face["reasons"]) == ("needs_review", ["small_face"])
    # strangers are nobody's: some look so much alike that a person is asked
    for name, _ in unknown:
        assert found[name]["state"] in ("unmatched", "needs_review"), found[name]
    balance = await made.client.balance()
    assert balance == 1_000 - _TOKENS * len(files)


async def test_each_face_of_a_group_is_told_and_strangers_in_it_are_not(
    newcomer: Newcomer, people: dict[str, Image.Image], strangers: dict[str, Image.Image]
) -> None:
    made = await knowing(newcomer, people)
    stranger = next(iter(strangers.values()))
    groups = {
        "all": side_by_side("all", *people.values()),
        "two": side_by_side("two", people["P0"], people["P9"]),
        "guest": side_by_side("guest", people["P1"], stranger),
    }
    match = await made.match(await made.job(*groups.values()))
    found = await match.by_name()
    assert _told(found["all.jpg"]) == sorted(people)
    assert _told(found["two.jpg"]) == ["P0", "P9"]
    assert _told(found["guest.jpg"]) == ["P1"]
    by_place = sorted(found["all.jpg"]["faces"], key=lambda face: face["face_box"]["x"])
    assert [_best(face) for face in by_place] == list(people)
    assert "several_faces" in found["all.jpg"]["reasons"]
    assert (await match.send("GET", "/missing")).body["subjects"] == []


def _mistaken(results: Iterable[Any]) -> list[tuple[str, str]]:
    """Return photographs that were given to somebody who is not in them."""
    return [
        (each["filename"], told)
        for each in results
        for told in _told(each)
        if told != _shown(each["filename"])
    ]


def _shown(filename: str) -> str:
    """Return who is in a photograph."""
    return filename.split("-")[0]


def _told(result: Any) -> list[str]:
    """Return whose faces of a photograph are said to be, without a person's help."""
    return sorted(_best(face) for face in result["faces"] if face["state"] == "matched")


def _best(face: Any) -> str:
    return str(face["candidates"][0]["student_id"])
