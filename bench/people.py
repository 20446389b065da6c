"""Real people: a folder of photographs through the whole stack, and who was told in each.

    ./just bench people FOLDER

FOLDER has a folder for each person in `references/`, named after whoever its photographs show, and
photographs of the shoot in `shots/` (.jpg, .jpeg, .png). `expected.json`, in it or where the
variable MATCH_EXPECTED says, tells who is in which: `{"shot.jpg": ["person", ...]}`. With it each
person must be matched or among those whom somebody is asked about, and nobody else matched.

Prints a line for each face over a running stack of its own; the last line is one JSON object.
tests/contract/test_match_folder.py does the same and fails where somebody is mistaken.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from bench.forms import Json
from bench.stack import running

STUDIO = "/v1/services/studio"
THRESHOLD = 0.85
TOKENS_EACH = 6

_PICTURES = frozenset({".jpg", ".jpeg", ".png"})
_LOOK_SECONDS = 0.25
_WIDTHS = (24, 4, 16, 6, 7, 13)
"""Of the columns but the last."""
_HEADINGS = ("file", "face", "who", "score", "margin", "state", "reasons")

Expected = Mapping[str, Sequence[str]]
"""Who is in which photograph."""


class NoFolder(Exception):
    """The folder has no references or no shots; the message says which."""


class Unexpected(Exception):
    """The API answered with something else than was asked for."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Photographs of people."""

    references: Mapping[str, Sequence[Path]]
    """By person."""
    shots: Sequence[Path]
    expected: Expected

    @property
    def tokens(self) -> int:
        """What it costs to match the shots."""
        return TOKENS_EACH * len(self.shots)


@dataclass(frozen=True, slots=True)
class Face:
    """What was said of a face."""

    file: str
    number: int
    who: str
    """Whom it was given to, or the best candidate in brackets; "" for nobody."""
    score: float | None
    margin: float | None
    state: str
    reasons: Sequence[str]


@dataclass(frozen=True, slots=True)
class Told:
    """What came of the shots."""

    faces: Sequence[Face]
    """A photograph without any has one line, of number -1."""
    matched: Mapping[str, frozenset[str]]
    """To whom faces of a photograph were given, without a person's help."""
    asked: Mapping[str, frozenset[str]]
    """About whom somebody is asked there."""
    counts: Mapping[str, int]
    """Of photographs, by state."""
    problems: Sequence[str]
    """References that cannot be compared with."""
    seconds: float
    """Of the match, from the request that begins it to the look that sees its end."""


def read(folder: Path) -> Folder:
    """Return what a folder holds. Raises NoFolder."""
    people = sorted(each for each in (folder / "references").glob("*") if each.is_dir())
    references = {each.name: _pictures(each) for each in people}
    shots = _pictures(folder / "shots")
    if not any(references.values()) or not shots:
        raise NoFolder(f"{folder} needs references/PERSON/*.jpg and shots/*.jpg")
    file = Path(os.environ.get("MATCH_EXPECTED") or folder / "expected.json")
    expected = json.loads(file.read_text()) if file.exists() else {}
    return Folder({who: files for who, files in references.items() if files}, shots, expected)


async def told(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], folder: Folder
) -> Told:
    """Make an agency of the people in a folder, match its shots, and return what was said.

    Args:
        session: To send with.
        url: Of the API.
        headers: Of an account that has the tokens.
        folder: The photographs.

    Raises Unexpected.
    """
    api = _Api(session, url, headers)
    made = await api.ask("POST", "agencies", {"name": "People", "agency_type": "school"})
    agency, about = made["id"], f"agencies/{made['id']}"
    await api.ask("PUT", f"{about}/consent", {"statement": "for a measurement"})
    subjects = [{"student_id": who, "name": who} for who in folder.references]
    put = await api.ask("POST", f"{about}/subjects", {"subjects": subjects})
    for subject in put["subjects"]:
        files = folder.references[subject["student_id"]]
        await api.upload(f"{about}/subjects/{subject['id']}/references", files)
    problems = await _built(api, agency)
    job = await api.ask("POST", f"{about}/jobs", {"name": "Shots", "icp_type": "school"})
    await api.upload(f"{about}/jobs/{job['id']}/files", folder.shots)
    began = time.perf_counter()
    wish = {"agency_id": agency, "job_id": job["id"], "threshold": THRESHOLD}
    match = (await api.ask("POST", "matching/match-job", wish))["match_job_id"]
    stands = await api.ended(f"matching/jobs/{match}")
    seconds = time.perf_counter() - began
    results: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await api.ask("GET", f"matching/jobs/{match}/results?limit=500{cursor}")
        results += page["results"]
        cursor = None if page["next_cursor"] is None else f"&cursor={page['next_cursor']}"
    results.sort(key=lambda each: each["filename"])
    states = ("matched", "needs_review", "unmatched", "failed")
    return Told(
        faces=[face for result in results for face in _faces(result)],
        matched={each["filename"]: _people(each, "matched", 1) for each in results},
        asked={each["filename"]: _people(each, "needs_review", None) for each in results},
        counts={state: stands[state] for state in states},
        problems=problems,
        seconds=seconds,
    )


def lines(found: Told) -> Iterator[str]:
    """Yield a table of what was said, a line for each face."""
    yield _row(_HEADINGS)
    for face in found.faces:
        score, margin = (
            "" if each is None else f"{each:.3f}" for each in (face.score, face.margin)
        )
        number = "-" if face.number < 0 else str(face.number)
        reasons = " ".join(face.reasons)
        yield _row((face.file, number, face.who, score, margin, face.state, reasons))


def mistakes(found: Told, expected: Expected) -> list[str]:
    """Return a sentence for each wrong match, and for each person who was lost."""
    said: list[str] = []
    for file, people in sorted(expected.items()):
        if file not in found.matched:
            said.append(f"{file} is not among the shots")
            continue
        wrong = found.matched[file] - set(people)
        lost = set(people) - found.matched[file] - found.asked[file]
        said += [f"{file} was given to {who}, who is not in it" for who in sorted(wrong)]
        said += [f"{file} shows {who}, whom nobody is asked about" for who in sorted(lost)]
    return said


async def main(folder: Path) -> None:
    """Measure and print; the last line is one JSON object."""
    photographs = read(folder)
    async with (
        running(tokens=photographs.tokens) as (stack, headers),
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session,
    ):
        found = await told(session, stack.url, headers, photographs)
    for line in (*found.problems, *lines(found)):
        print(line)
    wrong = mistakes(found, photographs.expected)
    for sentence in wrong:
        print(sentence)
    result = {
        "people": len(photographs.references),
        "references": sum(map(len, photographs.references.values())),
        "files": len(photographs.shots),
        "faces": sum(face.number >= 0 for face in found.faces),
        **found.counts,
        "files_with_expectations": len(photographs.expected),
        "mistakes": len(wrong),
        "match_seconds": round(found.seconds, 2),
    }
    print(json.dumps(result))


class _Api:
    """Speaks for an account."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]
    ) -> None:
        self._session = session
        self._studio = url + STUDIO
        self._headers = headers

    async def ask(self, method: str, path: str, body: object = None) -> Json:
        return await self._asked(method, path, json=body)

    async def upload(self, path: str, files: Sequence[Path]) -> None:
        form = aiohttp.FormData(quote_fields=False)
        with ExitStack() as opened:
            for file in files:
                kind = guess_type(file.name)[0] or "application/octet-stream"
                form.add_field(
                    "file[]",
                    opened.enter_context(file.open("rb")),
                    filename=file.name,
                    content_type=kind,
                )
            await self._asked("POST", path, data=form)

    async def ended(self, path: str) -> Json:
        while True:
            stands = await self.ask("GET", path)
            if stands["status"] not in ("queued", "running"):
                return stands
            await asyncio.sleep(_LOOK_SECONDS)

    async def _asked(self, method: str, path: str, **sent: Json) -> Json:
        where = f"{self._studio}/{path}"
        async with self._session.request(method, where, headers=self._headers, **sent) as answer:
            if answer.status not in (200, 201, 202):
                raise Unexpected(f"{method} {path}: {answer.status} {await answer.text()}")
            return await answer.json()


async def _built(api: _Api, agency: int) -> list[str]:
    """Build an agency's references; return what is wrong with them."""
    built = await api.ask("POST", "matching/references", {"agency_id": agency})
    if "task_id" in built:
        await api.ended(f"jobs/{built['task_id']}")
    stands = await api.ask("GET", f"matching/references?agency_id={agency}")
    return [f"{each['student_id']}: {each['code']}" for each in stands["problems"]]


def _pictures(folder: Path) -> list[Path]:
    return sorted(each for each in folder.glob("*") if each.suffix.lower() in _PICTURES)


def _faces(result: Json) -> Iterator[Face]:
    """Yield a line for each face of a result."""
    if not result["faces"]:
        why = [result["error"]["code"]] if result["error"] else result["reasons"]
        yield Face(result["filename"], -1, "", None, None, result["state"], why)
    for face in result["faces"]:
        best = face["candidates"][0] if face["candidates"] else {}
        who = best.get("student_id", "")
        yield Face(
            file=result["filename"],
            number=face["face"],
            who=who if face["state"] == "matched" else f"({who})" if who else "",
            score=best.get("score"),
            margin=best.get("margin"),
            state=face["state"],
            reasons=face["reasons"],
        )


def _people(result: Json, state: str, most: int | None) -> frozenset[str]:
    """Return the first candidates of the faces that stand so."""
    return frozenset(
        each["student_id"]
        for face in result["faces"]
        if face["state"] == state
        for each in face["candidates"][:most]
    )


def _row(cells: Sequence[str]) -> str:
    *most, last = cells
    padded = (f"{cell:<{width}}" for cell, width in zip(most, _WIDTHS, strict=True))
    return " ".join((*padded, last)).rstrip()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("say which folder: ./just bench people FOLDER")
    try:
        sys.exit(uvloop.run(main(Path(sys.argv[1]))))
    except (NoFolder, Unexpected) as problem:
        sys.exit(str(problem))
