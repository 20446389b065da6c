import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.facecrop import IcpType
from services.facecrop import portrait
from services.facecrop.framing import frame, head_height, main_face
from services.facecrop.presets import Preset, presets
from vision.faces import Face
from vision.geometry import Box, Landmarks, Point
from vision.picture import Format, Picture


def face(x: float = 2000, y: float = 1500, eyes: float = 100, eyes_to_mouth: float = 105) -> Face:
    """A level face whose eyes are `eyes` apart around (x, y)."""
    half = eyes / 2
    marks = Landmarks(
        right_eye=Point(x - half, y),
        left_eye=Point(x + half, y),
        nose=Point(x, y + eyes_to_mouth * 0.6),
        mouth=Point(x, y + eyes_to_mouth),
        right_ear=Point(x - eyes, y),
        left_ear=Point(x + eyes, y),
    )
    return Face(box=Box(x - eyes, y - eyes * 0.6, 2 * eyes, 2 * eyes), landmarks=marks, score=0.9)


PRESETS = [pytest.param(preset, id=name) for name, preset in presets().items()]


@pytest.mark.parametrize("preset", PRESETS)
def test_with_room_the_head_stands_where_the_preset_says(preset: Preset) -> None:
    placed = frame(face(), preset, 4000, 3000)
    box = placed.box
    assert not placed.shrunk
    assert not placed.padded
    assert box.width / box.height == pytest.approx(preset.aspect[0] / preset.aspect[1])
    assert (1500 - box.y) / box.height == pytest.approx(preset.eye_line)
    assert head_height(face()) / box.height == pytest.approx(preset.head)
    assert box.x + box.width / 2 == pytest.approx(2000)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_head_lies_inside_the_frame_with_room_above(preset: Preset) -> None:
    assert 0.05 < preset.eye_line - preset.head / 2 < 0.2
    assert preset.eye_line + preset.head / 2 < 0.95


def test_a_frame_that_just_fits_is_neither_shrunk_nor_padded() -> None:
    preset = presets()["school"]
    height = head_height(face()) / preset.head
    placed = frame(face(x=height * 0.4 + 1, y=height * 0.4 + 1), preset, 4000, 3000)
    assert (placed.shrunk, placed.padded) == (False, False)


def test_a_tight_photo_shrinks_the_frame_around_the_eyes() -> None:
    preset = presets()["school"]
    height = head_height(face()) / preset.head
    placed = frame(face(y=height * 0.36), preset, 4000, 3000)
    assert (placed.shrunk, placed.padded) == (True, False)
    assert placed.box.y == pytest.approx(0)
    assert (height * 0.36 - placed.box.y) / placed.box.height == pytest.approx(preset.eye_line)


def test_a_photo_that_is_too_tight_is_padded_and_the_head_kept_whole() -> None:
    preset = presets()["school"]
    placed = frame(face(y=60), preset, 4000, 3000)
    assert (placed.shrunk, placed.padded) == (True, True)
    crown = 60 - head_height(face()) / 2
    assert (crown - placed.box.y) / placed.box.height == pytest.approx(0.06)
    assert placed.box.y < 0


def test_a_face_turned_aside_is_measured_by_its_height() -> None:
    frontal, turned = face(eyes=100, eyes_to_mouth=105), face(eyes=55, eyes_to_mouth=105)
    assert head_height(frontal) == pytest.approx(360)
    assert 0.75 < head_height(turned) / head_height(frontal) < 1


def test_small_differences_of_the_mouth_do_not_move_the_frame() -> None:
    heights = {head_height(face(eyes_to_mouth=length)) for length in (90, 100, 110, 120)}
    assert len(heights) == 1


def test_a_tilted_head_is_measured_along_its_tilt() -> None:
    level = face()
    turn = math.radians(20)
    points = level.landmarks.to_points() - (2000, 1500)
    rotation = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    marks = Landmarks.from_points(points @ rotation + (2000, 1500))
    tilted = Face(box=level.box, landmarks=marks, score=0.9)
    assert head_height(tilted) == pytest.approx(head_height(level))


def test_the_largest_face_is_the_portraits() -> None:
    near, far = face(eyes=100), face(x=3000, eyes=60)
    assert main_face([far, near]) is near


@given(
    x=st.floats(0, 400),
    y=st.floats(0, 300),
    eyes=st.floats(2, 200),
    name=st.sampled_from(sorted(presets())),
)
def test_whatever_the_face_the_crop_has_the_presets_shape_and_covers_the_eyes(
    x: float, y: float, eyes: float, name: IcpType
) -> None:
    preset = presets()[name]
    picture = Picture(np.zeros((300, 400, 3), np.uint8), None, Format.JPEG)
    placed = frame(face(x, y, eyes, eyes * 1.05), preset, 400, 300)
    crop = portrait.cut(picture, placed)
    aspect = preset.aspect[0] / preset.aspect[1]
    assert abs(crop.shape[1] - aspect * crop.shape[0]) <= 1.01
    assert placed.box.x <= x <= placed.box.right
    assert placed.box.y <= y <= placed.box.bottom


def test_what_lies_outside_takes_the_colour_of_the_edge_and_what_lies_inside_stays() -> None:
    pixels = np.full((400, 400, 3), (90, 20, 30), np.uint8)
    pixels[:, 100:] = (0, 0, 200)
    placed = frame(face(10, 200, 60, 60), presets()["corporate"], 400, 400)
    crop = portrait.cut(Picture(pixels, None, Format.PNG), placed)
    assert placed.padded
    assert np.abs(crop[:, 0].astype(int) - (90, 20, 30)).max() <= 2
    left = -round(placed.box.x)
    assert (crop[:, left : left + 100] == (90, 20, 30)).all()
    assert (crop[:, left + 100] == (0, 0, 200)).all()


@pytest.mark.parametrize(("width", "expected"), [(300, 300), (800, 800), (801, 800), (3000, 800)])
def test_sharpening_gets_at_most_a_third_of_the_full_size(width: int, expected: int) -> None:
    crop = np.zeros((width * 5 // 4, width, 3), np.uint8)
    assert portrait.sharpening_input(crop, (2400, 3000)).shape[1] == expected


def test_a_preset_that_would_distort_is_refused() -> None:
    with pytest.raises(ValueError, match="is not 4:5"):
        Preset(aspect=(4, 5), head=0.5, eye_line=0.4, full=(800, 1000), medium=(640, 790))
