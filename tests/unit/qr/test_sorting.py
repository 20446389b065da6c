"""The rules of sorting, each with what it does and what it leaves alone."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.qr.frames import Frame, Order
from services.qr.payload import CardContent, Flaw, Kind, Unreadable
from services.qr.sorting import CardStands, Options, Reason, Sorted, Subject, sort
from tests.unit.qr.sequences import (
    CARD_LAST,
    FORGED,
    JOB,
    LINK,
    OTHER_JOB,
    SENT,
    THEIRS,
    UNREAD,
    card,
    files,
    photographs,
    reasons,
    shoot,
    told,
)


def test_photographs_belong_to_the_card_before_them() -> None:
    result = sort(shoot(card("an"), "1", "2", card("binh"), "3"), SENT)

    assert photographs(result) == {"an": ["1", "2"], "binh": ["3"]}
    assert [files(found.cards) for found in result.assignments] == [["card0"], ["card3"]]
    assert result.reports == []


def test_with_the_card_last_they_belong_to_the_card_behind_them() -> None:
    result = sort(shoot("1", "2", card("an"), "3", card("binh")), CARD_LAST)

    assert photographs(result) == {"an": ["1", "2"], "binh": ["3"]}
    assert result.reports == []


def test_photographs_before_the_first_card_are_nobodys() -> None:
    result = sort(shoot("1", "2", card("an"), "3"), SENT)

    assert photographs(result) == {"an": ["3"]}
    (report,) = result.reports
    assert (report.reason, files(report.frames)) == (Reason.BEFORE_FIRST_CARD, ["1", "2"])


def test_with_the_card_last_photographs_behind_it_are_nobodys() -> None:
    result = sort(shoot("1", card("an"), "2", "3"), CARD_LAST)

    assert photographs(result) == {"an": ["1"]}
    (report,) = result.reports
    assert (report.reason, files(report.frames)) == (Reason.AFTER_LAST_CARD, ["2", "3"])


def test_without_any_card_everything_is_nobodys() -> None:
    assert reasons(sort(shoot("1", "2"), SENT)) == [Reason.BEFORE_FIRST_CARD]
    assert reasons(sort(shoot("1", "2"), CARD_LAST)) == [Reason.AFTER_LAST_CARD]
    assert sort([], SENT) == Sorted([], [])


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        (FORGED, Reason.UNREADABLE_CARD),
        (LINK, Reason.UNREADABLE_CARD),
        (THEIRS, Reason.FOREIGN_CARD),
        (card("chi", job=OTHER_JOB), Reason.FOREIGN_CARD),
    ],
)
def test_what_follows_a_card_that_does_not_count_is_not_given_to_whoever_came_before(
    shown: CardContent | Unreadable, reason: Reason
) -> None:
    result = sort(shoot(card("an"), "1", shown, "2", "3", card("binh"), "4"), SENT)

    assert photographs(result) == {"an": ["1"], "binh": ["4"]}
    (report,) = result.reports
    assert (report.reason, files(report.frames)) == (reason, ["card2", "2", "3"])


def test_with_the_card_last_it_is_what_comes_before_it_that_is_nobodys() -> None:
    result = sort(shoot("1", card("an"), "2", "3", FORGED, "4", card("binh")), CARD_LAST)

    assert photographs(result) == {"an": ["1"], "binh": ["4"]}
    (report,) = result.reports
    assert (report.reason, files(report.frames)) == (Reason.UNREADABLE_CARD, ["card4", "2", "3"])


@pytest.mark.parametrize(("has_face", "whose"), [(True, ["1", "shirt", "2"]), (False, ["1"])])
def test_another_symbol_beside_a_face_is_on_a_shirt(has_face: bool, whose: list[str]) -> None:
    shirt = Frame("shirt", cards=(LINK,), has_face=has_face)
    result = sort([*shoot(card("an"), "1"), shirt, Frame("2")], SENT)

    assert photographs(result) == {"an": whose}
    assert reasons(result) == ([] if has_face else [Reason.UNREADABLE_CARD])


def test_a_forged_card_beside_a_face_is_a_card_all_the_same() -> None:
    held = Frame("held", cards=(FORGED,), has_face=True)
    result = sort([*shoot(card("an"), "1"), held, Frame("2")], SENT)

    assert photographs(result) == {"an": ["1"]}


def test_a_good_card_counts_whatever_is_beside_it() -> None:
    frames = shoot((card("an"), LINK), "1", (card("binh"), FORGED, card("x", job=OTHER_JOB)), "2")
    result = sort(frames, SENT)

    assert photographs(result) == {"an": ["1"], "binh": ["2"]}
    assert [(report.reason, files(report.frames)) for report in result.reports] == [
        (Reason.FOREIGN_CARD, ["card2"]),
        (Reason.UNREADABLE_CARD, ["card2"]),
    ]


def test_several_cards_in_a_frame_are_siblings() -> None:
    result = sort(shoot((card("binh"), card("an")), "1", "2", card("chi"), "3"), SENT)

    assert photographs(result) == {"an": ["1", "2"], "binh": ["1", "2"], "chi": ["3"]}
    (report,) = result.reports
    assert report.reason is Reason.SEVERAL_CARDS
    assert [subject.id for subject in report.subjects] == ["an", "binh"]


@pytest.mark.parametrize("count", [5, 6])
def test_siblings_are_five_at_most(count: int) -> None:
    family = tuple(card(str(number)) for number in range(count))
    result = sort(shoot(family, "a"), SENT)

    if count == 5:
        assert photographs(result) == {str(number): ["a"] for number in range(5)}
        assert reasons(result) == [Reason.SEVERAL_CARDS]
    else:
        assert result.assignments == []
        assert reasons(result) == [Reason.TOO_MANY_CARDS]


def test_one_card_twice_in_a_frame_is_no_sibling() -> None:
    result = sort(shoot((card("an"), card("an")), "1"), SENT)

    assert photographs(result) == {"an": ["1"]}
    assert result.reports == []


def test_a_card_photographed_twice_in_a_row_is_one() -> None:
    for options, shots in (
        (SENT, (card("an"), card("an"), "1")),
        (CARD_LAST, ("1", card("an"), card("an"))),
    ):
        result = sort(shoot(*shots), options)

        assert photographs(result) == {"an": ["1"]}
        assert len(result.assignments[0].cards) == 2
        assert result.reports == []


def test_somebody_photographed_again_gets_both_sequences_and_it_is_told() -> None:
    result = sort(shoot(card("an"), "1", card("binh"), "2", card("an"), "3"), SENT)

    assert photographs(result) == {"an": ["1", "3"], "binh": ["2"]}
    (report,) = result.reports
    assert (report.reason, files(report.frames)) == (Reason.SUBJECT_AGAIN, ["card4"])
    assert report.subjects == (Subject(Kind.SUBJECT, "an"),)


def test_the_same_card_after_its_own_photographs_is_again_too() -> None:
    result = sort(shoot(card("an"), "1", card("an"), "2"), SENT)

    assert photographs(result) == {"an": ["1", "2"]}
    assert reasons(result) == [Reason.SUBJECT_AGAIN]


def test_with_the_card_last_the_later_card_is_the_one_that_came_again() -> None:
    result = sort(shoot("1", card("an"), "2", card("binh"), "3", card("an")), CARD_LAST)

    assert photographs(result) == {"an": ["1", "3"], "binh": ["2"]}
    assert files(told(result, Reason.SUBJECT_AGAIN)[0].frames) == ["card5"]


def test_a_card_without_photographs_is_told() -> None:
    result = sort(shoot(card("an"), card("binh"), "1", card("chi")), SENT)

    assert photographs(result) == {"an": [], "binh": ["1"], "chi": []}
    empty = told(result, Reason.EMPTY_SEQUENCE)
    assert [report.subjects[0].id for report in empty] == ["an", "chi"]
    assert len(result.reports) == 2


def test_an_id_that_the_roster_does_not_have_is_told_and_assigned() -> None:
    roster = Options(job=JOB, order=Order.SENT, roster=frozenset({"an"}))
    result = sort(shoot(card("an"), "1", card("binh"), "2"), roster)

    assert photographs(result) == {"an": ["1"], "binh": ["2"]}
    (report,) = result.reports
    assert (report.reason, report.subjects[0].id) == (Reason.UNKNOWN_ID, "binh")


def test_groups_and_extra_cards_need_no_roster() -> None:
    roster = Options(job=JOB, order=Order.SENT, roster=frozenset())
    frames = shoot(card("5A", Kind.GROUP), "1", card("Extra 1", Kind.EXTRA), "2")
    result = sort(frames, roster)

    assert [found.subject for found in result.assignments] == [
        Subject(Kind.GROUP, "5A"),
        Subject(Kind.EXTRA, "Extra 1"),
    ]
    assert photographs(result) == {"5A": ["1"], "Extra 1": ["2"]}
    assert result.reports == []


def test_a_group_and_a_subject_of_one_name_are_two() -> None:
    result = sort(shoot(card("5A", Kind.GROUP), "1", card("5A"), "2"), SENT)

    assert [files(found.frames) for found in result.assignments] == [["1"], ["2"]]
    assert result.reports == []


@pytest.mark.parametrize(("has_face", "expected"), [(False, 1), (True, 0), (None, 0)])
def test_a_frame_with_neither_face_nor_symbol_is_told_and_stays(
    has_face: bool | None, expected: int
) -> None:
    frames = [*shoot(card("an"), "1"), Frame("floor", has_face=has_face), Frame("2")]
    result = sort(frames, SENT)

    assert photographs(result) == {"an": ["1", "floor", "2"]}
    reports = told(result, Reason.NOTHING_SEEN)
    assert len(reports) == expected
    assert all(files(report.frames) == ["floor"] for report in reports)


def test_a_file_that_could_not_be_read_ends_the_sequence() -> None:
    before, after = shoot(card("an"), "1"), shoot("2", card("binh"), "3")
    result = sort([*before, UNREAD, *after], SENT)

    assert photographs(result) == {"an": ["1"], "binh": ["3"]}
    (report,) = told(result, Reason.UNREADABLE_FILE)
    assert files(report.frames) == ["unread", "2"]


def test_where_cards_come_last_it_begins_no_sequence_of_anybody() -> None:
    before, after = shoot("1", "2"), shoot("3", card("an"), "4", card("binh"))
    result = sort([*before, UNREAD, *after], CARD_LAST)

    assert photographs(result) == {"an": ["3"], "binh": ["4"]}
    (report,) = told(result, Reason.UNREADABLE_FILE)
    assert files(report.frames) == ["unread", "1", "2"]


SHOTS = st.one_of(
    st.just(()),
    st.lists(
        st.one_of(
            st.builds(card, st.sampled_from("abcdefg"), st.sampled_from(Kind)),
            st.builds(card, st.sampled_from("ab"), job=st.just(OTHER_JOB)),
            st.builds(Unreadable, st.sampled_from(Flaw)),
        ),
        max_size=7,
    ).map(tuple),
)
FRAMES = st.lists(
    st.builds(
        Frame,
        st.from_regex(r"(IMG_|DSC0)?[0-9]{1,4}(\.jpg)?", fullmatch=True),
        st.none() | st.datetimes(),
        st.sampled_from([None, "A", "B"]),
        SHOTS,
        st.sampled_from([None, True, False]),
        camera_is_certain=st.booleans(),
    )
    | st.builds(Frame, st.from_regex(r"(IMG_)?[0-9]{1,4}", fullmatch=True), unread=st.just(True)),
    max_size=25,
)
LOST = {
    Reason.BEFORE_FIRST_CARD,
    Reason.AFTER_LAST_CARD,
    Reason.UNREADABLE_CARD,
    Reason.UNREADABLE_FILE,
    Reason.FOREIGN_CARD,
    Reason.TOO_MANY_CARDS,
}


@given(FRAMES, st.sampled_from(Order), st.sampled_from(CardStands), st.booleans())
def test_every_frame_is_somebodys_or_told(
    frames: list[Frame], order: Order, stands: CardStands, apart: bool
) -> None:
    frames = [replace(f, file=f"{number}/{f.file}") for number, f in enumerate(frames)]
    result = sort(frames, Options(JOB, order, stands, cameras_apart=apart))

    assigned: Counter[Frame] = Counter()
    for found in result.assignments:
        mine = Counter([*found.cards, *found.frames])
        assert set(mine.values()) <= {1}
        assigned |= mine
    lost = {frame for report in result.reports if report.reason in LOST for frame in report.frames}
    assert assigned.keys() | lost == set(frames)
    # only a frame with a good card and another that is none is in both
    assert all(len(frame.cards) > 1 for frame in assigned.keys() & lost)
