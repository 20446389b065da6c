"""Who is missing in an agency while the job book is away."""

from collections.abc import AsyncIterator

import pytest

from cli.nats import Nats
from kit.bus import Bus
from kit.database import Pool
from kit.endpoints import Answering, answers
from proto.errors import Unavailable
from proto.jobs import GetJob, Job
from proto.matching.exports import GetMissingOfAgency
from tests.integration.matching import found
from tests.integration.matching.studio import Studio, new_subject


class AwayBook:
    """A job book whose database is away."""

    def __init__(self) -> None:
        self.asked = 0

    @answers
    async def job(self, _: GetJob) -> Job:
        self.asked += 1
        raise Unavailable("the database is not available")


@pytest.fixture
async def book(nats_server: Nats) -> AsyncIterator[AwayBook]:
    bus = await Bus.connect(nats_server.url("jobs"), "job book of the tests")
    book = AwayBook()
    listening = Answering(bus, 64)
    await listening.listen("jobs", book)
    yield book
    await listening.stop()
    await bus.close()


async def test_a_job_book_that_is_away_is_asked_once_however_many_matches_are_open(
    studio: Studio, pool: Pool, book: AwayBook
) -> None:
    agency = await studio.agency()
    await studio.subjects(agency, new_subject(1), new_subject(2))
    for _ in range(3):
        await found.match(pool, studio.account, agency, "open")
    page = await studio.ask(GetMissingOfAgency, agency.id)
    assert [each.student_id for each in page.subjects] == ["S-00001", "S-00002"]
    assert book.asked == 1
