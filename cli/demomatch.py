"""The demo's match: somebody is made known by one photograph, and told in another version of it."""

import asyncio
import io
from dataclasses import dataclass

import aiohttp
import msgspec
from PIL import Image, ImageEnhance

from cli.client import Client

_STUDIO = "/v1/services/studio"
_LOOK_SECONDS = 0.1
_TURNED_DEGREES = 8
_BRIGHTNESS = 0.8
_QUALITY = 80


class _Made(msgspec.Struct, frozen=True):
    """What was added."""

    id: int


class _Subjects(msgspec.Struct, frozen=True):
    subjects: list[_Made]


class _Done(msgspec.Struct, frozen=True):
    """An answer of which nothing is needed."""


class _Begun(msgspec.Struct, frozen=True):
    match_job_id: int
    tokens_deducted: int
    wallet_transaction_id: str


class _Stands(msgspec.Struct, frozen=True):
    status: str


class _Candidate(msgspec.Struct, frozen=True):
    name: str
    score: float


class _Face(msgspec.Struct, frozen=True):
    candidates: list[_Candidate]


class _Result(msgspec.Struct, frozen=True):
    state: str
    faces: list[_Face]


class _Results(msgspec.Struct, frozen=True):
    results: list[_Result]


@dataclass(frozen=True, slots=True)
class Told:
    """Who is in the second photograph."""

    name: str
    """Of the best candidate, "" where there is none."""
    score: float
    """0 to 1."""
    state: str
    """matched, needs_review or unmatched."""
    tokens: int
    transaction: str


async def told(client: Client, photo: bytes, name: str) -> Told:
    """Make an agency of one person, match another version of the photograph, and return who it is.

    Raises UnexpectedAnswer.
    """
    school = {"name": "Demo School", "agency_type": "school"}
    agency = (await client.call("POST", f"{_STUDIO}/agencies", _Made, json=school)).id
    about = f"{_STUDIO}/agencies/{agency}"
    consent = {"statement": "A photograph in the public domain"}
    await client.call("PUT", f"{about}/consent", _Done, json=consent)
    people = {"subjects": [{"student_id": "S-1", "name": name}]}
    put = await client.call("POST", f"{about}/subjects", _Subjects, json=people)
    references = f"{about}/subjects/{put.subjects[0].id}/references"
    await client.call("POST", references, _Done, data=_form(photo, "reference.png", "image/png"))
    whose = {"agency_id": agency}
    await client.call("POST", f"{_STUDIO}/matching/references", _Done, json=whose)
    day = {"name": "Demo day", "icp_type": "school"}
    job = (await client.call("POST", f"{about}/jobs", _Made, json=day)).id
    other = await asyncio.to_thread(_another, photo)
    files = f"{about}/jobs/{job}/files"
    await client.call("POST", files, _Done, data=_form(other, "again.jpg", "image/jpeg"))
    wish = {**whose, "job_id": job}
    begun = await client.call("POST", f"{_STUDIO}/matching/match-job", _Begun, json=wish)
    (result,) = await _results(client, f"{_STUDIO}/matching/jobs/{begun.match_job_id}")
    candidates = [each for face in result.faces for each in face.candidates]
    best = candidates[0] if candidates else _Candidate("", 0.0)
    return Told(
        name=best.name,
        score=best.score,
        state=result.state,
        tokens=begun.tokens_deducted,
        transaction=begun.wallet_transaction_id,
    )


async def _results(client: Client, match: str) -> list[_Result]:
    """Wait until a match has ended and return what it found."""
    while True:
        stands = await client.call("GET", match, _Stands)
        if stands.status not in ("queued", "running"):
            break
        await asyncio.sleep(_LOOK_SECONDS)
    return (await client.call("GET", f"{match}/results", _Results)).results


def _another(photo: bytes) -> bytes:
    """Return the photograph as another camera might have taken it: turned, darker, as JPEG."""
    picture = Image.open(io.BytesIO(photo)).convert("RGB")
    turned = picture.rotate(_TURNED_DEGREES, Image.Resampling.BICUBIC, expand=True)
    into = io.BytesIO()
    ImageEnhance.Brightness(turned).enhance(_BRIGHTNESS).save(into, "JPEG", quality=_QUALITY)
    return into.getvalue()


def _form(data: bytes, filename: str, content_type: str) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("file[]", data, filename=filename, content_type=content_type)
    return form
