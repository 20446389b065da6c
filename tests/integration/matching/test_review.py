"""What people decide on photographs, and take back."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from kit.database import Pool
from kit.storage import Storage
from proto.agencies import Agency, File, Subject, SubjectId
from proto.errors import InvalidRequest, NotFound
from proto.ids import JobId, StorageKey
from proto.matching.agencies import ChangeAgency
from proto.matching.matches import Match
from proto.matching.portraits import NewPortrait, NotePortraits, key_of
from proto.matching.results import DecidedFace, Decision, FileResult, GetDecisions
from proto.matching.subjects import EraseReference, EraseSubject
from services.matching.discarding import Discarding
from services.matching.retention import Retention
from tests.integration.matching.day import Day, portrait, told, whose
from tests.integration.matching.found import gallery
from tests.integration.matching.reader import between, face, picture, stranger

Reviewed = tuple[Agency, list[Subject], Match, list[File]]

UNSURE = "needs_review"


async def matched(day: Day, *contents: bytes, people: int = 3) -> Reviewed:
    agency, subjects = await day.agency(people)
    shoot, files = await day.shoot(agency, *contents)
    return agency, subjects, await day.run(agency, shoot), files


async def decisions(day: Day, match: Match, file: File) -> list[Decision]:
    found = await day.studio.ask(GetDecisions, match=match.id, file=file.id)
    listed: list[Decision] = found.decisions
    return listed


def stands(result: FileResult) -> tuple[str, list[int | None], list[str], bool]:
    return result.state, whose(result), list(result.reasons), result.reviewed


async def test_the_best_candidate_is_confirmed(day: Day) -> None:
    _, (ann, *_), match, (file,) = await matched(day, portrait(1, 0.97, "small_face"))
    before = await day.result(match, file)
    assert stands(before) == (UNSURE, [None], ["small_face"], False)
    after = await day.decide(match, file, "confirm")
    assert stands(after) == ("matched", [ann.id], [], True)
    assert after.faces[0].reviewed
    assert after == await day.result(match, file)
    now = await day.match(match.id)
    assert (now.matched, now.needs_review, now.reviewed) == (1, 0, 1)
    (decision,) = await decisions(day, match, file)
    assert (decision.action, decision.face, decision.subject) == ("confirm", 0, ann.id)
    assert (decision.by, decision.undone) == (day.studio.by, False)
    assert await day.decide(match, file, "undo") == before
    now = await day.match(match.id)
    assert (now.matched, now.needs_review, now.reviewed) == (0, 1, 0)


async def test_what_was_matched_may_be_confirmed(day: Day) -> None:
    _, (ann, *_), match, (file,) = await matched(day, portrait(1))
    assert stands(await day.decide(match, file, "confirm")) == ("matched", [ann.id], [], True)


async def test_a_face_is_given_to_somebody_else(day: Day) -> None:
    _, (ann, _, cat), match, (file,) = await matched(day, portrait(1))
    after = await day.decide(match, file, "reassign", subject_id=cat.id)
    assert stands(after) == ("matched", [cat.id], [], True)
    assert after.faces[0].who is not None
    assert after.faces[0].who.student_id == cat.student_id
    assert after.faces[0].candidates[0].subject == ann.id
    assert stands(await day.decide(match, file, "unmatch")) == ("unmatched", [None], [], True)
    assert stands(await day.decide(match, file, "undo")) == ("matched", [cat.id], [], True)
    assert stands(await day.decide(match, file, "undo")) == ("matched", [ann.id], [], False)
    with pytest.raises(InvalidRequest, match="no decision"):
        await day.decide(match, file, "undo")
    listed = await decisions(day, match, file)
    assert [(each.action, each.undone) for each in listed] == [
        ("undo", False),
        ("undo", False),
        ("unmatch", True),
        ("reassign", True),
    ]


async def test_faces_of_a_group_are_decided_on_one_by_one(day: Day) -> None:
    group = picture(
        face(1, doubts=["small_face"]),
        face(2, x=900, doubts=["small_face"]),
        stranger(x=1700),
    )
    _, (ann, ben, cat), match, (file,) = await matched(day, group)
    one = await day.decide(match, file, "confirm", face=1)
    assert stands(one) == (UNSURE, [None, ben.id, None], ["several_faces", "small_face"], True)
    for wrong in ({"subject_id": cat.id}, {"subject_id": ben.id, "face": 2}):
        with pytest.raises(InvalidRequest):
            await day.decide(match, file, "reassign", **wrong)
    two = await day.decide(match, file, "reassign", face=2, subject_id=cat.id)
    assert whose(two) == [None, ben.id, cat.id]
    # whoever is left is confirmed together
    rest = await day.decide(match, file, "confirm")
    assert stands(rest) == ("matched", [ann.id, ben.id, cat.id], ["several_faces"], True)
    none = await day.decide(match, file, "unmatch")
    assert whose(none) == [None, None, None]
    for expected in (
        [ann.id, ben.id, cat.id],
        [None, ben.id, cat.id],
        [None, ben.id, None],
        [None, None, None],
    ):
        assert whose(await day.decide(match, file, "undo")) == expected


async def test_two_faces_are_not_the_same_subjects(day: Day) -> None:
    doubled = picture(face(1, doubts=["small_face"]), face(1, 0.96, x=900))
    _, (ann, ben, _), match, (file,) = await matched(day, doubled)
    before = await day.result(match, file)
    assert before.state == UNSURE
    with pytest.raises(InvalidRequest, match="same subject"):
        await day.decide(match, file, "confirm", face=0)
    swapped = await day.decide(match, file, "reassign", face=1, subject_id=ben.id)
    assert whose(swapped) == [None, ben.id]
    assert whose(await day.decide(match, file, "confirm", face=0)) == [ann.id, ben.id]


async def test_somebody_is_recognised_where_no_face_was_seen(day: Day) -> None:
    _, (ann, *_), match, (empty,) = await matched(day, picture())
    before = await day.result(match, empty)
    assert before.state == "unmatched"
    for action in ("confirm", "unmatch"):
        with pytest.raises(InvalidRequest):
            await day.decide(match, empty, action)
    after = await day.decide(match, empty, "reassign", subject_id=ann.id)
    assert (after.state, whose(after)) == ("matched", [ann.id])
    assert [(each.number, each.box) for each in after.faces] == [(-1, None)]
    assert await day.decide(match, empty, "undo") == before


async def test_nobody_is_put_into_a_photograph_that_was_not_read(day: Day) -> None:
    _, (ann, *_), match, (broken,) = await matched(day, b"broken")
    before = await day.result(match, broken)
    wishes: list[tuple[str, dict[str, Any]]] = [
        ("confirm", {}),
        ("unmatch", {}),
        ("undo", {}),
        ("reassign", {"subject_id": ann.id}),
    ]
    for action, fields in wishes:
        with pytest.raises(InvalidRequest, match="not read"):
            await day.decide(match, broken, action, **fields)
    assert await day.result(match, broken) == before
    now = await day.match(match.id)
    assert (now.matched, now.failed, now.reviewed) == (0, 1, 0)


async def test_it_is_written_down_whom_each_of_several_faces_was_given_to(day: Day) -> None:
    both = picture(face(1, doubts=["small_face"]), face(2, x=900, doubts=["small_face"]))
    agency, (ann, ben, _), match, (file,) = await matched(day, both)
    await day.decide(match, file, "confirm")
    await day.decide(match, file, "unmatch", face=1)
    await day.decide(match, file, "undo")
    undo, one, several = await decisions(day, match, file)
    assert (undo.action, undo.faces) == ("undo", [])
    assert one.faces == [DecidedFace(face=1, subject=None)]
    assert (several.face, several.subject) == (None, None)
    given = [DecidedFace(face=0, subject=ann.id), DecidedFace(face=1, subject=ben.id)]
    assert several.faces == given
    # and of who was erased it is not said any more
    await day.studio.ask(EraseSubject, agency.id, subject_id=ann.id)
    *_, left = await decisions(day, match, file)
    assert left.faces == [DecidedFace(face=0, subject=None), given[1]]


async def test_what_makes_no_sense_is_refused(day: Day) -> None:
    agency, (ann, *_), match, (file, nobody) = await matched(
        day, picture(between(1, 2)), picture(stranger())
    )
    other, (foreign, *_) = await day.agency(1)
    shoot, (late,) = await day.portraits(agency, 1)
    open_match = await day.prepare(agency.id, shoot=shoot.id)

    async def refused(kind: type[Exception], action: str, **fields: Any) -> None:
        with pytest.raises(kind):
            await day.decide(match, file, action, **fields)

    await refused(InvalidRequest, "confirm", subject_id=ann.id)
    await refused(InvalidRequest, "reassign")
    await refused(InvalidRequest, "unmatch", subject_id=ann.id)
    await refused(InvalidRequest, "unmatch", as_reference=True)
    await refused(InvalidRequest, "undo")
    await refused(InvalidRequest, "undo", face=0)
    await refused(InvalidRequest, "confirm", face=7)
    await refused(InvalidRequest, "confirm", face=-1)
    await refused(InvalidRequest, "confirm", face=2**31)
    await refused(InvalidRequest, "bless")
    await refused(NotFound, "reassign", subject_id=foreign.id)
    await refused(NotFound, "reassign", subject_id=SubjectId(2**62))
    assert other.id != agency.id
    with pytest.raises(InvalidRequest, match="nobody"):
        await day.decide(match, nobody, "confirm")
    with pytest.raises(NotFound):
        await day.decide(match, late, "confirm")
    with pytest.raises(InvalidRequest, match="not been matched"):
        await day.decide(open_match, late, "unmatch")
    assert await decisions(day, match, file) == []
    assert (await day.match(match.id)).reviewed == 0


async def test_a_confirmed_photograph_becomes_a_reference(day: Day, pool: Pool) -> None:
    agency, (ann, *_), match, (file,) = await matched(
        day, picture(stranger(), face(1, 0.95, x=2000, doubts=["cut"]))
    )
    version = await gallery(pool, agency)
    await day.decide(match, file, "confirm", face=1, as_reference=True)
    (_, made) = await day.studio.references(agency, ann)
    assert (made.state, made.from_file, made.key) == ("waiting", file.id, file.key)
    assert await gallery(pool, agency) == version
    assert (await day.build(agency)).created == 1
    # the face that was confirmed, not the largest
    shoot, _ = await day.shoot(agency, picture(face(1, 0.95)))
    again = await day.run(agency, shoot)
    (result,) = await day.results(again)
    assert result.faces[0].candidates[0].score > 0.99
    # once more is the same one
    await day.decide(match, file, "confirm", face=1, as_reference=True)
    assert len(await day.studio.references(agency, ann)) == 2
    version = await gallery(pool, agency)
    await day.decide(match, file, "undo")
    assert len(await day.studio.references(agency, ann)) == 2
    await day.decide(match, file, "undo")
    assert len(await day.studio.references(agency, ann)) == 1
    assert await gallery(pool, agency) == version + 1
    assert await day.studio.is_stored(file.key)


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("action", ["reassign", "unmatch"])
async def test_a_face_taken_away_is_no_reference_any_more(
    day: Day, pool: Pool, action: str, built: bool
) -> None:
    agency, (ann, ben, _), match, (file,) = await matched(day, portrait(2))
    await day.decide(match, file, "reassign", subject_id=ann.id, as_reference=True)
    if built:
        assert (await day.build(agency)).created == 1
    version = await gallery(pool, agency)
    to_ben: dict[str, Any] = {"subject_id": ben.id, "as_reference": True}
    await day.decide(match, file, action, **(to_ben if action == "reassign" else {}))
    assert len(await day.studio.references(agency, ann)) == 1
    assert await gallery(pool, agency) == version + built
    assert len(await day.studio.references(agency, ben)) == 1 + (action == "reassign")
    await day.build(agency)
    # the next photograph of the one is not as near to the other
    shoot, (_, again) = await day.shoot(agency, portrait(3), portrait(2))
    assert whose(await day.result(await day.run(agency, shoot), again)) == [ben.id]
    assert await day.studio.is_stored(file.key)


async def test_a_later_match_mends_what_a_reference_is_made_of(day: Day, pool: Pool) -> None:
    agency, (ann, ben, cat) = await day.agency(3)
    shoot, (file,) = await day.shoot(agency, picture(face(1), face(2, x=900)))
    match, later = await day.run(agency, shoot), await day.run(agency, shoot)
    await day.decide(match, file, "reassign", face=0, subject_id=cat.id, as_reference=True)
    await day.decide(match, file, "confirm", face=1, as_reference=True)
    assert (await day.build(agency)).created == 2

    async def left() -> list[int]:
        return [len(await day.studio.references(agency, each)) for each in (ann, ben, cat)]

    # Cat is the other face of the same picture, so that is none of Ben's either
    version = await gallery(pool, agency)
    await day.decide(later, file, "reassign", face=1, subject_id=cat.id, as_reference=True)
    assert await left() == [1, 1, 2]
    assert await gallery(pool, agency) > version
    (_, moved) = await day.studio.references(agency, cat)
    assert moved.state == "waiting"
    await day.decide(later, file, "reassign", face=0, subject_id=ben.id)
    assert await left() == [1, 1, 2]
    await day.decide(later, file, "unmatch", face=1)
    assert await left() == [1, 1, 1]


async def test_a_portrait_goes_when_the_photograph_shows_somebody_else(
    day: Day, pool: Pool, storage: Storage, discarding: Discarding
) -> None:
    agency, (ann, ben) = await day.agency(2)
    shoot, (file, beside) = await day.portraits(agency, 1, 2)
    match, later = await day.run(agency, shoot), await day.run(agency, shoot)

    async def cut(whom: Subject, out_of: File) -> str:
        outputs = StorageKey(f"outputs/{day.studio.account}/{uuid4()}")
        told = {"endings": ["md.jpg"], "job": JobId(uuid4()), "outputs": outputs}
        portraits = [NewPortrait(subject=whom.id, file=out_of.id)]
        await day.studio.ask(NotePortraits, match=match.id, portraits=portraits, **told)
        key = key_of(outputs, whom.id, "md.jpg")
        await storage.put(key, b"a portrait", "image/jpeg")
        return key

    anns, bens = await cut(ann, file), await cut(ben, beside)
    assert whose(await day.decide(match, file, "confirm")) == [ann.id]
    assert await day.studio.stored([anns, bens]) == [True, True]
    # whichever match is looked at
    await day.decide(later, file, "reassign", subject_id=ben.id)
    assert await day.studio.stored([anns, bens]) == [False, True]
    # a job that goes on cutting is late
    await storage.put(StorageKey(anns), b"a portrait", "image/jpeg")
    await Retention(pool, storage, discarding).sweep()
    assert await day.studio.stored([anns, bens]) == [False, True]
    of_ben = await cut(ben, file)
    assert whose(await day.decide(later, file, "undo")) == [ann.id]
    assert await day.studio.stored([of_ben, bens]) == [False, True]
    anew = await cut(ann, file)
    await day.decide(match, file, "unmatch")
    assert await day.studio.stored([anew, bens]) == [False, True]


async def test_a_reference_that_is_gone_is_not_missed(day: Day) -> None:
    agency, (ann, *_), match, (file,) = await matched(day, portrait(1))
    await day.decide(match, file, "confirm", as_reference=True)
    (_, made) = await day.studio.references(agency, ann)
    await day.studio.ask(EraseReference, agency.id, subject_id=ann.id, reference=made.id)
    undone = await day.decide(match, file, "undo")
    assert (undone.state, undone.reviewed) == ("matched", False)
    assert await day.studio.is_stored(file.key)


async def test_not_everything_becomes_a_reference(day: Day) -> None:
    agency, (ann, *_), match, (group, empty) = await matched(
        day,
        picture(face(1, doubts=["small_face"]), face(2, x=900, doubts=["small_face"])),
        picture(),
    )
    with pytest.raises(InvalidRequest, match="one at a time"):
        await day.decide(match, group, "confirm", as_reference=True)
    with pytest.raises(InvalidRequest, match="one at a time"):
        await day.decide(match, empty, "reassign", subject_id=ann.id, as_reference=True)
    photos = [await day.photo(portrait(1)) for _ in range(49)]
    await day.studio.references(agency, ann, *photos)
    with pytest.raises(InvalidRequest, match="at most 50"):
        await day.decide(match, group, "confirm", face=0, as_reference=True)
    await day.studio.ask(ChangeAgency, agency.id, mode="cards")
    with pytest.raises(InvalidRequest, match="cards"):
        await day.decide(match, group, "confirm", face=1, as_reference=True)
    assert told([await day.result(match, group)])[0][0] == UNSURE
    assert await decisions(day, match, group) == []


async def test_decisions_at_once_follow_each_other(day: Day) -> None:
    _, (ann, ben, cat), match, (file,) = await matched(day, portrait(1))
    people = [ann, ben, cat] * 3
    await asyncio.gather(
        *(day.decide(match, file, "reassign", subject_id=each.id) for each in people)
    )
    listed = await decisions(day, match, file)
    assert len(listed) == len(people)
    assert whose(await day.result(match, file)) == [listed[0].subject]
    for earlier in listed[1:]:
        assert whose(await day.decide(match, file, "undo")) == [earlier.subject]
    assert stands(await day.decide(match, file, "undo")) == ("matched", [ann.id], [], False)


async def test_taking_back_does_not_bring_back_who_was_erased(day: Day) -> None:
    agency, (ann, ben, _), match, (file,) = await matched(day, portrait(1))
    await day.decide(match, file, "reassign", subject_id=ben.id)
    await day.studio.ask(EraseSubject, agency.id, subject_id=ann.id)
    assert whose(await day.result(match, file)) == [ben.id]
    undone = await day.decide(match, file, "undo")
    assert undone.state == "unmatched"
    assert ann.id not in {each.subject for each in undone.faces[0].candidates}
    assert whose(undone) == [None]
