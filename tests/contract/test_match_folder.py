"""A folder of photographs of people through the whole stack, as `./just bench people` does it.

MATCH_PHOTOGRAPHS names one of real people; how it is laid out stands in bench/people.py. Where
nobody has written down who is in which photograph, only the table of what was said is printed.
Without it people who do not exist show that the way there holds together.
"""

import json
import os
import sys
from pathlib import Path

import pytest

from bench import people
from tests.contract.conftest import Newcomer
from tests.contract.likenesses import PEOPLE, STRANGERS, person, side_by_side, well_taken
from tests.contract.schools import jpeg, nobody

FOLDER = os.environ.get("MATCH_PHOTOGRAPHS", "")


async def told(newcomer: Newcomer, folder: people.Folder) -> people.Told:
    client = await newcomer(tokens=folder.tokens)
    found = await people.told(client.session, client.url, client.headers, folder)
    sys.stdout.write("\n".join(["", *found.problems, *people.lines(found), ""]))
    assert found.counts["failed"] == 0
    assert len(found.matched) == len(folder.shots)
    return found


@pytest.mark.skipif(not FOLDER, reason="MATCH_PHOTOGRAPHS names no folder of photographs")
async def test_everybody_is_told_or_asked_about_and_nobody_is_mistaken(newcomer: Newcomer) -> None:
    folder = people.read(Path(FOLDER))
    assert people.mistakes(await told(newcomer, folder), folder.expected) == []


async def test_a_folder_says_who_is_expected_in_it(
    newcomer: Newcomer, astronaut: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MATCH_EXPECTED", raising=False)
    one, two = (person(astronaut, seed) for seed in PEOPLE[:2])
    for who, somebody in (("one", one), ("two", two)):
        (tmp_path / "references" / who).mkdir(parents=True)
        (tmp_path / "references" / who / "a.jpg").write_bytes(jpeg(somebody))
    (tmp_path / "shots").mkdir()
    stranger = well_taken(person(astronaut, STRANGERS[0]), "stranger")[0]
    shots = [*well_taken(one, "one")[:2], side_by_side("both", one, two), stranger, nobody()]
    for name, content in shots:
        (tmp_path / "shots" / name).write_bytes(content)
    expected = {"both.jpg": ["one", "two"], "wall.jpg": [], stranger[0]: []}
    (tmp_path / "expected.json").write_text(json.dumps(expected))
    found = await told(newcomer, people.read(tmp_path))
    assert people.mistakes(found, expected) == []
    assert sum(face.number >= 0 for face in found.faces) == 5
    assert people.mistakes(found, {"both.jpg": ["one"], "wall.jpg": ["one"], "x.jpg": []}) == [
        "both.jpg was given to two, who is not in it",
        "wall.jpg shows one, whom nobody is asked about",
        "x.jpg is not among the shots",
    ]


@pytest.mark.parametrize("missing", ["references", "shots"])
def test_a_folder_without_either_is_told(tmp_path: Path, missing: str) -> None:
    for part in {"references/one", "shots"} - {missing, f"{missing}/one"}:
        (tmp_path / part).mkdir(parents=True)
        (tmp_path / part / "a.jpg").write_bytes(b"a picture")
    with pytest.raises(people.NoFolder):
        people.read(tmp_path)
