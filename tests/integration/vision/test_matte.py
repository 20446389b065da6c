import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vision.matte import matte, onto
from vision.models import Models
from vision.picture import Pixels

FACE = (slice(90, 165), slice(100, 160))
"""Brows to chin of `bust`, well within."""
WALL = (slice(0, 120), slice(0, 40))


@pytest.fixture(scope="session")
def bust(portrait: Pixels) -> Pixels:
    """Head and shoulders before a mottled wall, 262 x 328."""
    return np.ascontiguousarray(portrait[0:328, 95:357])


def enlarged(pixels: NDArray[np.generic], width: int, height: int) -> NDArray[np.generic]:
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC)


async def test_the_person_is_told_from_the_wall(models: Models, bust: Pixels) -> None:
    alpha = await matte(models, bust)

    assert alpha.dtype == np.float32
    assert alpha.shape == bust.shape[:2]
    assert 0 <= alpha.min() <= alpha.max() <= 1
    assert alpha[FACE].min() > 0.98
    assert alpha[WALL].max() < 0.02
    assert alpha[-20:, 100:160].min() > 0.98
    assert np.mean((alpha > 0.05) & (alpha < 0.95)) < 0.05


@pytest.mark.parametrize(("width", "height"), [(66, 82), (800, 1000), (1201, 1499)])
async def test_the_size_of_the_picture_changes_little(
    models: Models, bust: Pixels, width: int, height: int
) -> None:
    small = await matte(models, bust)

    large = await matte(models, enlarged(bust, width, height))

    assert large.shape == (height, width)
    assert np.abs(enlarged(small, width, height) - large).mean() < 0.02


async def test_the_edge_is_that_of_the_picture_and_not_of_the_network(
    models: Models, bust: Pixels
) -> None:
    """On a plain wall the person's outline is known: where the wall ends."""
    plain = onto(bust, await matte(models, bust), (60, 110, 190))
    large = enlarged(plain, 1048, 1312)

    alpha = await matte(models, large)

    away = np.abs(large.astype(int) - (60, 110, 190)).max(axis=2)
    wall, outline = away < 8, cv2.dilate((away > 100).astype(np.uint8), np.ones((9, 9))) > 0
    assert alpha[wall & ~outline].mean() < 0.01
    assert alpha[away > 100].mean() > 0.99


async def test_a_person_who_was_cut_out_is_found_again_the_same(
    models: Models, bust: Pixels
) -> None:
    first = await matte(models, bust)

    again = await matte(models, onto(bust, first, (255, 255, 255)))

    assert np.abs(first - again).mean() < 0.02


async def test_nobody_is_found_where_nobody_is(models: Models) -> None:
    wall = np.full((400, 320, 3), (150, 160, 170), np.uint8)

    assert (await matte(models, wall)).mean() < 0.02
