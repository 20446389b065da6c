"""Building references: what is due, what is wrong with photographs, and who agreed."""

import asyncio

import msgspec
import pytest

from kit.bus import Bus
from kit.database import Pool
from proto.agencies import Agency, Reference, ReferenceId, Subject
from proto.errors import ConsentMissing, InvalidRequest, NotFound, Unavailable
from proto.jobs import Failed, GetItems, NewItem, Succeeded
from proto.matching.agencies import ChangeAgency, GiveConsent, WithdrawConsent
from proto.matching.references import (
    REFERENCE_KIND,
    BuildReferences,
    EmbedReference,
    GetDueReferences,
    GetReferencesBuilt,
    ReferencesBuilt,
)
from proto.matching.subjects import EraseReference
from services.matching import building
from services.matching.matchendpoints import MatchEndpoints
from services.matching.reading import Reader, TookTooLong
from tests.integration.jobs.book import until
from tests.integration.matching.day import Day, portrait
from tests.integration.matching.found import gallery
from tests.integration.matching.reader import EMBEDDER, face, picture, unit
from tests.integration.qr.shooting import begun, closed

URL = "https://school.example/ann.jpg"


async def with_references(day: Day, *contents: bytes) -> tuple[Agency, Subject, list[Reference]]:
    agency = await day.studio.with_consent()
    subject = await day.studio.subject(agency)
    photos = [await day.photo(content) for content in contents]
    return agency, subject, await day.studio.references(agency, subject, *photos)


async def states(day: Day, agency: Agency, subject: Subject) -> list[tuple[str, str]]:
    references = await day.studio.references(agency, subject)
    return [(each.state, each.code) for each in references]


async def due(day: Day, agency: Agency) -> list[ReferenceId]:
    found = await day.studio.ask(GetDueReferences, agency.id)
    references: list[ReferenceId] = found.references
    return references


async def built(day: Day, agency: Agency) -> ReferencesBuilt:
    found: ReferencesBuilt = await day.studio.ask(GetReferencesBuilt, agency.id)
    return found


async def test_what_is_due_is_embedded_once(day: Day, pool: Pool) -> None:
    agency, subject, references = await with_references(day, portrait(1), portrait(1))
    assert await due(day, agency) == [each.id for each in references]
    assert await day.build(agency) == ReferencesBuilt(
        created=2, embedded=2, waiting=0, problems=[], problems_total=0
    )
    assert await states(day, agency, subject) == [("embedded", "")] * 2
    version = await gallery(pool, agency)
    day.reader.read.clear()
    assert (await day.build(agency)).created == 0
    assert (day.reader.read, await due(day, agency)) == ([], [])
    assert await gallery(pool, agency) == version
    # what comes later is all that is done later
    await day.studio.references(agency, subject, await day.photo(portrait(1)))
    assert (await built(day, agency)).waiting == 1
    assert (await day.build(agency)).created == 1
    assert len(day.reader.read) == 1


async def test_subjects_are_counted_once(day: Day) -> None:
    agency, _, _ = await with_references(day, portrait(1), portrait(1))
    other = await day.studio.subject(agency, 2)
    await day.studio.references(agency, other, await day.photo(portrait(2)))
    found = await day.studio.ask(GetDueReferences, agency.id)
    assert (len(found.references), found.subjects, found.more) == (3, 2, False)


async def test_what_is_wrong_is_told(day: Day) -> None:
    agency, subject, references = await with_references(
        day,
        picture(),
        picture(face(1), face(2, size=300)),
        picture(face(1), face(2, size=100)),
        portrait(1, 0.97, "small_face"),
        portrait(1, 0.97, "blurred"),
        b"no picture",
        picture(rejected="PICTURE_TRUNCATED"),
    )
    found = await day.build(agency)
    assert (found.created, found.embedded, found.waiting) == (1, 1, 0)
    codes = [
        ("failed", "NO_FACE"),
        ("failed", "SEVERAL_FACES"),
        ("embedded", ""),
        ("failed", "POOR_QUALITY"),
        ("failed", "POOR_QUALITY"),
        ("failed", "NOT_A_PICTURE"),
        ("failed", "PICTURE_TRUNCATED"),
    ]
    assert await states(day, agency, subject) == codes
    assert found.problems_total == 6
    assert [(each.reference, each.code) for each in found.problems] == [
        (reference.id, code)
        for reference, (state, code) in zip(references, codes, strict=True)
        if state == "failed"
    ]
    assert {each.student_id for each in found.problems} == {subject.student_id}
    assert found.problems[2].message.endswith("the face is too small.")
    # they are not tried again until there is another photograph
    assert await due(day, agency) == []


async def test_problems_come_in_pages(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    agency, _, references = await with_references(day, *(picture() for _ in range(5)))
    await day.build(agency)
    monkeypatch.setattr(building, "MOST_IN_MESSAGE", 2)
    seen: list[ReferenceId] = []
    after: int | None = 0
    while after is not None:
        page = await day.studio.ask(GetReferencesBuilt, agency.id, after=after)
        assert (len(page.problems) <= 2, page.problems_total) == (True, 5)
        seen += [each.reference for each in page.problems]
        after = page.next_after
    assert seen == [each.id for each in references]


async def test_a_photograph_at_a_url_is_fetched_once(day: Day) -> None:
    agency = await day.studio.with_consent()
    subject = await day.studio.subject(agency, reference_urls=[URL])
    assert (await day.build(agency)).problems[0].code == "URL_UNREACHABLE"
    # the site may be back
    day.reader.web[URL] = portrait(1)
    (waiting,) = await due(day, agency)
    assert (await day.build(agency)).created == 1
    (reference,) = await day.studio.references(agency, subject)
    assert (reference.id, reference.state) == (waiting, "embedded")
    assert reference.key.startswith(f"photos/{day.studio.account}/{agency.id}/")
    assert await day.studio.is_stored(reference.key)
    # from now on it is read from storage
    day.reader.embedder = msgspec.structs.replace(EMBEDDER, version="dlib 2")
    day.reader.read.clear()
    assert (await day.build(agency)).created == 1
    assert day.reader.read == [reference.key]


async def test_a_photograph_without_a_face_is_kept_and_not_fetched_again(day: Day) -> None:
    agency = await day.studio.with_consent()
    subject = await day.studio.subject(agency, reference_urls=[URL])
    day.reader.web[URL] = picture()
    await day.build(agency)
    (reference,) = await day.studio.references(agency, subject)
    assert (reference.code, reference.key != "") == ("NO_FACE", True)
    assert await due(day, agency) == []


async def test_another_embedder_makes_all_of_them_due(day: Day, pool: Pool) -> None:
    agency, subjects = await day.agency(2)
    day.reader.embedder = msgspec.structs.replace(EMBEDDER, version="dlib 2")
    await day.studio.references(agency, subjects[0], await day.photo(portrait(1)))
    assert len(await due(day, agency)) == 3
    stands = await built(day, agency)
    assert (stands.embedded, stands.waiting) == (0, 3)
    assert (await day.build(agency)).created == 3
    versions = await pool.fetch(
        "SELECT DISTINCT embedder FROM matching.reference_photos WHERE agency_id = $1", agency.id
    )
    assert [row["embedder"] for row in versions] == ["dlib 2"]


async def test_without_consent_no_face_is_read(day: Day) -> None:
    agency = await day.studio.agency()
    subject = await day.studio.subject(agency)
    await day.studio.references(agency, subject, await day.photo(portrait(1)))
    for ask in (BuildReferences, GetDueReferences):
        with pytest.raises(ConsentMissing):
            await day.studio.ask(ask, agency.id)
    assert day.reader.read == []
    assert (await built(day, agency)).waiting == 1
    await day.studio.ask(GiveConsent, agency.id, statement="all agreed")
    assert (await day.build(agency)).created == 1


async def test_an_agency_of_cards_has_no_embeddings(day: Day) -> None:
    agency = await day.studio.with_consent(mode="cards")
    subject = await day.studio.subject(agency)
    await day.studio.references(agency, subject, await day.photo(portrait(1)))
    for ask in (BuildReferences, GetDueReferences):
        with pytest.raises(InvalidRequest, match="cards"):
            await day.studio.ask(ask, agency.id)
    assert day.reader.read == []


@pytest.mark.parametrize("how", ["consent", "mode"])
async def test_who_withdraws_consent_while_faces_are_read_wins(
    day: Day, pool: Pool, how: str
) -> None:
    agency, subject, _ = await with_references(day, portrait(1))
    day.reader.gate.clear()
    building = asyncio.create_task(day.build(agency))

    async def is_read() -> bool:
        return bool(day.reader.read)

    await until(is_read)
    if how == "consent":
        await day.studio.ask(WithdrawConsent, agency.id)
    else:
        await day.studio.ask(ChangeAgency, agency.id, mode="cards")
    day.reader.gate.set()
    with pytest.raises((ConsentMissing, InvalidRequest)):
        await building
    assert await states(day, agency, subject) == [("waiting", "")]
    assert (
        await pool.fetchval(
            "SELECT count(embedding) FROM matching.reference_photos WHERE agency_id = $1", agency.id
        )
        == 0
    )


async def test_a_reference_erased_while_it_is_read_does_not_come_back(
    day: Day, replica: MatchEndpoints
) -> None:
    agency, subject, (reference,) = await with_references(day, portrait(1))
    day.reader.gate.clear()
    working = asyncio.create_task(replica.embed_reference(_work(day, agency, reference.id)))

    async def is_read() -> bool:
        return bool(day.reader.read)

    await until(is_read)
    await day.studio.ask(EraseReference, agency.id, subject_id=subject.id, reference=reference.id)
    day.reader.gate.set()
    outcome = await working
    assert isinstance(outcome, Failed)
    assert outcome.code == "REFERENCE_ERASED"
    assert await day.studio.references(agency, subject) == []


async def test_while_the_reader_is_away_nothing_fails(day: Day) -> None:
    agency, subject, _ = await with_references(day, portrait(1))
    day.reader.away = True
    with pytest.raises(Unavailable):
        await day.build(agency)
    assert await states(day, agency, subject) == [("waiting", "")]
    day.reader.away = False
    assert (await day.build(agency)).created == 1


async def test_numbers_that_are_none_are_no_reference(day: Day, replica: MatchEndpoints) -> None:
    agency, subject, (reference,) = await with_references(day, portrait(1))
    day.reader.spoil = unit([float("nan")] * 128)
    with pytest.raises(Exception, match="unit length"):
        await replica.embed_reference(_work(day, agency, reference.id))
    assert await states(day, agency, subject) == [("failed", "PROCESSING_FAILED")]
    # as one of many it does not hinder the others, and whoever asks hears of it
    built = await day.build(agency)
    assert (built.created, built.waiting, built.problems_total) == (0, 0, 1)
    assert [(each.reference, each.code) for each in built.problems] == [
        (reference.id, "PROCESSING_FAILED")
    ]
    # it is tried again, as models are mended
    day.reader.spoil = None
    assert (await day.build(agency)).created == 1
    assert await states(day, agency, subject) == [("embedded", "")]


async def test_a_photograph_that_takes_too_long_is_told_of(
    day: Day, replica: MatchEndpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.matching.reading.STORED_SECONDS", 0.3)
    agency, subject, (reference,) = await with_references(day, portrait(1))
    day.reader.gate.clear()
    assert (await day.build(agency)).created == 0
    assert await states(day, agency, subject) == [("failed", "PROCESSING_FAILED")]
    with pytest.raises(TookTooLong):
        await replica.embed_reference(_work(day, agency, reference.id))
    day.reader.gate.set()
    assert (await day.build(agency)).created == 1


async def test_references_are_embedded_as_a_job(day: Day, pool: Pool) -> None:
    agency, subject, references = await with_references(day, portrait(1), picture(), portrait(1))
    bus, account = day.studio.bus, day.studio.account
    items = [
        NewItem(number=number, name="a.jpg", work=_work(day, agency, reference.id))
        for number, reference in enumerate(references)
    ]
    job = await begun(bus, account, REFERENCE_KIND, items)
    ended = await closed(bus, account, job)
    assert (ended.succeeded, ended.failed) == (2, 1)
    page = await bus.request(GetItems(account=account, job=job))
    assert [each.code for each in page.items] == ["", "NO_FACE", ""]
    assert [state for state, _ in await states(day, agency, subject)] == [
        "embedded",
        "failed",
        "embedded",
    ]


async def test_work_that_makes_no_sense_fails(day: Day, replica: MatchEndpoints) -> None:
    agency, _, (reference,) = await with_references(day, portrait(1))
    with pytest.raises(InvalidRequest):
        await replica.embed_reference(b"no message")
    other = Day(day.studio.other(), day.reader)
    theirs = await other.studio.with_consent()
    for work in (
        _work(day, agency, ReferenceId(2**62)),
        _work(other, agency, reference.id),
        _work(other, theirs, reference.id),
    ):
        outcome = await replica.embed_reference(work)
        assert isinstance(outcome, Failed)
        assert outcome.code == "REFERENCE_ERASED"
    done = await replica.embed_reference(_work(day, agency, reference.id))
    assert isinstance(done, Succeeded)
    day.reader.read.clear()
    assert await replica.embed_reference(_work(day, agency, reference.id)) == done
    assert day.reader.read == []
    await day.studio.ask(WithdrawConsent, agency.id)
    refused = await replica.embed_reference(_work(day, agency, reference.id))
    assert isinstance(refused, Failed)
    assert refused.code == "CONSENT_MISSING"


async def test_another_account_builds_nothing(day: Day) -> None:
    agency, _, _ = await with_references(day, portrait(1))
    other = day.studio.other()
    for ask in (BuildReferences, GetDueReferences, GetReferencesBuilt):
        with pytest.raises(NotFound):
            await other.ask(ask, agency.id)


async def test_building_is_written_into_the_log(day: Day) -> None:
    agency, _, _ = await with_references(day, portrait(1), portrait(1))
    await day.build(agency)
    await day.build(agency)
    entries = [each for each in await day.studio.log(agency) if each.action == "references_built"]
    assert [(each.by, each.details) for each in entries] == [(day.studio.by, {"embeddings": "2"})]


async def test_two_who_build_at_once_embed_each_once_or_agree(day: Day, pool: Pool) -> None:
    agency, subject, _ = await with_references(day, *(portrait(1) for _ in range(8)))
    both = await asyncio.gather(day.build(agency), day.build(agency))
    assert {each.embedded for each in both} == {8}
    assert await states(day, agency, subject) == [("embedded", "")] * 8


def _work(day: Day, agency: Agency, reference: ReferenceId) -> bytes:
    asked = EmbedReference(account=day.studio.account, agency=agency.id, reference=reference)
    return msgspec.msgpack.encode(asked)


async def test_what_the_embedder_is_is_asked_from_time_to_time(
    day: Day, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.matching.reading._FRESH_SECONDS", 60.0)
    reader = Reader(bus, "")
    day.reader.away = True
    assert await reader.version_if_known() is None
    # for some seconds nobody waits for one who is away
    day.reader.away = False
    assert await reader.version_if_known() is None
    assert await reader.embedder() == EMBEDDER
    asked = day.reader.asked
    assert await reader.embedder() == EMBEDDER
    assert day.reader.asked == asked
