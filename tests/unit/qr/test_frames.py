import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.qr.frames import Frame, Order, in_order

NINE = datetime(2026, 5, 18, 9, tzinfo=UTC)


def named(*files: str) -> list[str]:
    return [frame.file for frame in in_order([Frame(file) for file in files], Order.NAME).frames]


def taken(*shots: tuple[str, float | None]) -> list[Frame]:
    """Frames by name and minutes after nine."""
    return [
        Frame(file, None if minutes is None else NINE + timedelta(minutes=minutes))
        for file, minutes in shots
    ]


def files(frames: list[Frame] | tuple[Frame, ...]) -> list[str]:
    return [frame.file for frame in frames]


def numbered(*numbers: int) -> list[str]:
    return [f"IMG_{number:04}.JPG" for number in numbers]


def test_sent_frames_stay_as_they_came() -> None:
    frames = taken(("b", 2), ("a", None), ("c", 1))
    assert in_order(frames, Order.SENT).frames == frames


@pytest.mark.parametrize(
    "expected",
    [
        ["a1.jpg", "a2.jpg", "a10.jpg"],
        ["IMG_0009.JPG", "IMG_0010.JPG", "img_0011.jpg"],
        ["100CANON/IMG_9998.JPG", "101CANON/IMG_0001.JPG"],
        ["day 2/1.jpg", "day 10/1.jpg"],
        ["1", "007", "8", "9" * 5000, "1" + "0" * 5000],
        ["", "1.jpg", "a.jpg", "é.jpg"],
    ],
)
def test_names_are_ordered_as_people_count(expected: list[str]) -> None:
    shuffled = expected.copy()
    random.Random(3).shuffle(shuffled)
    assert named(*shuffled) == expected
    assert named(*reversed(expected)) == expected


@pytest.mark.parametrize("pattern", ["IMG_{:04}.JPG", "DSC{:05}.ARW", "card/DSC_{:04}-2.jpg"])
def test_a_counter_that_rolled_over_goes_on(pattern: str) -> None:
    expected = [pattern.format(number) for number in (9987, 9998, 9999, 1, 2, 40)]
    assert named(*sorted(expected)) == expected


def test_photographs_that_were_deleted_at_a_roll_over_change_nothing() -> None:
    expected = [f"IMG_{number:04}.JPG" for number in (9930, 9940, 60, 61)]
    assert named(*sorted(expected)) == expected


@pytest.mark.parametrize(
    "numbers",
    [
        (1, 2, 3, 9000),  # far from the end: two shoots on one card
        (200, 300, 9998, 9999),  # far from the beginning
        (*range(1, 10_000, 500), 9999),  # no part of the counter was left out
        (1, 2, 9999, 12_345),  # counts beyond 9999
    ],
)
def test_other_numbers_are_no_roll_over(numbers: tuple[int, ...]) -> None:
    pattern = "DSC{:05}.JPG" if max(numbers) > 9999 else "IMG_{:04}.JPG"
    expected = [pattern.format(number) for number in numbers]
    assert named(*reversed(expected)) == expected


def test_each_way_of_naming_rolls_over_on_its_own() -> None:
    ours, theirs = numbered(9998, 9999, 1), ["DSC_0001.JPG", "DSC_0002.JPG"]
    assert named(*sorted(ours + theirs)) == theirs + ours


def test_frames_are_ordered_by_the_clock_and_then_by_name() -> None:
    frames = taken(("b2", 1), ("b10", 1), ("a", 2), ("z", 0))
    line = in_order(frames, Order.CAPTURED)

    assert files(line.frames) == ["z", "b2", "b10", "a"]
    assert (line.timeless, line.resets) == ((), ())


def test_names_that_say_nothing_about_order_do_not_matter() -> None:
    frames = taken(("zoe.jpg", 1), ("anna.jpg", 3), ("ben.jpg", 2), ("carl.jpg", 0))
    line = in_order(frames, Order.CAPTURED)

    assert files(line.frames) == ["carl.jpg", "zoe.jpg", "ben.jpg", "anna.jpg"]
    assert line.resets == ()


def test_a_frame_without_a_time_follows_the_one_before_it_by_name() -> None:
    frames = taken(("3", 3), ("1", None), ("5", 1), ("4", None), ("2", 5))
    line = in_order(frames, Order.CAPTURED)

    assert files(line.frames) == ["1", "5", "3", "4", "2"]
    assert files(line.timeless) == ["1", "4"]


def test_without_any_time_names_decide() -> None:
    line = in_order([Frame("10"), Frame("9")], Order.CAPTURED)

    assert files(line.frames) == ["9", "10"]
    assert len(line.timeless) == 2


@pytest.mark.parametrize("first", [100, 9997])
def test_a_clock_that_was_reset_while_numbers_went_on_is_found_out(first: int) -> None:
    numbers = [(first + step - 1) % 9999 + 1 for step in range(6)]
    minutes = [0, 1, 2, -500_000, -499_999, -499_998]
    frames = taken(*zip(numbered(*numbers), minutes, strict=True))
    line = in_order(frames[::-1], Order.CAPTURED)

    assert files(line.frames) == numbered(*numbers)
    assert files(line.resets) == numbered(numbers[3])


def test_a_clock_that_was_put_right_afterwards_needs_no_more() -> None:
    frames = taken(*zip(numbered(1, 2, 3, 4, 5), [0, 1, -900, -899, 4], strict=True))
    line = in_order(frames, Order.CAPTURED)

    assert files(line.frames) == numbered(1, 2, 3, 4, 5)
    assert files(line.resets) == numbered(3)


def test_numbers_that_began_anew_are_not_a_clock_that_was_reset() -> None:
    frames = taken(*zip(numbered(200, 201, 1, 2), [0, 1, 60, 61], strict=True))
    line = in_order(frames, Order.CAPTURED)

    assert files(line.frames) == numbered(200, 201, 1, 2)
    assert line.resets == ()


def test_a_second_or_two_is_no_reset() -> None:
    frames = taken(*zip(numbered(1, 2, 3), [1, 1 - 2 / 60, 2], strict=True))
    line = in_order(frames, Order.CAPTURED)

    assert files(line.frames) == numbered(2, 1, 3)
    assert line.resets == ()


def test_a_clock_that_jumps_all_the_time_is_no_reset_but_meaningless_numbers() -> None:
    frames = taken(*zip(numbered(*range(1, 10)), [9, 8, 7, 6, 5, 4, 3, 2, 1], strict=True))
    line = in_order(frames, Order.CAPTURED)

    assert files(line.frames) == numbered(*range(9, 0, -1))
    assert line.resets == ()


@given(
    st.lists(st.builds(Frame, st.text(max_size=12), st.none() | st.datetimes()), max_size=20),
    st.sampled_from(Order),
)
def test_nothing_is_lost_or_doubled_whatever_the_names(frames: list[Frame], order: Order) -> None:
    line = in_order(frames, order)
    assert sorted(map(id, line.frames)) == sorted(map(id, frames))
