"""An agency with people, references, photographs and matches, as its studio uses it."""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from PIL import Image, ImageEnhance

from tests.contract.conftest import JOB_SECONDS, Answer, Client, another

STUDIO = "/v1/services/studio"
AGENCIES = f"{STUDIO}/agencies"
MATCHING = f"{STUDIO}/matching"
CONSENT = {"statement": "Signed by all parents, kept at the school's office"}

File = tuple[str, bytes]
NO_PICTURE: File = ("notes.jpg", b"this is no picture, whatever it is called")


@dataclass(frozen=True)
class School:
    """An agency of an account."""

    client: Client
    id: int

    @property
    def path(self) -> str:
        return f"{AGENCIES}/{self.id}"

    async def send(self, method: str, path: str = "", **request: Any) -> Answer:
        return await self.client.send(method, self.path + path, **request)

    async def shown(self) -> Any:
        return (await self.send("GET")).body

    async def put(self, *people: dict[str, Any]) -> list[Any]:
        """Add subjects and return them in the order given."""
        answer = await self.send("POST", "/subjects", json={"subjects": people})
        assert answer.status == 200, answer.body
        found = {each["student_id"]: each for each in answer.body["subjects"]}
        return [found[each["student_id"]] for each in people]

    async def person(
        self, student_id: str, *references: bytes, name: str = "An Nguyen", class_name: str = ""
    ) -> int:
        """Add somebody with reference photographs and return the id."""
        (found,) = await self.put(
            {"student_id": student_id, "name": name, "class_name": class_name}
        )
        if references:
            files = [(f"{number}.jpg", data) for number, data in enumerate(references)]
            await self.refer(found["id"], *files)
        return int(found["id"])

    async def refer(self, subject: int, *files: File) -> list[Any]:
        path = f"{self.path}/subjects/{subject}/references"
        answer = await self.client.send("POST", path, data=form(*files))
        assert answer.status == 201, answer.body
        return list(answer.body["references"])

    async def build(self) -> Any:
        """Build what few references there are and return the answer."""
        body = {"agency_id": self.id}
        answer = await self.client.send("POST", f"{MATCHING}/references", json=body)
        assert answer.status == 200, answer.body
        return answer.body

    async def job(self, *files: File, **body: Any) -> int:
        """Add a job with photographs and return its id."""
        told = {"name": "Spring", "icp_type": "school"} | body
        answer = await self.send("POST", "/jobs", json=told)
        assert answer.status == 201, answer.body
        if files:
            await self.add(answer.body["id"], *files)
        return int(answer.body["id"])

    async def add(self, job: int, *files: File) -> list[Any]:
        """Add photographs to a job and return them."""
        answer = await self.send("POST", f"/jobs/{job}/files", data=form(*files))
        assert answer.status == 201, answer.body
        return list(answer.body["files"])

    async def begin(self, job: int | None = None, **body: Any) -> Answer:
        told = {"agency_id": self.id} | ({} if job is None else {"job_id": job}) | body
        return await self.client.send("POST", f"{MATCHING}/match-job", json=told)

    async def match(self, job: int | None = None, **body: Any) -> "Matched":
        """Match photographs and wait until that has ended."""
        answer = await self.begin(job, **body)
        assert answer.status == 200, answer.body
        return await matched(self.client, answer.body["match_job_id"])


@dataclass(frozen=True)
class Matched:
    """A match that has ended."""

    client: Client
    body: Any

    @property
    def path(self) -> str:
        return f"{MATCHING}/jobs/{self.body['id']}"

    async def send(self, method: str, path: str = "", **request: Any) -> Answer:
        return await self.client.send(method, self.path + path, **request)

    async def now(self) -> Any:
        return (await self.send("GET")).body

    async def results(self, **query: str) -> list[Any]:
        answer = await self.send("GET", "/results", params=query)
        assert answer.status == 200, answer.body
        return list(answer.body["results"])

    async def by_name(self, **query: str) -> dict[str, Any]:
        return {each["filename"]: each for each in await self.results(**query)}

    async def decide(self, file: int, **body: Any) -> Answer:
        return await self.send("POST", f"/results/{file}", json=body)

    async def decided(self, file: int, **body: Any) -> Any:
        answer = await self.decide(file, **body)
        assert answer.status == 200, answer.body
        return answer.body


async def matched(client: Client, match: int) -> Matched:
    """Poll a match until it has ended."""
    async with asyncio.timeout(JOB_SECONDS):
        while True:
            answer = await client.send("GET", f"{MATCHING}/jobs/{match}")
            assert answer.status == 200, answer.body
            if answer.body["status"] not in ("queued", "running"):
                return Matched(client, answer.body)
            await asyncio.sleep(0.1)


async def agency(client: Client, **body: Any) -> School:
    """Add an agency whose people have not agreed to anything."""
    told = {"name": "Springfield Elementary", "agency_type": "school"} | body
    answer = await client.send("POST", AGENCIES, json=told)
    assert answer.status == 201, answer.body
    return School(client, answer.body["id"])


async def school(client: Client, **body: Any) -> School:
    """Add an agency whose people agreed to have their faces compared."""
    made = await agency(client, **body)
    answer = await made.send("PUT", "/consent", json=CONSENT)
    assert answer.status == 200, answer.body
    return made


def form(*files: File, **fields: str) -> aiohttp.FormData:
    data = aiohttp.FormData(fields, quote_fields=False)
    for name, content in files:
        data.add_field("file[]", content, filename=name, content_type="image/jpeg")
    return data


def portraits(person: bytes, count: int) -> list[File]:
    """Return photographs of one person that differ in light, angle and size."""
    original = Image.open(io.BytesIO(person)).convert("RGB")
    made: list[File] = []
    for number in range(count):
        picture = original.rotate(2 * number - 4, Image.Resampling.BICUBIC, fillcolor="#707468")
        picture = ImageEnhance.Brightness(picture).enhance(0.85 + 0.06 * (number % 5))
        side = 512 + 32 * (number % 3)
        made.append((f"IMG_{number:04}.JPG", jpeg(picture.resize((side, side)), number)))
    return made


def together(person: bytes) -> File:
    """Return a photograph that shows one person twice, as large."""
    original = Image.open(io.BytesIO(person)).convert("RGB")
    wide = Image.new("RGB", (1024, 512))
    wide.paste(original, (0, 0))
    wide.paste(original.resize((460, 460)), (540, 20))
    return "twice.jpg", jpeg(wide)


def nobody() -> File:
    return "wall.jpg", jpeg(Image.new("RGB", (600, 400), "#405060"))


def jpeg(picture: Image.Image, number: int = 0) -> bytes:
    """Return a file, of which each number gives another."""
    into = io.BytesIO()
    picture.save(into, "JPEG", quality=92)
    return another(into.getvalue(), number)


def states(results: Sequence[Any]) -> dict[str, str]:
    return {each["filename"]: each["state"] for each in results}
