"""What is left of a face, and of what was there before a decision, without somebody."""

import copy
from typing import Any

import pytest

from services.matching.scrubbing import face_without, image_without

GONE, SECOND, THIRD = 1, 2, 3
THRESHOLD = 0.85


def candidates(*given: tuple[int, float, float]) -> list[dict[str, Any]]:
    return [{"subject": each, "score": score, "margin": margin} for each, score, margin in given]


THREE = candidates((GONE, 0.97, 0.05), (SECOND, 0.91, -0.05), (THIRD, 0.80, -0.15))


def face(state: str, subject: int | None, found: list[dict[str, Any]]) -> dict[str, Any]:
    own = [each for each in found if each["subject"] == subject] or [{}]
    return {
        "number": 0,
        "state": state,
        "subject_id": subject,
        "score": own[0].get("score"),
        "margin": own[0].get("margin"),
        "candidates": found,
        "reasons": ["low_score"],
        "reviewed": False,
    }


def test_a_face_that_was_somebodys_is_nobodys() -> None:
    left = face_without(face("matched", GONE, THREE), GONE, THRESHOLD)
    assert (left["state"], left["subject_id"], left["score"], left["margin"]) == (
        "unmatched",
        None,
        None,
        None,
    )
    assert left["reasons"] == ["low_score", "subject_erased"]
    assert left["candidates"] == candidates((SECOND, 0.91, 0.1), (THIRD, 0.80, -0.1))


@pytest.mark.parametrize(("score", "state"), [(0.85, "needs_review"), (0.8499, "unmatched")])
def test_a_person_is_asked_while_the_next_one_is_good_enough(score: float, state: str) -> None:
    found = candidates((GONE, 0.97, 0.01), (SECOND, score, -0.01))
    left = face_without(face("needs_review", None, found), GONE, THRESHOLD)
    assert (left["state"], left["reasons"]) == (state, ["low_score", "subject_erased"])
    # how far the one after is behind is not known
    assert left["candidates"] == candidates((SECOND, score, 0.0))


def test_nobody_is_asked_where_nobody_is_left() -> None:
    found = candidates((GONE, 0.97, 0.4))
    left = face_without(face("needs_review", None, found), GONE, THRESHOLD)
    assert (left["state"], left["candidates"]) == ("unmatched", [])


def test_who_came_second_is_only_left_out() -> None:
    before = face("matched", GONE, THREE)
    left = face_without(before, SECOND, THRESHOLD)
    assert (left["state"], left["subject_id"], left["reasons"]) == ("matched", GONE, ["low_score"])
    assert left["candidates"] == candidates((GONE, 0.97, 0.15), (THIRD, 0.80, -0.15))
    assert (left["score"], left["margin"]) == (0.97, 0.15)


def test_the_margin_of_one_who_is_left_alone_is_what_is_known_of_it() -> None:
    found = candidates((GONE, 0.97, 0.05), (SECOND, 0.91, -0.05))
    left = face_without(face("matched", GONE, found), SECOND, THRESHOLD)
    assert left["candidates"] == candidates((GONE, 0.97, 0.05))


def test_a_face_given_to_somebody_who_was_no_candidate_is_nobodys() -> None:
    left = face_without(face("matched", 9, THREE), 9, THRESHOLD)
    assert (left["state"], left["subject_id"]) == ("unmatched", None)
    assert left["candidates"] == THREE
    assert left["reasons"] == ["low_score", "subject_erased"]


def test_a_face_given_to_another_stays_theirs() -> None:
    left = face_without(face("matched", SECOND, THREE), GONE, THRESHOLD)
    assert (left["state"], left["subject_id"]) == ("matched", SECOND)
    assert [each["subject"] for each in left["candidates"]] == [SECOND, THIRD]
    assert left["margin"] == left["candidates"][0]["margin"]


def test_margins_that_are_not_in_order_stay() -> None:
    # whom a card names comes first
    found = candidates((SECOND, 0.5, -0.3), (GONE, 0.97, 0.2), (THIRD, 0.6, -0.2))
    left = face_without(face("needs_review", None, found), GONE, THRESHOLD)
    assert left["candidates"] == [found[0], found[2]]
    assert left["state"] == "needs_review"


def test_the_reason_is_told_once() -> None:
    once = face_without(face("matched", GONE, THREE), GONE, THRESHOLD)
    twice = face_without(once, SECOND, THRESHOLD)
    assert twice["reasons"] == ["low_score", "subject_erased"]


def test_nothing_that_was_given_is_changed() -> None:
    given = face("matched", GONE, THREE)
    before = copy.deepcopy(given)
    face_without(given, GONE, THRESHOLD)
    assert given == before


def image(state: str, *faces: dict[str, Any]) -> dict[str, Any]:
    return {"state": state, "reasons": [], "reviewed": False, "faces": list(faces)}


def test_an_image_is_told_without_somebody() -> None:
    others = face("matched", THIRD, candidates((THIRD, 0.97, 0.4)))
    before = image("matched", face("matched", GONE, THREE), others)
    left = image_without(before, GONE, THRESHOLD)
    assert left["faces"] == [face_without(before["faces"][0], GONE, THRESHOLD), others]
    assert (left["state"], left["reasons"]) == ("matched", ["subject_erased"])
    alone = image_without(image("matched", before["faces"][0]), GONE, THRESHOLD)
    assert alone["state"] == "unmatched"
    assert [each["subject"] for each in alone["faces"][0]["candidates"]] == [SECOND, THIRD]


def test_an_image_of_others_stays() -> None:
    for before in ({}, image("failed"), image("matched", face("matched", THIRD, []))):
        assert image_without(before, GONE, THRESHOLD) == before


def test_a_failure_stays_one() -> None:
    left = image_without(image("failed", face("matched", GONE, THREE)), GONE, THRESHOLD)
    assert left["state"] == "failed"
