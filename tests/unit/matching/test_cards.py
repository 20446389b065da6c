"""What cards say beside faces, and alone."""

from collections.abc import Sequence

import pytest

from proto.agencies import SubjectId
from proto.matching.results import FaceState, Reason
from services.matching.cards import against_cards, by_cards_alone, unknown_to_faces
from services.matching.deciding import Candidate, Decided

ANN, BEN, CAT = map(SubjectId, (1, 2, 3))


def face(
    state: FaceState, *subjects: SubjectId, number: int = 0, reasons: tuple[Reason, ...] = ()
) -> Decided:
    found = tuple(Candidate(each, 0.9, 0.01) for each in subjects)
    return Decided(number, state, subjects[0] if state == "matched" else None, found, reasons)


def card(*subjects: SubjectId) -> list[Candidate]:
    return [Candidate(each, 0.2, -0.1) for each in subjects]


def told(faces: Sequence[Decided]) -> list[tuple[str, SubjectId | None, tuple[str, ...]]]:
    return [(each.state, each.subject, each.reasons) for each in faces]


def test_without_a_card_faces_stay_as_they_are() -> None:
    faces = [face("matched", ANN), face("unmatched", BEN, number=1)]
    assert against_cards(faces, [], []) == faces


def test_where_card_and_face_agree_both_are_right() -> None:
    unsure = face("needs_review", ANN, BEN, reasons=("low_score",))
    assert told(against_cards([unsure], card(ANN), [ANN])) == [("matched", ANN, ("low_score",))]
    sure = face("matched", ANN)
    assert against_cards([sure], card(ANN), [ANN]) == [sure]


def test_agreeing_says_nothing_of_other_faces() -> None:
    faces = [
        face("needs_review", ANN, reasons=("small_face",)),
        face("needs_review", BEN, number=1, reasons=("low_score",)),
        face("matched", CAT, number=2),
        face("unmatched", BEN, number=3),
    ]
    assert told(against_cards(faces, card(ANN), [ANN])) == [
        ("matched", ANN, ("small_face",)),
        ("needs_review", None, ("low_score",)),
        ("matched", CAT, ()),
        ("unmatched", None, ()),
    ]


def test_siblings_on_one_card_are_both_raised() -> None:
    faces = [
        face("needs_review", ANN, BEN, reasons=("low_margin",)),
        face("needs_review", BEN, ANN, number=1, reasons=("low_margin",)),
    ]
    assert told(against_cards(faces, card(ANN, BEN), [ANN, BEN])) == [
        ("matched", ANN, ("low_margin",)),
        ("matched", BEN, ("low_margin",)),
    ]


def test_a_subject_is_not_raised_twice() -> None:
    faces = [
        face("matched", ANN),
        face("needs_review", ANN, number=1, reasons=("same_subject_twice",)),
    ]
    assert told(against_cards(faces, card(ANN), [ANN])) == told(faces)


def scored(
    number: int, state: FaceState, reasons: tuple[Reason, ...], *scores: tuple[SubjectId, float]
) -> Decided:
    found = tuple(Candidate(subject, score, 0.02) for subject, score in scores)
    return Decided(number, state, None, found, reasons)


def test_of_several_faces_the_one_with_the_best_claim_is_raised() -> None:
    faces = [
        scored(0, "needs_review", ("low_score", "same_subject_twice"), (ANN, 0.67)),
        scored(1, "needs_review", ("small_face",), (ANN, 0.98)),
    ]
    assert told(against_cards(faces, card(ANN), [ANN])) == [
        ("needs_review", None, ("low_score", "same_subject_twice")),
        ("matched", ANN, ("small_face",)),
    ]


@pytest.mark.parametrize(
    "largest",
    [
        # the child herself, who looks away; somebody like her; and one as near who holds nothing
        scored(0, "unmatched", (), (ANN, 0.41)),
        scored(0, "needs_review", ("low_score",), (BEN, 0.66), (ANN, 0.62)),
        scored(0, "needs_review", ("low_score", "same_subject_twice"), (ANN, 0.63)),
    ],
)
def test_a_card_does_not_say_which_of_two_faces_it_is(largest: Decided) -> None:
    bystander = scored(1, "needs_review", ("low_score",), (ANN, 0.635))
    first, second = against_cards([largest, bystander], card(ANN), [ANN])
    assert second == bystander
    assert first.subject is None
    # it conflicts with whom the card does not name, and with nobody else
    conflicts = largest.best == BEN
    assert ("sequence_conflict" in first.reasons) is conflicts


@pytest.mark.parametrize("state", ["matched", "needs_review"])
def test_a_card_of_somebody_else_is_a_conflict(state: FaceState) -> None:
    faces = [face(state, BEN), face("unmatched", CAT, number=1)]
    assert told(against_cards(faces, card(ANN), [ANN])) == [
        ("needs_review", None, ("sequence_conflict",)),
        ("unmatched", None, ()),
    ]


def test_twins_are_left_to_a_person_where_the_card_names_the_other() -> None:
    unsure = face("needs_review", BEN, ANN, reasons=("low_margin",))
    assert told(against_cards([unsure], card(ANN), [ANN])) == [
        ("needs_review", None, ("low_margin", "sequence_conflict"))
    ]


def test_whom_only_the_card_knows_comes_first() -> None:
    stranger = face("unmatched", BEN, CAT)
    # Ann has references, and this is not she; or she has none, and may be
    for compared, reason in (([ANN], "sequence_conflict"), ([], "card_only")):
        (only,) = against_cards([stranger], card(ANN), compared)
        assert (only.state, only.reasons) == ("needs_review", (reason,))
        assert [each.subject for each in only.candidates] == [ANN, BEN, CAT]
    crowd = face("unmatched", *map(SubjectId, (7, 8, 9)))
    (only,) = against_cards([crowd], card(ANN, BEN), [])
    assert [each.subject for each in only.candidates] == [ANN, BEN, 7]


@pytest.mark.parametrize(
    ("largest", "reason"),
    [
        (scored(0, "unmatched", (), (ANN, 0.41), (BEN, 0.2)), "low_score"),
        (scored(0, "unmatched", (), (BEN, 0.41), (ANN, 0.2)), "sequence_conflict"),
        # such as where the match is about a class that Ann is not in
        (face("unmatched"), "card_only"),
    ],
)
def test_a_card_conflicts_with_whom_it_does_not_name_and_with_nobody_else(
    largest: Decided, reason: Reason
) -> None:
    (only,) = against_cards([largest], card(ANN), [ANN])
    assert (only.state, only.reasons, only.best) == ("needs_review", (reason,), ANN)


def test_a_card_without_a_face_is_to_be_looked_at() -> None:
    answers = against_cards([], [unknown_to_faces(ANN), unknown_to_faces(BEN)], [])
    assert [each.number for each in answers] == [-1, -2]
    assert told(answers) == [("needs_review", None, ("no_face", "card_only"))] * 2
    assert [each.best for each in answers] == [ANN, BEN]


def test_alone_cards_decide() -> None:
    answers = by_cards_alone([BEN, ANN])
    assert [each.number for each in answers] == [-1, -2]
    assert told(answers) == [("matched", BEN, ("card_only",)), ("matched", ANN, ("card_only",))]
    assert by_cards_alone([]) == []
