import cv2
import numpy as np
import pytest

from vision.faces import detect, look_again
from vision.geometry import Affine, Box, Point
from vision.models import Models
from vision.picture import Pixels


@pytest.mark.parametrize("off", [-0.3, 0.0, 0.3])
@pytest.mark.parametrize("size", [0.8, 1.0, 1.3])
async def test_a_face_is_seen_again_where_it_is_about(
    models: Models, portrait: Pixels, off: float, size: float
) -> None:
    (face,) = await detect(models, portrait)
    side = face.box.width
    centre = Point(face.box.centre.x + off * side, face.box.centre.y + off * side / 2)

    again = await look_again(models, portrait, Box.around(centre, size * side, size * side))

    assert again is not None
    moved = again.landmarks.to_points() - face.landmarks.to_points()
    assert np.abs(moved).max() < 0.08 * side
    assert again.box.iou(face.box) > 0.75


@pytest.mark.parametrize("degrees", [-120.0, 30.0, 180.0])
async def test_a_tilted_face_is_seen_with_its_tilt(
    models: Models, portrait: Pixels, degrees: float
) -> None:
    (face,) = await detect(models, portrait)
    turn = Affine.similarity(1.0, degrees, Point(256, 256), Point(362, 362))
    turned = np.asarray(cv2.warpAffine(portrait, turn.opencv_matrix(), (724, 724)), np.uint8)
    ((x, y),) = turn.apply(np.array([(face.box.centre.x, face.box.centre.y)]))
    box = Box.around(Point(x, y), face.box.width, face.box.height)

    again = await look_again(models, turned, box, degrees)

    assert again is not None
    assert abs((again.roll - face.roll - degrees + 180) % 360 - 180) < 3


@pytest.mark.parametrize(
    "box",
    [
        Box(380, 30, 110, 110),  # a rocket
        Box(-500, -500, 100, 100),
        Box(900, 100, 100, 100),
        Box(200, 100, 0, 0),
    ],
)
async def test_no_face_is_seen_where_there_is_none(
    models: Models, portrait: Pixels, box: Box
) -> None:
    assert await look_again(models, portrait, box) is None
