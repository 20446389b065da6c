"""Matches from beginning to end, through the real queue and job book."""

from typing import Any
from uuid import uuid4

import msgspec
import pytest

from kit.database import Pool
from proto.agencies import FileId, ShootId
from proto.errors import (
    InvalidRequest,
    NoReferences,
    NotFound,
    ReferencesStale,
)
from proto.ids import JobId
from proto.matching.agencies import ChangeAgency, WithdrawConsent
from proto.matching.matches import DropMatch, GetMatches, GetMatchFiles, MatchOptions
from proto.matching.results import GetDecisions
from proto.matching.shoots import EraseFiles
from tests.integration.jobs.book import until
from tests.integration.matching.day import Day, portrait, told, whose
from tests.integration.matching.reader import EMBEDDER, between, face, picture, stranger
from tests.integration.matching.studio import new_subject


async def test_everybody_is_found_and_strangers_are_not(day: Day) -> None:
    agency, (ann, ben, _) = await day.agency()
    shoot, files = await day.shoot(
        agency,
        portrait(1),
        portrait(2),
        picture(face(1), face(2, x=900), stranger(x=1700)),
        picture(stranger()),
        picture(),
        picture(between(1, 2)),
        b"no picture",
    )
    match = await day.run(agency, shoot)
    assert (match.state, match.total, match.faces) == ("completed", 7, 7)
    assert (match.matched, match.needs_review, match.unmatched, match.failed) == (3, 1, 2, 1)
    assert match.ended_at is not None
    results = await day.results(match)
    assert [each.file for each in results] == [file.id for file in files]
    assert told(results) == [
        ("matched", []),
        ("matched", []),
        ("matched", ["several_faces"]),
        ("unmatched", []),
        ("unmatched", ["no_face"]),
        ("needs_review", ["low_margin"]),
        ("failed", []),
    ]
    assert [whose(each) for each in results] == [
        [ann.id],
        [ben.id],
        [ann.id, ben.id, None],
        [None],
        [],
        [None],
        [],
    ]
    assert (results[6].code, results[6].message) == ("NOT_A_PICTURE", "This is no picture.")
    assert match.job is not None
    items = await day.items(match.job)
    assert [item.state for item in items] == ["succeeded"] * 6 + ["failed"]
    assert items[6].code == "NOT_A_PICTURE"


async def test_a_match_tells_how_it_stands(day: Day) -> None:
    agency, _ = await day.agency()
    shoot, _ = await day.portraits(agency, 1, 2, 3)
    job = JobId(uuid4())
    match = await day.prepare(agency.id, shoot=shoot.id, job=job, threshold=0.9)
    assert (match.state, match.job, match.total, match.threshold) == ("queued", None, 3, 0.9)
    day.reader.gate.clear()
    await day.begin(match, job)

    async def is_running() -> bool:
        return (await day.match(match.id)).state == "running"

    await until(is_running)
    assert (await day.match(match.id)).job == job
    day.reader.gate.set()
    await day.closed(job)
    ended = await day.match(match.id)
    assert (ended.state, ended.job, ended.matched) == ("completed", job, 3)
    assert await day.match(match.id) == ended
    listed = await day.studio.ask(GetMatches)
    assert (listed.matches, listed.next_before) == ([ended], None)


async def test_matches_are_listed_in_pages(day: Day) -> None:
    agency, _ = await day.agency()
    elsewhere, _ = await day.agency()
    _, files = await day.portraits(agency, 1, 2)
    _, others = await day.portraits(elsewhere, 1)
    made = [await day.prepare(agency.id, [file.id]) for file in files]
    made.append(await day.prepare(elsewhere.id, [others[0].id]))
    first = await day.studio.ask(GetMatches, limit=2)
    assert [each.id for each in first.matches] == [made[2].id, made[1].id]
    assert first.next_before == made[1].id
    second = await day.studio.ask(GetMatches, limit=2, before=first.next_before)
    assert [each.id for each in second.matches] == [made[0].id]
    assert second.next_before is None
    of_agency = await day.studio.ask(GetMatches, agency=elsewhere.id)
    assert [each.id for each in of_agency.matches] == [made[2].id]


async def test_files_of_several_shoots_go_together(day: Day) -> None:
    agency, _ = await day.agency()
    _, first = await day.portraits(agency, 1, 2)
    _, second = await day.portraits(agency, 3)
    chosen = [first[1].id, second[0].id]
    match = await day.prepare(agency.id, chosen[::-1])
    assert (match.total, match.shoot) == (2, None)
    page = await day.studio.ask(GetMatchFiles, match=match.id, limit=1)
    assert page.files == [(chosen[0], "a.jpg")]
    page = await day.studio.ask(GetMatchFiles, match=match.id, after=page.next_after)
    assert (page.files, page.next_after) == ([(chosen[1], "a.jpg")], None)


async def test_a_file_that_is_named_twice_is_matched_once(day: Day) -> None:
    agency, _ = await day.agency()
    _, (one, two) = await day.portraits(agency, 1, 2)
    match = await day.prepare(agency.id, [two.id, one.id, two.id])
    assert match.total == 2
    page = await day.studio.ask(GetMatchFiles, match=match.id)
    assert [file for file, _ in page.files] == [one.id, two.id]


async def test_only_a_class_is_looked_for(day: Day) -> None:
    agency, _ = await day.agency(2)
    cat, *_ = await day.studio.subjects(agency, new_subject(3, class_name="4A"))
    await day.studio.references(agency, cat, await day.photo(portrait(3, 1.0)))
    await day.build(agency)
    shoot, _ = await day.portraits(agency, 1, 3)
    match = await day.run(agency, shoot, options=MatchOptions(class_name="4A"))
    results = await day.results(match)
    assert [whose(each) for each in results] == [[None], [cat.id]]
    assert [each.subject for each in results[0].faces[0].candidates] == [cat.id]
    with pytest.raises(NoReferences, match="class '5C'"):
        await day.prepare(agency.id, shoot=shoot.id, options=MatchOptions(class_name="5C"))


async def test_what_cannot_be_matched_is_refused(day: Day, pool: Pool) -> None:
    agency, _ = await day.agency(1)
    shoot, files = await day.portraits(agency, 1)
    empty, _ = await day.shoot(agency)
    other, _ = await day.agency(1)
    _, others = await day.portraits(other, 1)
    file = files[0].id

    async def refused(kind: type[Exception], sentence: str, **fields: Any) -> None:
        with pytest.raises(kind, match=sentence):
            await day.prepare(agency.id, **fields)

    await refused(InvalidRequest, "either a shoot or photographs")
    await refused(InvalidRequest, "either a shoot or photographs", shoot=shoot.id, files=[file])
    await refused(InvalidRequest, "no photographs", shoot=empty.id)
    await refused(InvalidRequest, "no photographs", files=[])
    await refused(NotFound, "not there, or not of this agency", files=[file, others[0].id])
    await refused(NotFound, "not there, or not of this agency", files=[FileId(2**62)])
    await refused(NotFound, "no such shoot", shoot=ShootId(2**62))
    for threshold in (0.49, 1.0):
        await refused(InvalidRequest, "threshold", shoot=shoot.id, threshold=threshold)
    assert (
        await pool.fetchval(
            "SELECT count(*) FROM matching.matches WHERE account_id = $1", day.studio.account
        )
        == 0
    )
    for threshold in (0.5, 0.99):
        await day.prepare(agency.id, [file], threshold=threshold)
    await day.studio.ask(ChangeAgency, agency.id, archived=True)
    await refused(InvalidRequest, "archived", shoot=shoot.id)


async def test_there_must_be_something_to_compare_with(day: Day) -> None:
    silent = await day.studio.agency()
    shoot, _ = await day.portraits(silent, 1)
    with pytest.raises(NoReferences, match="note that its people agreed"):
        await day.prepare(silent.id, shoot=shoot.id)
    agency, _ = await day.agency(0)
    shoot, _ = await day.portraits(agency, 1)
    with pytest.raises(NoReferences, match="compare with; build its references first"):
        await day.prepare(agency.id, shoot=shoot.id)
    await day.people(agency, 1)
    await day.prepare(agency.id, shoot=shoot.id)
    await day.studio.ask(WithdrawConsent, agency.id)
    with pytest.raises(NoReferences):
        await day.prepare(agency.id, shoot=shoot.id)


async def test_that_there_are_no_references_is_known_without_the_face_reader(day: Day) -> None:
    agency, _ = await day.agency(0)
    shoot, _ = await day.portraits(agency, 1)
    day.reader.away = True
    with pytest.raises(NoReferences):
        await day.prepare(agency.id, shoot=shoot.id)


async def test_what_another_embedder_made_is_stale(day: Day) -> None:
    agency, _ = await day.agency(2)
    shoot, _ = await day.portraits(agency, 1)
    day.reader.embedder = msgspec.structs.replace(EMBEDDER, version="dlib 2")
    with pytest.raises(ReferencesStale, match="2 references"):
        await day.prepare(agency.id, shoot=shoot.id)
    assert (await day.build(agency)).created == 2
    match = await day.run(agency, shoot)
    assert match.matched == 1


async def test_a_cancelled_match_keeps_what_was_found(day: Day) -> None:
    agency, _ = await day.agency(1)
    shoot, files = await day.portraits(agency, *([1] * 12))
    job = JobId(uuid4())
    match = await day.prepare(agency.id, shoot=shoot.id, job=job)
    day.reader.gate.clear()
    await day.begin(match, job)

    async def are_read() -> bool:
        return bool(set(day.reader.read) & {file.key for file in files})

    await until(are_read)
    await day.cancel(job)
    day.reader.gate.set()
    closed = await day.closed(job)
    assert closed.succeeded + closed.cancelled == 12
    assert closed.succeeded
    assert closed.cancelled
    ended = await day.match(match.id)
    assert ended.state == "cancelled"
    assert (ended.matched, ended.failed) == (closed.succeeded, closed.cancelled)
    failed = await day.results(match, state="failed")
    assert {each.code for each in failed} == {"CANCELLED"}


async def test_another_account_sees_nothing_of_it(day: Day) -> None:
    agency, _ = await day.agency(1)
    shoot, files = await day.portraits(agency, 1)
    match = await day.run(agency, shoot)
    other = Day(day.studio.other(), day.reader)
    theirs, _ = await other.agency(1)
    for ask in (
        other.match(match.id),
        other.results(match),
        other.result(match, files[0]),
        other.decide(match, files[0], "confirm"),
        other.prepare(agency.id, shoot=shoot.id),
        other.prepare(theirs.id, shoot=shoot.id),
        other.prepare(theirs.id, [files[0].id]),
        other.studio.ask(GetMatchFiles, match=match.id),
        other.studio.ask(GetDecisions, match=match.id, file=files[0].id),
        other.studio.ask(DropMatch, match=match.id, job=match.job),
    ):
        with pytest.raises(NotFound):
            await ask
    assert (await other.studio.ask(GetMatches)).matches == []
    assert (await other.studio.ask(GetMatches, agency=agency.id)).matches == []


async def test_photographs_erased_after_drafting_are_left_out(day: Day) -> None:
    agency, _ = await day.agency(1)
    shoot, files = await day.portraits(agency, 1, 1)
    job = JobId(uuid4())
    match = await day.prepare(agency.id, shoot=shoot.id, job=job)
    day.reader.gate.clear()
    await day.begin(match, job)

    async def are_read() -> bool:
        return {file.key for file in files} <= set(day.reader.read)

    await until(are_read)
    await day.studio.ask(EraseFiles, agency.id, shoot=shoot.id, files=[files[0].id])
    day.reader.gate.set()
    await day.closed(job)
    ended = await day.match(match.id)
    assert (ended.state, ended.total, ended.matched) == ("completed", 1, 1)
    items = await day.items(job)
    assert [(item.state, item.code) for item in items] == [
        ("failed", "FILE_ERASED"),
        ("succeeded", ""),
    ]


async def test_names_of_any_kind_come_through(day: Day) -> None:
    agency = await day.studio.with_consent(name="Škola \"'; DROP TABLE matching.files; --")
    strange = ["Ali' OR 1=1", "🏫 <b>Zoë</b>", "=HYPERLINK(1)", "\u202eevil", "Ann\u0301e"]
    subjects = await day.studio.subjects(
        agency,
        *(
            new_subject(number, name=name, class_name=name[:20])
            for number, name in enumerate(strange, 1)
        ),
    )
    for number, subject in enumerate(subjects, 1):
        photo = await day.photo(portrait(number, 1.0))
        await day.studio.references(agency, subject, photo)
    await day.build(agency)
    shoot = await day.studio.shoot(agency, name="' \\ %")
    photos = [
        await day.studio.photo(portrait(number), f"../{name}\n.jpg")
        for number, name in enumerate(strange, 1)
    ]
    await day.studio.files(shoot, *photos)
    match = await day.run(agency, shoot)
    results = await day.results(match)
    assert [each.faces[0].candidates[0].name for each in results] == strange
    assert [each.filename for each in results] == [f"../{name}\n.jpg" for name in strange]
    for name in strange:
        of_class = await day.results(match, class_name=name[:20])
        assert [each.faces[0].who.name for each in of_class if each.faces[0].who] == [name]
