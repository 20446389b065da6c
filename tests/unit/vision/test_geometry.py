import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.geometry import Affine, Box, Landmarks, Point

LEVEL = Landmarks(
    right_eye=Point(40, 40),
    left_eye=Point(80, 40),
    nose=Point(60, 60),
    mouth=Point(60, 80),
    right_ear=Point(25, 45),
    left_ear=Point(95, 45),
)


@pytest.mark.parametrize(
    ("one", "other", "iou", "containment"),
    [
        (Box(0, 0, 10, 10), Box(0, 0, 10, 10), 1, 1),
        (Box(0, 0, 10, 10), Box(10, 0, 10, 10), 0, 0),
        (Box(0, 0, 10, 10), Box(5, 0, 10, 10), 1 / 3, 1 / 2),
        (Box(0, 0, 10, 10), Box(2, 2, 5, 5), 1 / 4, 1),
        (Box(-5, -5, 10, 10), Box(0, 0, 5, 5), 1 / 4, 1),
        (Box(0, 0, 0, 0), Box(0, 0, 0, 0), 0, 0),
    ],
)
def test_how_boxes_overlap(one: Box, other: Box, iou: float, containment: float) -> None:
    assert one.iou(other) == other.iou(one) == pytest.approx(iou)
    assert one.containment(other) == other.containment(one) == pytest.approx(containment)


@pytest.mark.parametrize(
    ("box", "clipped"),
    [
        (Box(10, 10, 20, 20), Box(10, 10, 20, 20)),
        (Box(-10, 90, 30, 30), Box(0, 90, 20, 10)),
        (Box(-10, -10, 300, 300), Box(0, 0, 100, 100)),
        (Box(-30, 10, 20, 20), Box(0, 10, 0, 20)),
        (Box(130, 10, 20, 20), Box(100, 10, 0, 20)),
    ],
)
def test_clipping_keeps_what_lies_in_the_picture(box: Box, clipped: Box) -> None:
    assert box.clipped(100, 100) == clipped


def test_a_box_about_a_centre() -> None:
    box = Box.around(Point(50, 40), 20, 10)

    assert box == Box(40, 35, 20, 10)
    assert (box.right, box.bottom, box.area, box.centre) == (60, 45, 200, Point(50, 40))
    assert box.scaled(2, 3) == Box(80, 105, 40, 30)


@pytest.mark.parametrize("degrees", [-170, -90, -20, 0, 15, 90, 135, 180])
def test_roll_is_the_clockwise_tilt_of_the_eyes(degrees: float) -> None:
    turn = Affine.similarity(1.5, degrees, Point(60, 60), Point(200, 100))

    tilted = Landmarks.from_points(turn.apply(LEVEL.to_points()))

    assert math.cos(math.radians(tilted.roll - degrees)) == pytest.approx(1)
    if 0 < degrees < 90:
        assert tilted.left_eye.y > tilted.right_eye.y, "the eye on the right of the picture sinks"


def test_landmarks_survive_the_way_through_rows() -> None:
    assert Landmarks.from_points(LEVEL.to_points()) == LEVEL
    assert LEVEL.eye_centre == Point(60, 40)
    assert LEVEL.scaled(2, 0.5).mouth == Point(120, 40)


NUMBERS = st.floats(-500, 500)


@given(
    scale=st.floats(0.01, 50),
    degrees=st.floats(-360, 360),
    x=NUMBERS,
    y=NUMBERS,
    u=NUMBERS,
    v=NUMBERS,
)
def test_a_similarity_has_an_inverse_and_keeps_its_promise(
    scale: float, degrees: float, x: float, y: float, u: float, v: float
) -> None:
    turn = Affine.similarity(scale, degrees, Point(x, y), Point(u, v))
    points = np.array([(x, y), (3.0, -8.0), (120.0, 70.0)])

    there = turn.apply(points)

    assert there[0] == pytest.approx((u, v), abs=1e-6)
    assert turn.scale == pytest.approx(scale)
    assert np.allclose(turn.inverse().apply(there), points, atol=1e-6)
    assert np.allclose(turn.inverse().after(turn).apply(points), points, atol=1e-6)


def test_one_map_after_another() -> None:
    first = Affine.scale_and_move(2, 3, 5, 7)
    second = Affine.similarity(1, 90, Point(0, 0), Point(0, 0))

    assert second.after(first).apply(np.array([[1.0, 1.0]]))[0] == pytest.approx((-10, 7))


def test_opencv_counts_from_the_middle_of_a_pixel() -> None:
    double = Affine.scale_and_move(2, 2, 0, 0).opencv_matrix()

    assert double @ (0, 0, 1) == pytest.approx((0.5, 0.5))
