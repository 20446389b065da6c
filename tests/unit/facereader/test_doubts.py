import math
from dataclasses import replace

import numpy as np
import pytest

from proto.facereader import Doubt
from services.facereader.doubts import CUT, SMALL_EYES, TURNED, Look, doubts, eye_distance, look
from services.facereader.doubts import turned as turned_by
from vision.faces import Face
from vision.geometry import Affine, Box, Landmarks, Point
from vision.quality import BLURRED, Exposure

GOOD = Look(
    sharpness=0.8,
    exposure=Exposure(mean=0.5, highlight=0.8, dark=0.0, bright=0.0),
    turned=0.1,
    outside=0.0,
)
DARK = Exposure(mean=0.1, highlight=0.2, dark=0.6, bright=0.0)
BURNT = Exposure(mean=0.9, highlight=1.0, dark=0.0, bright=0.5)


def face(nose: float = 0.0, roll: float = 0.0, eyes: float = 100.0) -> Face:
    """A face whose nose is so many eye distances off the middle, its head tilted clockwise."""
    points = [(-0.5, 0), (0.5, 0), (nose, 0.6), (nose / 2, 1.0), (-1, 0), (1, 0)]
    level = np.array(points) * eyes + (400, 300)
    turn = Affine.similarity(1.0, roll, Point(400, 300), Point(400, 300))
    marks = Landmarks.from_points(turn.apply(level))
    return Face(Box.around(Point(400, 340), 2.4 * eyes, 2.4 * eyes), marks, 0.9)


@pytest.mark.parametrize("roll", [0, 30, 90, -170])
@pytest.mark.parametrize("nose", [-0.8, -0.2, 0.0, 0.45])
def test_how_far_a_face_is_turned_does_not_depend_on_its_tilt(nose: float, roll: float) -> None:
    seen = face(nose, roll)
    assert turned_by(seen) == pytest.approx(abs(nose), abs=1e-9)
    assert eye_distance(seen) == pytest.approx(100)


def test_a_face_with_its_eyes_at_one_place_is_turned_away() -> None:
    seen = face(0.0, 0.0, 0.0)
    assert turned_by(seen) == math.inf
    assert "turned_away" in doubts(replace(GOOD, turned=turned_by(seen)), eye_distance(seen))


@pytest.mark.parametrize(
    ("seen", "eyes", "told"),
    [
        (GOOD, SMALL_EYES, []),
        (GOOD, SMALL_EYES - 0.1, ["small_face"]),
        (replace(GOOD, sharpness=BLURRED), 100, []),
        (replace(GOOD, sharpness=BLURRED - 0.01), 100, ["blurred"]),
        (replace(GOOD, exposure=DARK), 100, ["underexposed"]),
        (replace(GOOD, exposure=BURNT), 100, ["overexposed"]),
        (replace(GOOD, turned=TURNED), 100, []),
        (replace(GOOD, turned=TURNED + 0.01), 100, ["turned_away"]),
        (replace(GOOD, outside=CUT), 100, []),
        (replace(GOOD, outside=CUT + 0.01), 100, ["cut"]),
        (
            Look(0.0, DARK, 1.0, 1.0),
            0,
            ["small_face", "blurred", "underexposed", "turned_away", "cut"],
        ),
    ],
)
def test_what_is_said_of_a_face(seen: Look, eyes: float, told: list[Doubt]) -> None:
    assert doubts(seen, eyes) == told


def test_a_face_is_measured_where_it_is() -> None:
    pixels = np.full((600, 800, 3), 128, np.uint8)
    pixels[180:520, 240:560] = np.random.default_rng(1).integers(0, 255, (340, 320, 3))
    seen = look(pixels, face(0.3), Affine.similarity(1.0, 0, Point(0, 0), Point(700, 100)))
    assert seen.sharpness > BLURRED
    assert seen.exposure.mean == pytest.approx(0.5, abs=0.03)
    assert seen.turned == pytest.approx(0.3)
    assert seen.outside == pytest.approx(50 / 150, abs=0.01)


def test_a_face_beyond_the_picture_is_measured_too() -> None:
    away = Affine.similarity(1.0, 0, Point(0, 0), Point(5000, 100))
    seen = look(np.full((60, 80, 3), 128, np.uint8), face(), away)
    assert (seen.sharpness, seen.outside) == (0.0, 1.0)
