"""Finding faces.

The detector sees squares of 128 pixels and finds faces that fill a tenth to the whole of one. So a
picture is cut into overlapping squares of several sizes, which go to the model as one batch; what
it finds is merged, and each find is looked at once more, alone and turned so that its eyes are
level. That second look removed all 12 false faces in a test of 126 photographs and lost 1 face
of 43.
"""

import asyncio
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vision.finds import Find, read_closely, read_tiles
from vision.geometry import Affine, Box, Landmarks, Point
from vision.models import ModelName, Models, Tensor
from vision.picture import Pixels
from vision.resize import reduce_to
from vision.tiles import SIDE, Halves, Tile, overview, squares, turned

LOOK_SIDE = 1280
"""Longer side of the copy that is searched. At the finest size of squares it is still reduced
to half, so more would show nothing."""

_COARSE = (1.0, 0.5)
_FINE = (0.28,)
_WHOLE: tuple[float, ...] = ()
"""No squares at all, only the overview."""
_SECOND_LOOK = 2.0
"""Side of the square of the second look, in sides of the found box."""
_SURE = 0.85
"""A face that scores less is real if no other turn of the picture shows a better one. In 19
photographs turned through 6 angles, faces scored 0.78 to 0.96 the right way up; what was seen in
their place the wrong way up scored up to 0.84."""
_MOST_SECOND_LOOKS = 128

_FILLS = 0.12
"""Part of a tile that a face must fill to be found beside a larger one. Some 600 that filled as
much were all found; of those that filled 0.11, 5 of 69 were missed, and of 0.10, 19 of 66."""
_OTHERS = 0.625
"""How small people may be, as parts of the largest face, for `detect_all` to miss none of them.
Whom a larger face hides in part it may miss: 8 of 18 who were 0.6 times as large."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face, in pixels of the picture that was given."""

    box: Box
    """From brows to chin, about square, in the frame of a level head: for a tilted head it is the
    box that the head would have upright, about the same centre. May reach beyond the picture."""
    landmarks: Landmarks
    score: float
    """How sure the detector is, 0.75 to 1."""

    @property
    def roll(self) -> float:
        """Degrees, -180 to 180, by which the head is tilted clockwise as seen in the picture."""
        return self.landmarks.roll


async def detect(models: Models, pixels: Pixels, thorough: bool = False) -> list[Face]:
    """Find the faces in a picture.

    Looks for faces down to a twentieth of the picture's shorter side. Only if none is sure does it
    look for smaller ones, and then at the picture upside down and on either side; the look that
    shows the surest face counts. For a portrait that is two requests to the model. Work on pixels
    runs in the event loop's default executor, which should have as many threads as cores.

    Args:
        models: Where to run the detector.
        pixels: uint8 [height, width, 3] RGB at any size; colours need not be exact.
        thorough: Look for the small ones also when there are large ones, as in a group.

    Returns:
        Faces, the largest first; empty if there are none.

    Raises:
        ModelError: See `Models.infer`.
    """
    picture, back_x, back_y = await asyncio.to_thread(_prepare, pixels)
    best: list[Find] = []
    for fractions, quarters in _passes(thorough):
        best = max(best, await _search(models, picture, fractions, quarters), key=_top_score)
        if _top_score(best) >= _SURE:
            break
    return _faces(best, back_x, back_y)


async def detect_all(models: Models, pixels: Pixels) -> list[Face]:
    """Find everybody in a picture, quickly where it shows one person alone.

    Looks at the whole frame first, then at squares of it, and at the finest squares last. A look is
    the last one if it shows a single face, which is sure, and so large that it would have shown
    anybody else with a face from five eighths of that size. That is a face of a fifth of the longer
    side for the look at the whole, which takes two tiles instead of a hundred, and of a tenth of
    the shorter side for the look at squares. Where there are several faces, or only small ones,
    everything is looked at; and where none is sure, the picture upside down and on either side.

    Args:
        models: Where to run the detector.
        pixels: uint8 [height, width, 3] RGB at any size; colours need not be exact.

    Returns:
        Faces, the largest first; empty if there are none.

    Raises:
        ModelError: See `Models.infer`.
    """
    # no copy of LOOK_SIDE, which would cost as much as the whole look at a portrait
    return _faces(await _everybody(models, Halves(pixels)), 1.0, 1.0)


async def look_again(models: Models, pixels: Pixels, box: Box, roll: float = 0.0) -> Face | None:
    """Look once more at a place where a face is expected: one tile, one request to the model.

    Args:
        models: Where to run the detector.
        pixels: uint8 [height, width, 3] RGB at any size; colours need not be exact.
        box: Where the face should be, in pixels; off by up to a third of its size does no harm.
        roll: Degrees by which the head should be tilted clockwise.

    Returns:
        The face as it is seen this time, or None if there is none to be seen.

    Raises:
        ModelError: See `Models.infer`.
    """
    tile = await asyncio.to_thread(_tile_about, pixels, box, roll)
    if tile is None:
        return None
    answer = await models.infer(ModelName.FACE_DETECTOR, _batch([tile]))
    finds = read_closely([tile], answer)
    return Face(finds[0].box, finds[0].landmarks, finds[0].score) if finds else None


async def _everybody(models: Models, picture: Halves) -> list[Find]:
    longer, shorter = max(picture.width, picture.height), min(picture.width, picture.height)
    for fractions, side in ((_WHOLE, longer), (_COARSE, _COARSE[-1] * shorter)):
        finds = await _search(models, picture, fractions, 0)
        if _is_alone(finds, side):
            return finds
        if len(finds) > 1:
            break
    best = await _search(models, picture, _COARSE + _FINE, 0)
    if _top_score(best) >= _SURE:
        return best
    for quarters in (2, 1, 3):
        finds = await _search(models, picture, _COARSE, quarters)
        if _top_score(finds) >= _SURE:
            if _is_alone(finds, _COARSE[-1] * shorter):
                return finds
            return await _search(models, picture, _COARSE + _FINE, quarters)
        best = max(best, finds, key=_top_score)
    return best


def _is_alone(finds: Sequence[Find], side: float) -> bool:
    """Whether there is one sure face, and none that tiles of this side could have missed."""
    if len(finds) != 1 or finds[0].score < _SURE:
        return False
    return finds[0].box.width * _OTHERS >= side * _FILLS


def _faces(finds: Sequence[Find], back_x: float, back_y: float) -> list[Face]:
    faces = [
        Face(find.box.scaled(back_x, back_y), find.landmarks.scaled(back_x, back_y), find.score)
        for find in finds
    ]
    return sorted(faces, key=lambda face: -face.box.area)


def _top_score(finds: Sequence[Find]) -> float:
    return max((find.score for find in finds), default=0.0)


def _prepare(pixels: Pixels) -> tuple[Halves, float, float]:
    look = reduce_to(pixels, LOOK_SIDE)
    return Halves(look.pixels), look.scale_x, look.scale_y


def _passes(thorough: bool) -> Iterator[tuple[tuple[float, ...], int]]:
    """Sizes of squares and quarter turns, the most likely first."""
    if thorough:
        yield _COARSE + _FINE, 0
    else:
        yield _COARSE, 0
        yield _FINE, 0
    for quarters in (2, 1, 3):
        yield _COARSE, quarters


async def _search(
    models: Models, picture: Halves, fractions: Sequence[float], quarters: int
) -> list[Find]:
    tiles = await asyncio.to_thread(_tiles, picture, fractions, quarters)
    if not tiles:
        return []
    answer = await models.infer(ModelName.FACE_DETECTOR, _batch(tiles))
    close = await asyncio.to_thread(_second_looks, picture, tiles, answer)
    if not close:
        return []
    answer = await models.infer(ModelName.FACE_DETECTOR, _batch(close))
    return await asyncio.to_thread(read_closely, close, answer)


def _tiles(picture: Halves, fractions: Sequence[float], quarters: int) -> list[Tile]:
    cut = squares(picture, fractions)
    if not fractions or (1.0 in fractions and picture.width != picture.height):
        cut.append(overview(picture))
    return [turned(tile, quarters) for tile in cut]


def _second_looks(picture: Halves, tiles: Sequence[Tile], answer: Tensor) -> list[Tile]:
    """A square about each possible face, turned so that its eyes are level."""
    looks = []
    for find in read_tiles(tiles, answer)[:_MOST_SECOND_LOOKS]:
        place = _close_by(find.box, find.landmarks.roll)
        looks.append(Tile(picture.cut(place), place, whole=True))
    return looks


def _close_by(box: Box, roll: float) -> Affine:
    """Where the square of the second look at a face lies in the picture."""
    side = max(box.width, box.height) * _SECOND_LOOK
    return Affine.similarity(side, roll, Point(0.5, 0.5), box.centre)


def _tile_about(pixels: Pixels, box: Box, roll: float) -> Tile | None:
    """Cut the square of a second look out of the part of the picture where it lies."""
    place = _close_by(box, roll)
    corners = place.apply(np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]))
    left, top = (max(0, math.floor(side)) for side in corners.min(axis=0))
    right, bottom = (max(0, math.ceil(side)) for side in corners.max(axis=0))
    near = Halves(pixels[top:bottom, left:right])
    if near.width == 0 or near.height == 0:
        return None
    move = Affine.scale_and_move(1.0, 1.0, -left, -top)
    return Tile(near.cut(move.after(place)), place, whole=True)


def _batch(tiles: Sequence[Tile]) -> Pixels:
    batch = np.empty((len(tiles), SIDE, SIDE, 3), np.uint8)
    for place, tile in zip(batch, tiles, strict=True):
        place[:] = tile.pixels
    return batch
