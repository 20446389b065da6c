"""A studio over HTTP: agencies, people with made-up references, shoots, and matches of them."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import aiohttp
import psutil

from bench import embeddings, processor
from bench.embeddings import Vectors
from bench.forms import Json, form
from bench.stack import Stack
from kit.sealing import Vault
from proto.agencies import AgencyId, SubjectId
from proto.ids import AccountId

STUDIO = "/v1/services/studio"

_LOOK_SECONDS = 0.25
_SUBJECTS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Matched:
    """How a match of a shoot went."""

    files: int
    upload_seconds: float
    """0 where the files were there."""
    match_seconds: float
    """From the request that begins it to the look that sees it completed."""
    matched: int
    faces: int
    processor_ms: Mapping[str, float]
    """What each process of the stack took for one file, the busiest first."""

    @property
    def per_second(self) -> float:
        """Files, without their upload."""
        return self.files / self.match_seconds

    @property
    def end_to_end(self) -> float:
        """Files, with their upload."""
        return self.files / (self.upload_seconds + self.match_seconds)


class Studio:
    """Speaks for the account of a stack."""

    def __init__(self, stack: Stack, client: aiohttp.ClientSession) -> None:
        self.account = AccountId(UUID(stack.account_id))
        self._client = client
        self._pids = stack.pids
        told = psutil.Process(stack.pids["matching"]).environ()
        self.database_url = told["DATABASE_URL"]
        self.vault = Vault(told["SECRET_KEY"].split(","), "embeddings")
        self.triton_url = psutil.Process(stack.pids["facereader"]).environ()["TRITON_URL"]

    async def agency(self, name: str) -> AgencyId:
        """Add an agency whose people agreed."""
        made = await self.ask("POST", "agencies", {"name": name, "agency_type": "school"})
        about = f"agencies/{made['id']}"
        await self.ask("PUT", f"{about}/consent", {"statement": "Nobody in it is real."})
        return AgencyId(made["id"])

    async def people(self, agency: AgencyId, count: int) -> list[SubjectId]:
        """Add so many people."""
        found: list[SubjectId] = []
        for first in range(0, count, _SUBJECTS_AT_ONCE):
            numbers = range(first, min(count, first + _SUBJECTS_AT_ONCE))
            subjects = [
                {"student_id": f"S-{number:06}", "name": f"Person {number}"} for number in numbers
            ]
            put = await self.ask("POST", f"agencies/{agency}/subjects", {"subjects": subjects})
            found += [SubjectId(each["id"]) for each in put["subjects"]]
        return found

    async def reference(self, agency: AgencyId, subject: SubjectId, photograph: Path) -> None:
        """Upload a photograph of somebody, and have it embedded."""
        data, headers = form([photograph])
        path = f"{STUDIO}/agencies/{agency}/subjects/{subject}/references"
        await self._asked("POST", path, data=data, headers=headers)
        await self.ask("POST", "matching/references", {"agency_id": agency})

    async def made_up_references(
        self, agency: AgencyId, subjects: Sequence[SubjectId], vectors: Vectors
    ) -> None:
        """Write embeddings down as if they were of photographs: one for each subject named."""
        whose = self.account, agency
        await embeddings.store(self.database_url, self.vault, whose, subjects, vectors)

    async def shoot(self, agency: AgencyId, files: Sequence[Path]) -> tuple[int, float]:
        """Upload files as a new shoot; return its id, and how long the upload took."""
        about = f"agencies/{agency}/jobs"
        made = await self.ask("POST", about, {"name": "Spring", "icp_type": "school"})
        shoot = int(made["id"])
        data, headers = form(files)
        began = time.perf_counter()
        path = f"{STUDIO}/{about}/{shoot}/files"
        await self._asked("POST", path, data=data, headers=headers)
        return shoot, time.perf_counter() - began

    async def matched(self, agency: AgencyId, shoot: int, upload_seconds: float = 0.0) -> Matched:
        """Match a shoot, and wait until that has completed. Ends the run if it does not."""
        before, began = processor.seconds(self._pids), time.perf_counter()
        begun = await self.ask("POST", "matching/match-job", {"agency_id": agency, "job_id": shoot})
        while True:
            stands = await self.ask("GET", f"matching/jobs/{begun['match_job_id']}")
            if stands["status"] not in ("queued", "running"):
                break
            await asyncio.sleep(_LOOK_SECONDS)
        seconds = time.perf_counter() - began
        if stands["status"] != "completed" or stands["failed"]:
            failed = await self.ask("GET", f"matching/jobs/{stands['id']}/results?state=failed")
            why = {each["error"]["message"] for each in failed["results"]}
            raise SystemExit(f"the match went wrong: {stands} {why}")
        after, count = processor.seconds(self._pids), stands["total_files"]
        return Matched(
            files=count,
            upload_seconds=upload_seconds,
            match_seconds=seconds,
            matched=stands["matched"],
            faces=stands["faces"],
            processor_ms=processor.milliseconds_each(before, after, count),
        )

    async def ask(self, method: str, path: str, body: object = None) -> Json:
        """Send JSON and return the JSON of the answer. Ends the run if it is a refusal."""
        return await self._asked(method, f"{STUDIO}/{path}", json=body)

    async def _asked(self, method: str, path: str, **told: Json) -> Json:
        async with self._client.request(method, path, **told) as answer:
            if answer.status not in (200, 201):
                raise SystemExit(f"{answer.status}: {await answer.text()}")
            return await answer.json()
