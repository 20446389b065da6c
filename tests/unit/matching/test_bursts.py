"""Photographs that one camera took within seconds."""

import pytest

from proto.agencies import FileId, SubjectId
from proto.matching.results import FaceState, Reason
from services.matching.bursts import NEAR_SECONDS, Frame, raised
from services.matching.deciding import Candidate, Decided

ANN, BEN = SubjectId(1), SubjectId(2)


def face(
    state: FaceState,
    *subjects: SubjectId,
    number: int = 0,
    reasons: tuple[Reason, ...] = ("low_score",),
) -> Decided:
    found = tuple(Candidate(each, 0.9, 0.01) for each in subjects)
    given = subjects[0] if state == "matched" else None
    return Decided(number, state, given, found, () if given else reasons)


def frame(number: int, taken: float, *faces: Decided, camera: str = "one") -> Frame:
    return Frame(FileId(number), camera, taken, faces)


UNSURE = frame(1, 100.0, face("needs_review", ANN))


def test_a_neighbour_settles_whose_face_it_is() -> None:
    found = raised([UNSURE, frame(2, 100.0 + NEAR_SECONDS, face("matched", ANN))])
    assert [(each.state, each.subject, each.reasons) for each in found[FileId(1)]] == [
        ("matched", ANN, ("burst",))
    ]
    assert list(found) == [1]


@pytest.mark.parametrize(
    "neighbour",
    [
        # another moment, another camera, another person, and one who is not sure itself
        frame(2, 100.0 + NEAR_SECONDS + 0.01, face("matched", ANN)),
        frame(2, 100.0 - NEAR_SECONDS - 0.01, face("matched", ANN)),
        frame(2, 100.0, face("matched", ANN), camera="two"),
        frame(2, 100.0, face("matched", BEN)),
        frame(2, 100.0, face("needs_review", ANN)),
        frame(2, 100.0),
    ],
)
def test_others_settle_nothing(neighbour: Frame) -> None:
    assert raised([UNSURE, neighbour]) == {}


def test_a_photograph_is_no_neighbour_of_itself() -> None:
    group = frame(1, 100.0, face("needs_review", ANN), face("matched", BEN, number=1))
    assert raised([group]) == {}


def test_twins_side_by_side_settle_nothing() -> None:
    twins = frame(1, 100.0, face("needs_review", ANN, BEN))
    both = frame(2, 101.0, face("matched", ANN), face("matched", BEN, number=1))
    one = frame(3, 101.0, face("matched", BEN))
    assert raised([twins, both]) == {}
    assert raised([twins, frame(2, 101.0, face("matched", ANN)), one]) == {}
    assert raised([twins, one]) == {}


@pytest.mark.parametrize("reason", ["same_subject_twice", "sequence_conflict", "card_only"])
def test_what_neighbours_cannot_know_stays(reason: Reason) -> None:
    unsure = frame(1, 100.0, face("needs_review", ANN, reasons=(reason,)))
    assert raised([unsure, frame(2, 100.0, face("matched", ANN))]) == {}


def test_of_two_faces_that_may_be_the_subjects_none_is_raised() -> None:
    seen = frame(2, 101.0, face("matched", ANN))
    for second in (("needs_review", ANN), ("needs_review", BEN, ANN), ("unmatched", ANN)):
        state, *subjects = second
        other = face(state, *subjects, number=1)  # type: ignore[arg-type]
        assert raised([frame(1, 100.0, face("needs_review", ANN), other), seen]) == {}


def test_a_second_face_near_the_subject_in_a_neighbour_settles_nothing() -> None:
    # the second face of the first frame, a sibling, is alone in the next one
    twice = face("needs_review", ANN, number=1, reasons=("same_subject_twice",))
    both = frame(2, 101.0, face("matched", ANN), twice)
    assert raised([UNSURE, both]) == {}
    # nor does another neighbour that shows the subject alone
    assert raised([UNSURE, both, frame(3, 101.5, face("matched", ANN))]) == {}
    assert list(raised([UNSURE, frame(3, 101.5, face("matched", ANN))])) == [1]


def test_a_low_score_is_raised_by_nobody() -> None:
    for score, settled in ((0.62, []), (0.7, [1])):
        unsure = Decided(0, "needs_review", None, (Candidate(ANN, score, 0.02),), ("low_score",))
        frames = [frame(1, 100.0, unsure), frame(2, 101.0, face("matched", ANN))]
        assert list(raised(frames)) == settled


def test_whom_a_face_is_not_of_does_not_count() -> None:
    found = (Candidate(ANN, 0.8, 0.01), Candidate(BEN, 0.49, -0.02))
    unsure = Decided(0, "needs_review", None, found, ("low_score",))
    both = frame(2, 101.0, face("matched", ANN), face("matched", BEN, number=1))
    settled = raised([frame(1, 100.0, unsure), both])
    assert [each.subject for each in settled[FileId(1)]] == [ANN]


def test_what_was_raised_settles_nothing_further() -> None:
    line = [
        frame(1, 100.0, face("matched", ANN)),
        frame(2, 102.0, face("needs_review", ANN)),
        frame(3, 104.0, face("needs_review", ANN)),
    ]
    assert list(raised(line)) == [2]


def test_what_is_unmatched_stays() -> None:
    stranger = frame(1, 100.0, face("unmatched", ANN, reasons=()))
    assert raised([stranger, frame(2, 100.0, face("matched", ANN))]) == {}
