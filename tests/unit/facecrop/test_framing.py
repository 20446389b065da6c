import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.presets import Preset
from services.facecrop.framing import (
    frame,
    head_beyond,
    head_height,
    in_view,
    main_face,
)
from tests.unit.facecrop.faces import LOW, PRESETS, SCHOOL, face
from vision.geometry import Box, Point

EVERY_PRESET = [pytest.param(preset, id=name) for name, preset in PRESETS.items()]
ANGLES = [-170.0, -90.0, -20.0, -3.1, 3.1, 12.0, 45.0, 90.0, 180.0]


@pytest.mark.parametrize("preset", EVERY_PRESET)
def test_with_room_the_head_stands_where_the_preset_says(preset: Preset) -> None:
    placed = frame(face(), preset, 4000, 3000)
    (left, top), _, (right, bottom), _ = placed.corners
    assert not placed.oversized
    assert not placed.padded
    assert (right - left) / (bottom - top) == pytest.approx(preset.aspect[0] / preset.aspect[1])
    assert (1500 - top) / (bottom - top) == pytest.approx(preset.eye_line)
    assert head_height(face()) / (bottom - top) == pytest.approx(preset.head)
    assert (left + right) / 2 == pytest.approx(2000)


@pytest.mark.parametrize("roll", ANGLES)
@pytest.mark.parametrize("preset", EVERY_PRESET)
def test_the_frame_turns_with_a_tilted_head_and_keeps_it_where_the_preset_says(
    preset: Preset, roll: float
) -> None:
    tilted = face(x=4000, y=4000, roll=roll)
    placed = frame(tilted, preset, 8000, 8000)
    assert (placed.oversized, placed.padded) == (False, False)
    right_eye = placed.from_photo(tilted.landmarks.right_eye)
    left_eye = placed.from_photo(tilted.landmarks.left_eye)
    assert right_eye.y == pytest.approx(preset.eye_line * placed.height)
    assert left_eye.y == pytest.approx(right_eye.y)
    assert left_eye.x - right_eye.x == pytest.approx(100)
    assert (left_eye.x + right_eye.x) / 2 == pytest.approx(placed.width / 2)


@pytest.mark.parametrize(("roll", "degrees"), [(2.9, 0.0), (-2.9, 0.0), (3.1, 3.1), (-3.1, -3.1)])
def test_a_head_is_levelled_beyond_three_degrees(roll: float, degrees: float) -> None:
    placed = frame(face(roll=roll), SCHOOL, 4000, 3000)
    assert placed.degrees == pytest.approx(degrees)


@pytest.mark.parametrize("roll", ANGLES)
def test_a_frame_stays_upright_when_it_may_not_be_turned(roll: float) -> None:
    placed = frame(face(roll=roll), SCHOOL, 4000, 3000, auto_rotate=False)
    assert placed.degrees == 0
    assert placed.from_photo(Point(2000, 1500)).y == pytest.approx(0.4 * placed.height)


def test_a_frame_that_just_fits_is_neither_shrunk_nor_padded() -> None:
    height = head_height(face()) / SCHOOL.head
    placed = frame(face(x=height * 0.4 + 1, y=height * 0.4 + 1), SCHOOL, 4000, 3000)
    assert (placed.oversized, placed.padded) == (False, False)


def test_a_tight_photo_shrinks_the_frame_around_the_eyes() -> None:
    height = head_height(face()) / SCHOOL.head
    placed = frame(face(y=height * 0.36), SCHOOL, 4000, 3000)
    assert (placed.oversized, placed.padded) == (True, False)
    assert placed.corners[0][1] == pytest.approx(0)
    assert placed.from_photo(Point(2000, height * 0.36)).y == pytest.approx(0.4 * placed.height)


@given(
    x=st.floats(0, 4000),
    y=st.floats(0, 3000),
    eyes=st.floats(2, 900),
    roll=st.floats(-180, 180),
    name=st.sampled_from(sorted(PRESETS)),
)
def test_a_frame_lies_inside_the_photo_unless_it_says_padded(
    x: float, y: float, eyes: float, roll: float, name: str
) -> None:
    preset = PRESETS[name]
    placed = frame(face(x, y, eyes, eyes, roll), preset, 4000, 3000)
    low, high = placed.corners.min(axis=0), placed.corners.max(axis=0)
    inside = (low >= -1e-6).all() and (high <= np.array((4000, 3000)) + 1e-6).all()
    assert inside or placed.padded
    eye_point = placed.from_photo(Point(x, y))
    assert eye_point.y == pytest.approx(preset.eye_line * placed.height)
    assert eye_point.x == pytest.approx(placed.width / 2)
    assert placed.width / placed.height == pytest.approx(preset.aspect[0] / preset.aspect[1])


def test_a_turned_frame_that_would_leave_the_photo_is_shrunk_until_its_corners_are_inside() -> None:
    upright = frame(face(x=380, y=400), SCHOOL, 4000, 3000)
    turned = frame(face(x=380, y=400, roll=30), SCHOOL, 4000, 3000)
    assert (upright.oversized, turned.oversized, turned.padded) == (False, True, False)
    assert turned.corners.min() == pytest.approx(0)


def test_a_photo_that_is_too_tight_is_padded_and_the_head_kept_whole() -> None:
    placed = frame(face(y=60), SCHOOL, 4000, 3000)
    assert (placed.oversized, placed.padded) == (True, True)
    crown = Point(2000, 60 - head_height(face()) / 2)
    assert placed.from_photo(crown).y / placed.height == pytest.approx(0.06)


def test_where_the_eyes_stand_low_the_chin_is_kept_in_the_frame() -> None:
    placed = frame(face(y=2990), LOW, 4000, 3000)
    assert (placed.oversized, placed.padded) == (True, True)
    chin = Point(2000, 2990 + head_height(face()) / 2)
    assert placed.from_photo(chin).y == pytest.approx(placed.height)


def test_a_face_turned_aside_is_measured_by_its_height() -> None:
    frontal, turned = face(eyes=100, eyes_to_mouth=105), face(eyes=55, eyes_to_mouth=105)
    assert head_height(frontal) == pytest.approx(360)
    assert 0.75 < head_height(turned) / head_height(frontal) < 1


def test_small_differences_of_the_mouth_do_not_move_the_frame() -> None:
    heights = {head_height(face(eyes_to_mouth=length)) for length in (90, 100, 110, 120)}
    assert len(heights) == 1


@pytest.mark.parametrize("roll", ANGLES)
def test_a_tilted_head_is_measured_along_its_tilt(roll: float) -> None:
    assert head_height(face(roll=roll)) == pytest.approx(head_height(face()))


@pytest.mark.parametrize(
    ("x", "y", "roll", "beyond"),
    [
        (2000, 1500, 0, 0.0),
        (2000, 180, 0, 0.0),  # the crown touches the upper edge
        (2000, 90, 0, 0.25),
        (2000, 2910, 0, 0.25),  # the chin
        (135, 1500, 0, 0.0),  # a head is less wide than high
        (45, 1500, 0, 0.25),
        (3955, 1500, 0, 0.25),
        (135, 1500, 90, 0.125),  # lying, it is
        (2000, 135, -90, 0.0),
    ],
)
def test_a_head_reaches_beyond_the_photo_by_what_lies_outside_of_it(
    x: float, y: float, roll: float, beyond: float
) -> None:
    assert head_beyond(face(x, y, roll=roll), 4000, 3000) == pytest.approx(beyond)


def box(x: float, y: float, side: float) -> Box:
    """A square about (x, y)."""
    return Box.around(Point(x, y), side, side)


@pytest.mark.parametrize(
    ("boxes", "chosen"),
    [
        ([box(100, 100, 90)], 0),
        ([box(100, 100, 90), box(500, 500, 80)], 0),  # 0.79 of the area: clearly behind
        ([box(100, 100, 90), box(500, 500, 81)], 1),  # 0.81: as large, and in the middle
        ([box(100, 100, 90), box(700, 500, 85), box(520, 510, 85)], 2),
        ([box(500, 500, 90), box(480, 480, 20)], 0),
    ],
)
def test_the_main_face_is_the_largest_or_of_those_as_large_the_one_in_the_middle(
    boxes: list[Box], chosen: int
) -> None:
    assert main_face(boxes, 1000, 1000) == chosen


def test_faces_are_told_largest_first_by_what_lies_in_the_picture() -> None:
    whole, cut, outside = face(x=500, eyes=60), face(x=0, eyes=80), face(x=-500)
    told = in_view([outside, cut, whole], 1000, 3000, 50)
    assert [seen for seen, _ in told] == [whole, cut]
    assert told[1][1].x == 0
    assert told[1][1].width == pytest.approx(80)


def test_of_a_crowd_the_largest_are_told() -> None:
    crowd = [face(x=10 * eyes, eyes=eyes) for eyes in range(20, 90)]
    told = in_view(crowd, 4000, 3000, 50)
    assert len(told) == 50
    assert told[0][0] is crowd[-1]
