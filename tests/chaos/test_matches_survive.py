"""Processes killed in the middle of a match: every photo read once, every token accounted for."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from kit.bus import Bus
from proto.agencies import AgencyId
from proto.ids import AccountId
from proto.matching.references import BuildReferences
from tests.chaos.conftest import Caller, eventually
from tests.chaos.test_batches_survive import HOLDS, ITEMS, answered, killed
from tests.contract.conftest import another
from tests.running import RunningStack

STUDIO = "/v1/services/studio"
PHOTOS = 300
TOKENS = 6

RESULTS = """
SELECT result.state, result.file_id, result.done_at,
    array_agg(face.state) AS faces, array_agg(face.subject_id) AS subjects
FROM matching.results AS result JOIN matching.faces AS face USING (match_id, file_id)
WHERE result.account_id = $1 GROUP BY result.match_id, result.file_id ORDER BY result.file_id
"""


class Studio:
    """An account's agency with one person in it."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url, self._session = url + STUDIO, session
        self.id = self.subject = 0

    async def open(self, reference: bytes) -> None:
        made = await self.ask("agencies", name="Springfield", agency_type="school")
        self.id = made["id"]
        await self.ask(f"agencies/{self.id}/consent", "PUT", statement="all parents signed")
        somebody = {"student_id": "S1", "name": "An Nguyen"}
        put = await self.ask(f"agencies/{self.id}/subjects", subjects=[somebody])
        self.subject = put["subjects"][0]["id"]
        await self.send(f"agencies/{self.id}/subjects/{self.subject}/references", [reference])

    async def build(self, bus: Bus, account: AccountId) -> None:
        """Build references, for which this stack's gateway has no patience."""
        ask = BuildReferences(account=account, by="service", agency=AgencyId(self.id))
        assert (await bus.request(ask, 30.0)).embedded == 1

    async def shoot(self, photos: list[bytes]) -> int:
        made = await self.ask(f"agencies/{self.id}/jobs", name="Spring", icp_type="school")
        await self.send(f"agencies/{self.id}/jobs/{made['id']}/files", photos)
        return int(made["id"])

    async def match(self, match: int) -> Any:
        """Return how a match stands, as soon as it can be asked for."""
        found: dict[str, Any] = {}

        async def asked() -> bool:
            found.update(await self.ask(f"matching/jobs/{match}", "GET"))
            return True

        await eventually(asked)
        return found

    async def send(self, path: str, photos: list[bytes]) -> Any:
        form = aiohttp.FormData(quote_fields=False)
        for number, photo in enumerate(photos):
            form.add_field("file[]", photo, filename=f"{number}.jpg", content_type="image/jpeg")
        return await self._asked("POST", path, data=form)

    async def ask(self, path: str, method: str = "POST", **body: Any) -> Any:
        return await self._asked(method, path, **({"json": body} if body else {}))

    async def _asked(self, method: str, path: str, **told: Any) -> Any:
        async with self._session.request(method, f"{self._url}/{path}", **told) as answer:
            assert answer.status in (200, 201), await answer.text()
            return await answer.json()


@pytest.fixture
async def studio(
    impatient: RunningStack, caller: Caller, astronaut_jpeg: bytes
) -> AsyncIterator[Studio]:
    async with aiohttp.ClientSession(headers=caller.headers) as session:
        studio = Studio(impatient.url, session)
        await studio.open(astronaut_jpeg)
        bus = await Bus.connect(impatient.nats_url, "chaos")
        await studio.build(bus, caller.account)
        await bus.close()
        yield studio


async def test_a_match_survives_the_death_of_every_part_of_it(
    impatient: RunningStack, caller: Caller, studio: Studio, pictures: list[bytes]
) -> None:
    await caller.top_up(TOKENS * PHOTOS)
    more = [another(picture, number) for number, picture in enumerate(pictures)]
    shoot = await studio.shoot([*pictures, *more][:PHOTOS])
    begun = await studio.ask("matching/match-job", agency_id=studio.id, job_id=shoot)
    task, match = begun["task_id"], begun["match_job_id"]
    assert begun["tokens_deducted"] == TOKENS * PHOTOS
    done = 0
    for name in ("matching", "facereader", "jobs", "nats", "postgres"):
        done += 10
        await caller.until_ended(task, done)
        await killed(impatient, name)
        done = (await answered(caller, task))["progress"]["current"]
        assert done < PHOTOS, f"the match was over before {name} was missed"

    job = await caller.closed(task)
    assert (job["status"], job["succeeded"], job["failed"]) == ("completed", PHOTOS, 0)
    stands = await studio.match(match)
    assert (stands["status"], stands["matched"], stands["faces"]) == ("completed", PHOTOS, PHOTOS)
    # each file once in every book: the job's, the match's, and the wallet's
    items = await caller.read_book(ITEMS, task)
    assert [item["state"] for item in items] == ["succeeded"] * PHOTOS
    assert sorted(item["ended"] for item in items) == list(range(1, PHOTOS + 1))
    results = await caller.read_book(RESULTS, caller.account)
    assert len({result["file_id"] for result in results}) == len(results) == PHOTOS
    told = {(each["state"], *each["faces"], *each["subjects"]) for each in results}
    assert told == {("matched", "matched", studio.subject)}
    (hold,) = await caller.read_book(HOLDS, caller.account)
    assert (hold["state"], hold["consumed"]) == ("settled", TOKENS * PHOTOS)
    await caller.owns(100)
