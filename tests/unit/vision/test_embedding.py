"""Where chips lie and how they are cut; what networks make of them is shown with the models."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vision.embedding import SIDE, aligned, chip, part_outside
from vision.geometry import Affine, Landmarks, Point, Points
from vision.tiles import Halves

TEMPLATE = np.array([(45.4, 46.9), (101.6, 46.6), (72.9, 78.8), (73.5, 106.1)])
EARS = np.array([(10.0, 60.0), (140.0, 60.0)])

CHIP_MIDDLE = Point(SIDE / 2, SIDE / 2)


def face(place: Affine, template: Points = TEMPLATE) -> Landmarks:
    """A face whose chip lies at `place`."""
    return Landmarks.from_points(place.apply(np.vstack((template, EARS))))


@settings(deadline=None)
@given(
    scale=st.floats(0.01, 50),
    degrees=st.floats(-180, 180),
    x=st.floats(-1000, 20_000),
    y=st.floats(-1000, 20_000),
)
def test_a_face_that_fits_the_template_is_placed_exactly(
    scale: float, degrees: float, x: float, y: float
) -> None:
    place = Affine.similarity(scale, degrees, CHIP_MIDDLE, Point(x, y))
    found = aligned(face(place), TEMPLATE)
    assert found.matrix() == pytest.approx(place.matrix(), rel=1e-6, abs=1e-6)


@settings(deadline=None)
@given(
    moves=st.lists(st.floats(-6, 6), min_size=8, max_size=8),
    scale=st.floats(0.97, 1.03),
    degrees=st.floats(-2, 2),
    x=st.floats(-2, 2),
    y=st.floats(-2, 2),
)
def test_no_other_place_brings_the_landmarks_nearer_to_the_template(
    moves: list[float], scale: float, degrees: float, x: float, y: float
) -> None:
    seen = face(
        Affine.similarity(2.0, 30, CHIP_MIDDLE, Point(500, 400)),
        TEMPLATE + np.reshape(moves, (4, 2)),
    )
    points = seen.to_points()[:4]

    def off(to_chip: Affine) -> float:
        return float(np.square(to_chip.apply(points) - TEMPLATE).sum())

    best = aligned(seen, TEMPLATE).inverse()
    other = Affine.similarity(
        scale, degrees, CHIP_MIDDLE, Point(CHIP_MIDDLE.x + x, CHIP_MIDDLE.y + y)
    ).after(best)
    assert off(best) <= off(other) + 1e-6


def test_ears_do_not_count() -> None:
    place = Affine.similarity(2.0, 10, CHIP_MIDDLE, Point(500, 400))
    points = face(place).to_points()
    points[4:] += 300
    found = aligned(Landmarks.from_points(points), TEMPLATE)
    assert found.matrix() == pytest.approx(place.matrix())


@pytest.mark.parametrize(
    "points",
    [
        np.full((6, 2), 70.0),
        np.zeros((6, 2)),
        np.array([(101.6, 46.6), (45.4, 46.9), (72.9, 78.8), (73.5, 20.0), (0, 0), (0, 0)]),
        np.full((6, 2), 1e30),
    ],
    ids=["one place", "origin", "no order", "far away"],
)
def test_landmarks_of_no_face_give_a_chip_all_the_same(points: Points) -> None:
    place = aligned(Landmarks.from_points(points), TEMPLATE)
    assert np.isfinite(place.matrix()).all()
    assert chip(Halves(np.full((60, 80, 3), 9, np.uint8)), place).shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize("scale", [0.4, 1.0, 1.9, 3.0, 11.0])
@pytest.mark.parametrize("degrees", [0, 25, -140])
def test_landmarks_lie_in_the_chip_where_the_template_has_them(scale: float, degrees: int) -> None:
    place = Affine.similarity(scale, degrees, CHIP_MIDDLE, Point(900, 1000))
    seen = face(place)
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
    picture = np.zeros((2000, 1800, 3), np.uint8)
    for (x, y), colour in zip(seen.to_points()[:4], colours, strict=True):
        centre = (round(float(x) * 16 - 8), round(float(y) * 16 - 8))
        cv2.circle(picture, centre, math.ceil(4 * scale * 16), colour, -1, cv2.LINE_AA, 4)

    cut = chip(Halves(picture), aligned(seen, TEMPLATE)).astype(int)

    for (x, y), colour in zip(TEMPLATE, colours, strict=True):
        like = np.abs(cut - colour).max(axis=2) < 128
        rows, columns = np.nonzero(like)
        assert columns.mean() + 0.5 == pytest.approx(x, abs=0.7)
        assert rows.mean() + 0.5 == pytest.approx(y, abs=0.7)


def test_what_lies_outside_the_picture_is_black() -> None:
    place = Affine.similarity(1.0, 0, Point(0, 0), Point(-75, -30))
    cut = chip(Halves(np.full((300, 300, 3), 200, np.uint8)), place)
    assert (cut[32:, 77:] == 200).all()
    assert (cut[:, :73] == 0).all()
    assert (cut[:28] == 0).all()


def test_reducing_averages_instead_of_skipping() -> None:
    stripes = np.zeros((1600, 1600, 3), np.uint8)
    stripes[:, ::2] = 255
    place = Affine.similarity(8.0, 0, Point(0, 0), Point(100, 100))
    assert np.abs(chip(Halves(stripes), place).astype(int) - 127).max() <= 2


@pytest.mark.parametrize(
    ("centre", "degrees", "part"),
    [
        ((500, 400), 0, 0.0),
        ((500, 400), 45, 0.0),
        ((0, 400), 0, 0.5),
        ((0, 400), 90, 0.5),
        ((1000, 800), 0, 0.75),
        ((75, 400), 0, 0.25),
        ((-500, 400), 0, 1.0),
        ((500, 2000), 30, 1.0),
    ],
)
def test_how_much_of_a_chip_lies_outside(
    centre: tuple[float, float], degrees: float, part: float
) -> None:
    place = Affine.similarity(2.0, degrees, CHIP_MIDDLE, Point(*centre))
    assert part_outside(place, 1000, 800) == pytest.approx(part, abs=0.01)


def test_a_chip_without_size_lies_outside() -> None:
    nowhere = Affine.similarity(0.0, 0, CHIP_MIDDLE, Point(10, 10))
    assert part_outside(nowhere, 100, 100) == 1.0
