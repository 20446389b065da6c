"""The rules of faces, with the calibration of the default embedder."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.agencies import SubjectId
from proto.facereader import Doubt, Embedder
from services.matching.deciding import (
    Candidate,
    Decided,
    Face,
    Likeness,
    Rules,
    candidates,
    faces_decided,
    reasons,
    summary,
)

ANN, BEN, CAT, DAN = map(SubjectId, (1, 2, 3, 4))

EMBEDDER = Embedder(
    version="v1", dimensions=128, midpoint=0.905, slope=math.log(0.85 / 0.15) / 0.025
)
RULES = Rules.of(0.85, EMBEDDER)

SURE, DOUBTFUL, STRANGE = 0.97, 0.92, 0.82


def face(*found: tuple[SubjectId, float], doubts: tuple[Doubt, ...] = (), number: int = 0) -> Face:
    likenesses = tuple(Likeness(subject, cosine) for subject, cosine in found)
    return Face(number, frozenset(doubts), likenesses)


def decided(*found: tuple[SubjectId, float], doubts: tuple[Doubt, ...] = ()) -> Decided:
    (only,) = faces_decided([face(*found, doubts=doubts)], RULES)
    return only


def test_the_calibration_is_that_of_the_card() -> None:
    assert RULES.score(0.93) == 0.85
    assert RULES.score(0.905) == 0.5
    assert RULES.score(-1.0) == 0.0
    assert RULES.score(1.0) > 0.998


@pytest.mark.parametrize(
    ("found", "doubts", "state", "why"),
    [
        # clear of everybody else
        (((ANN, SURE), (BEN, STRANGE)), (), "matched", ()),
        # exactly at the threshold, and exactly clear
        (((ANN, 0.93), (BEN, 0.91)), (), "matched", ()),
        # the only subject there is
        (((ANN, 0.93),), (), "matched", ()),
        # just not clear: sisters
        (((ANN, 0.97), (BEN, 0.95003)), (), "needs_review", ("low_margin",)),
        # nobody can tell twins
        (((ANN, 0.97), (BEN, 0.97)), (), "needs_review", ("low_margin",)),
        # too few pixels to be sure of anybody
        (((ANN, SURE), (BEN, STRANGE)), ("small_face",), "needs_review", ("small_face",)),
        # doubts ask for twice the distance
        (((ANN, 0.95), (BEN, 0.92)), ("blurred",), "needs_review", ("poor_quality",)),
        (((ANN, 0.97), (BEN, 0.93)), ("blurred", "cut"), "matched", ()),
        # everything at once
        (
            ((ANN, 0.96), (BEN, 0.95)),
            ("small_face", "turned_away"),
            "needs_review",
            ("low_margin", "small_face", "poor_quality"),
        ),
        # below the threshold, but ahead of everybody
        (((ANN, DOUBTFUL), (BEN, STRANGE)), (), "needs_review", ("low_score",)),
        (((ANN, 0.906), (BEN, 0.89)), (), "needs_review", ("low_score",)),
        # below it and one of many
        (((ANN, 0.91), (BEN, 0.909)), (), "unmatched", ()),
        # high enough to be looked at whoever else is near
        (((ANN, 0.92), (BEN, 0.9199)), (), "needs_review", ("low_score",)),
        # a stranger
        (((ANN, 0.90), (BEN, 0.70)), (), "unmatched", ()),
        # nobody to compare with
        ((), (), "unmatched", ()),
    ],
)
def test_a_face_is_decided_on(
    found: tuple[tuple[SubjectId, float], ...],
    doubts: tuple[Doubt, ...],
    state: str,
    why: tuple[str, ...],
) -> None:
    told = decided(*found, doubts=doubts)
    assert (told.state, told.reasons) == (state, why)
    assert told.subject == (ANN if state == "matched" else None)
    assert told.best == (ANN if found else None)


def test_thresholds_are_those_of_the_match() -> None:
    strict, lax = (Rules.of(threshold, EMBEDDER) for threshold in (0.99, 0.5))
    (high,) = faces_decided([face((ANN, SURE), (BEN, 0.8))], strict)
    assert (high.state, high.reasons) == ("needs_review", ("low_score",))
    (low,) = faces_decided([face((ANN, 0.906), (BEN, 0.8))], lax)
    assert low.state == "matched"


def test_the_distance_is_one_of_odds_and_not_of_cosines() -> None:
    # an embedder whose strangers are at 0 and whose friends are at 0.6
    wide = Rules(threshold=0.85, midpoint=0.35, slope=10.0)
    (near,) = faces_decided([face((ANN, 0.6), (BEN, 0.55))], wide)
    (clear,) = faces_decided([face((ANN, 0.6), (BEN, 0.4))], wide)
    assert (near.state, near.reasons) == ("needs_review", ("low_margin",))
    assert clear.state == "matched"


def test_candidates_tell_how_far_they_are_apart() -> None:
    found = [Likeness(ANN, 0.97), Likeness(BEN, 0.94), Likeness(CAT, 0.9), Likeness(DAN, 0.8)]
    told = candidates(found, RULES)
    assert [each.subject for each in told] == [ANN, BEN, CAT]
    assert [each.margin for each in told] == [0.03, -0.03, -0.07]
    assert [each.score for each in told] == [RULES.score(each.cosine) for each in found[:3]]
    assert candidates(found[:1], RULES) == (Candidate(ANN, RULES.score(0.97), 1.0),)


def test_a_subject_is_only_one_face_of_a_photograph() -> None:
    faces = [
        face((ANN, 0.95), (BEN, 0.8), number=0),
        face((ANN, 0.98), (BEN, 0.8), number=1),
        face((BEN, 0.96), (ANN, 0.8), number=2),
        face((ANN, DOUBTFUL), (BEN, 0.8), number=3),
        face((ANN, 0.85), (BEN, 0.8), number=4),
    ]
    told = faces_decided(faces, RULES)
    assert [(each.state, each.reasons) for each in told] == [
        ("needs_review", ("same_subject_twice",)),
        ("matched", ()),
        ("matched", ()),
        ("needs_review", ("low_score", "same_subject_twice")),
        ("unmatched", ()),
    ]


def test_who_is_matched_keeps_the_subject_before_who_is_nearer_in_doubt() -> None:
    faces = [
        face((ANN, 0.99), (BEN, 0.98), number=0),
        face((ANN, 0.95), (BEN, 0.8), number=1),
    ]
    first, second = faces_decided(faces, RULES)
    assert first.reasons == ("low_margin", "same_subject_twice")
    assert (second.state, second.subject) == ("matched", ANN)


def test_of_equal_faces_the_larger_keeps_the_subject() -> None:
    faces = [face((ANN, 0.96), number=number) for number in range(3)]
    assert [each.state for each in faces_decided(faces, RULES)] == [
        "matched",
        "needs_review",
        "needs_review",
    ]


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ((), "unmatched"),
        (("unmatched",), "unmatched"),
        (("matched", "unmatched"), "matched"),
        (("matched", "needs_review", "unmatched"), "needs_review"),
    ],
)
def test_a_photograph_is_as_its_faces_are(states: tuple[str, ...], state: str) -> None:
    assert summary([(number, each, ()) for number, each in enumerate(states)]) == state  # type: ignore[misc]


def test_a_photograph_has_the_reasons_of_its_faces() -> None:
    assert reasons([]) == ["no_face"]
    assert reasons([(0, "matched", ())]) == []
    assert reasons([(0, "needs_review", ("low_score",)), (1, "matched", ())]) == [
        "several_faces",
        "low_score",
    ]
    assert reasons([(-1, "needs_review", ("no_face", "card_only"))]) == ["no_face", "card_only"]


cosines = st.floats(min_value=-1.0, max_value=1.0).map(lambda value: round(value, 5))


@st.composite
def any_face(draw: st.DrawFn) -> Face:
    found = draw(
        st.lists(st.tuples(st.integers(1, 6), cosines), unique_by=lambda pair: pair[0], max_size=3)
    )
    found.sort(key=lambda pair: (-pair[1], pair[0]))
    doubts: list[Doubt] = draw(
        st.lists(st.sampled_from(["small_face", "blurred", "cut"]), unique=True)
    )
    return face(*((SubjectId(each), cosine) for each, cosine in found), doubts=tuple(doubts))


@given(any_face(), st.floats(0.5, 0.99), st.floats(0.5, 0.99))
def test_a_lower_threshold_never_takes_a_match_away(one: Face, first: float, second: float) -> None:
    low, high = sorted((first, second))
    (strict,) = faces_decided([one], Rules.of(high, EMBEDDER))
    (lax,) = faces_decided([one], Rules.of(low, EMBEDDER))
    if strict.state == "matched":
        assert lax == strict


@given(any_face())
def test_a_doubt_never_makes_a_match(one: Face) -> None:
    (doubted,) = faces_decided([one], RULES)
    (sure,) = faces_decided([Face(0, frozenset(), one.found)], RULES)
    if doubted.state == "matched":
        assert sure.state == "matched"


@given(st.lists(any_face(), max_size=6), st.floats(0.5, 0.99))
def test_whatever_is_seen_what_is_said_makes_sense(seen: list[Face], threshold: float) -> None:
    numbered = [Face(number, each.doubts, each.found) for number, each in enumerate(seen)]
    rules = Rules.of(threshold, EMBEDDER)
    told = faces_decided(numbered, rules)
    assert [each.number for each in told] == list(range(len(seen)))
    given_to = [each.subject for each in told if each.subject is not None]
    assert len(set(given_to)) == len(given_to)
    for each in told:
        assert (each.subject is not None) == (each.state == "matched")
        assert (each.state == "needs_review") == bool(each.reasons)
        if each.state == "matched":
            assert each.candidates[0].score >= threshold
            assert each.candidates[0].margin > 0


@pytest.mark.parametrize(
    ("outside", "state", "margin"),
    [
        (STRANGE, "matched", SURE - STRANGE),
        (SURE - 0.01, "needs_review", 0.01),
        (SURE, "needs_review", 0.0),
        (0.99, "needs_review", SURE - 0.99),
    ],
)
def test_whom_the_match_is_not_about_is_a_rival(outside: float, state: str, margin: float) -> None:
    seen = Face(0, frozenset(), (Likeness(ANN, SURE),), Likeness(BEN, outside))
    (only,) = faces_decided([seen], RULES)
    assert (only.state, [each.subject for each in only.candidates]) == (state, [ANN])
    assert only.candidates[0].margin == pytest.approx(margin)
    assert only.reasons == (() if state == "matched" else ("low_margin",))
    assert only.is_nearest is (margin > 0)
