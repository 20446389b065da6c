import cv2
import numpy as np
import pytest

from vision.models import Models
from vision.picture import Pixels
from vision.upscale import FACTOR, MARGIN, upscale


def head(portrait: Pixels) -> Pixels:
    return np.ascontiguousarray(portrait[40:210, 130:330])


async def test_it_is_the_same_picture_four_times_as_large(models: Models, portrait: Pixels) -> None:
    small = head(portrait)

    enlarged = await upscale(models, small)

    assert enlarged.shape == (small.shape[0] * FACTOR, small.shape[1] * FACTOR, 3)
    size = (small.shape[1], small.shape[0])
    again = cv2.resize(enlarged, size, interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(again - small).mean() < 6


async def test_edges_are_sharper_than_by_interpolation(models: Models, portrait: Pixels) -> None:
    small = head(portrait)
    size = (small.shape[1] * FACTOR, small.shape[0] * FACTOR)

    enlarged = await upscale(models, small)

    by_interpolation = cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)
    steepest = [
        np.percentile(np.abs(np.diff(picture.astype(int), axis=1)), 99.5)
        for picture in (enlarged, by_interpolation)
    ]
    assert steepest[0] > 1.3 * steepest[1]


@pytest.mark.parametrize(("left", "top"), [(37, 0), (53, 29)])
async def test_no_seam_shows_whatever_way_the_picture_is_cut(
    models: Models, portrait: Pixels, left: int, top: int
) -> None:
    """Another cut puts all seams elsewhere; away from its new edges nothing may change."""
    small = head(portrait)
    whole = await upscale(models, small)

    part = await upscale(models, np.ascontiguousarray(small[top:, left:]))

    first_row, first_column = (MARGIN * FACTOR if cut else 0 for cut in (top, left))
    difference = np.abs(whole[top * FACTOR :, left * FACTOR :].astype(int) - part)
    assert difference[first_row:, first_column:].max() <= 1
