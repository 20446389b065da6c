from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest

from vision.faces import Face, detect, detect_all
from vision.geometry import Affine, Point
from vision.models import ModelName, Models, Tensor
from vision.picture import Pixels

EYES = (Point(203.5, 101), Point(246.7, 103.2))
"""The portrait's right and left eye, read off the picture."""
FACE = Point(223, 127)


def within(face: Face, place: Point, share: float) -> bool:
    """Tell whether the face lies at a place, give or take a share of its size."""
    centre = face.box.centre
    return np.hypot(centre.x - place.x, centre.y - place.y) < share * face.box.width


async def test_the_face_is_found_where_it_is(models: Models, portrait: Pixels) -> None:
    (face,) = await detect(models, portrait)

    assert 80 < face.box.width < 130
    assert within(face, FACE, 0.2)
    assert face.score > 0.85
    assert abs(face.roll) < 8
    for eye, expected in zip(
        (face.landmarks.right_eye, face.landmarks.left_eye), EYES, strict=True
    ):
        assert np.hypot(eye.x - expected.x, eye.y - expected.y) < 3
    assert face.landmarks.eye_centre.y < face.landmarks.nose.y < face.landmarks.mouth.y
    assert face.landmarks.right_ear.x < face.landmarks.right_eye.x


@pytest.mark.parametrize("width", [150, 300, 1000, 1281, 4000])
async def test_the_answer_is_in_pixels_of_the_picture_given(
    models: Models, portrait: Pixels, width: int
) -> None:
    large = cv2.resize(portrait, (width, width * 3 // 4), interpolation=cv2.INTER_AREA)

    (face,) = await detect(models, large)

    assert within(face, Point(FACE.x * width / 512, FACE.y * width * 0.75 / 512), 0.25)


@pytest.mark.parametrize("degrees", [-60, -30, 15, 45, 90, 135, 180, 225, 270])
async def test_a_tilted_head_is_found_with_its_tilt(
    models: Models, portrait: Pixels, degrees: float
) -> None:
    turn = Affine.similarity(1.0, degrees, Point(256, 256), Point(362, 362))
    turned = cv2.warpAffine(portrait, turn.opencv_matrix(), (724, 724))
    ((upright,), faces) = (await detect(models, portrait), await detect(models, turned))

    (face,) = faces

    expected = turn.apply(np.array([[upright.box.centre.x, upright.box.centre.y]]))[0]
    assert within(face, Point(*expected), 0.15)
    assert abs((face.roll - upright.roll - degrees + 180) % 360 - 180) < 10
    moved = turn.apply(upright.landmarks.to_points())
    assert np.abs(face.landmarks.to_points() - moved).max() < 0.12 * upright.box.width


async def test_two_faces_are_found_the_larger_first(models: Models, portrait: Pixels) -> None:
    canvas = np.full((512, 1024, 3), 200, np.uint8)
    canvas[:, :512] = portrait
    canvas[100:484, 600:984] = cv2.resize(portrait, (384, 384), interpolation=cv2.INTER_AREA)

    large, small = await detect(models, canvas)

    assert within(large, FACE, 0.2)
    assert within(small, Point(600 + FACE.x * 0.75, 100 + FACE.y * 0.75), 0.2)


async def test_two_equal_faces_are_both_found(models: Models, portrait: Pixels) -> None:
    faces = await detect(models, np.hstack((portrait, portrait[:, ::-1])))

    assert len(faces) == 2


async def test_small_faces_of_a_group_are_found_when_asked_for(
    models: Models, portrait: Pixels
) -> None:
    crowd = np.full((1200, 1800, 3), 180, np.uint8)
    head = np.ascontiguousarray(portrait[0:220, 120:340])
    places = [(left, top) for top in (60, 500, 900) for left in range(60, 1700, 240)]
    for number, (left, top) in enumerate(places):
        side = 110 + 10 * (number % 4)
        crowd[top : top + side, left : left + side] = cv2.resize(
            head, (side, side), interpolation=cv2.INTER_AREA
        )

    faces = await detect(models, crowd, thorough=True)

    assert len(faces) == len(places)


async def test_a_face_that_fills_the_picture_is_found(models: Models, portrait: Pixels) -> None:
    close = np.ascontiguousarray(portrait[50:190, 155:290])

    (face,) = await detect(models, close)

    assert face.box.width > 0.5 * close.shape[1]


async def test_a_face_cut_by_the_edge_of_the_picture_is_found(
    models: Models, portrait: Pixels
) -> None:
    cut = np.ascontiguousarray(portrait[:, 190:])

    (face,) = await detect(models, cut)

    assert within(face, Point(FACE.x - 190, FACE.y), 0.3)


async def test_a_face_in_grey_is_found(models: Models, portrait: Pixels) -> None:
    grey = np.repeat(portrait.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)

    assert len(await detect(models, grey)) == 1


@pytest.mark.parametrize(("width", "height"), [(32, 32), (33, 2000), (2000, 33), (640, 480)])
async def test_there_is_no_face_in_nothing(models: Models, width: int, height: int) -> None:
    random = np.random.default_rng(8)

    assert await detect(models, np.full((height, width, 3), 128, np.uint8)) == []
    assert await detect(models, random.integers(0, 255, (height, width, 3), dtype=np.uint8)) == []


async def test_there_is_no_face_on_a_rocket(models: Models, portrait: Pixels) -> None:
    rocket = np.ascontiguousarray(portrait[0:300, 340:512])

    assert await detect(models, rocket, thorough=True) == []


class Counted:
    """The models, and how many tiles they were asked for."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self.tiles = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._models, name)

    async def infer(self, model: ModelName, batch: Pixels) -> Tensor:
        self.tiles += len(batch)
        return await self._models.infer(model, batch)


def crowd(portrait: Pixels, sides: Sequence[int], width: int, height: int) -> Pixels:
    """Heads on a plain wall, from the left to the right and then below; a face is half a side."""
    wall = np.full((height, width, 3), 180, np.uint8)
    head = np.ascontiguousarray(portrait[0:220, 120:340])
    left, top, step = 30, 30, max(sides) + 30
    for side in sides:
        if left + side > width:
            left, top = 30, top + step
        wall[top : top + side, left : left + side] = cv2.resize(
            head, (side, side), interpolation=cv2.INTER_AREA
        )
        left += step
    return wall


async def test_somebody_alone_is_found_with_two_tiles(models: Models, portrait: Pixels) -> None:
    counted = Counted(models)

    (face,) = await detect_all(counted, portrait)

    assert counted.tiles == 2
    (thorough,) = await detect(models, portrait, thorough=True)
    assert within(face, thorough.box.centre, 0.1)
    assert np.abs(face.landmarks.to_points() - thorough.landmarks.to_points()).max() < 5


async def test_somebody_alone_and_farther_away_is_found_without_the_finest_tiles(
    models: Models, portrait: Pixels
) -> None:
    counted = Counted(models)
    wall = crowd(portrait, [280], 1500, 1000)

    (face,) = await detect_all(counted, wall)

    assert 100 < face.box.width < 160
    assert counted.tiles < 30


@pytest.mark.parametrize(
    ("sides", "width", "height"),
    [
        ([420, 420], 1000, 800),
        ([420, 300], 1000, 800),
        ([600, 400], 1200, 900),
        ([300, 280, 200, 110, 100], 1500, 1000),
        ([110, 120, 130, 140] * 6, 1800, 1200),
        ([100, 110, 120] * 13, 1800, 1200),
    ],
    ids=["two", "large and smaller", "close and smaller", "five", "two dozen", "39"],
)
async def test_everybody_is_found(
    models: Models, portrait: Pixels, sides: list[int], width: int, height: int
) -> None:
    faces = await detect_all(models, crowd(portrait, sides, width, height))

    assert len(faces) == len(sides)
    assert [face.box.area for face in faces] == sorted((f.box.area for f in faces), reverse=True)


@pytest.mark.parametrize("quarters", [1, 2, 3])
async def test_a_group_is_found_whole_whichever_way_up_it_is(
    models: Models, portrait: Pixels, quarters: int
) -> None:
    group = crowd(portrait, [200, 190, 180, 110, 120], 1500, 1000)

    faces = await detect_all(models, np.ascontiguousarray(np.rot90(group, quarters)))

    assert len(faces) == 5
    assert all(abs((face.roll + 90 * quarters + 180) % 360 - 180) < 15 for face in faces)


@pytest.mark.parametrize(("width", "height"), [(32, 32), (33, 2000), (640, 480), (2600, 1700)])
async def test_nobody_is_found_in_nothing(models: Models, width: int, height: int) -> None:
    random = np.random.default_rng(8)

    assert await detect_all(models, np.full((height, width, 3), 128, np.uint8)) == []
    noise = random.integers(0, 255, (height, width, 3), dtype=np.uint8)
    assert await detect_all(models, noise) == []


async def test_the_picture_itself_is_left_as_it_was(models: Models, portrait: Pixels) -> None:
    before = portrait.copy()
    await detect_all(models, portrait)
    assert np.array_equal(before, portrait)
