"""Reading the face detector's answers, and making one find of many."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.geometry import Box, Landmarks
from vision.models import Tensor
from vision.tiles import Tile

# The thresholds were chosen on 126 photographs (9 groups with 43 faces, 117 portraits).
_FIRST_SCORE = 0.5
_SECOND_SCORE = 0.75
_OVER_THE_EDGE = 0.03
"""How far, in sides of the tile, a face may reach over the edge of its tile."""
_SAME_IOU = 0.3
_SAME_CONTAINMENT = 0.6
_ALIKE = 0.8
"""In the second look, anchors with this part of the best score share in the average."""

_SCORE, _CENTRE, _SIZE, _POINTS = 0, slice(1, 3), slice(3, 5), slice(5, 17)

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Find:
    """A possible face, in pixels of the picture that the tiles were cut from."""

    score: float
    box: Box
    landmarks: Landmarks


@dataclass(frozen=True, slots=True)
class Finds:
    """Many of them, as columns."""

    score: _Floats
    """[n]"""
    box: _Floats
    """[n, 4] x, y, width, height"""
    points: _Floats
    """[n, 6, 2]"""

    def pick(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "Finds":
        """Some of the rows."""
        return Finds(self.score[rows], self.box[rows], self.points[rows])

    def best_first(self) -> "Finds":
        """The same, by falling score."""
        return self.pick(np.argsort(-self.score, kind="stable"))

    def mean(self) -> Find:
        """The average, weighted by score, with the best score."""
        box = np.average(self.box, axis=0, weights=self.score)
        points = np.average(self.points, axis=0, weights=self.score)
        return Find(
            float(self.score.max()),
            Box(*(float(side) for side in box)),
            Landmarks.from_points(points),
        )


def read_tiles(tiles: Sequence[Tile], answer: Tensor) -> list[Find]:
    """Read the first look.

    Args:
        tiles: What was asked.
        answer: float32 [n, 64, 17], see `vision.models.SIGNATURES`.

    Returns:
        Possible faces, each once, the best first.
    """
    seen = [_within(tile, rows) for tile, rows in zip(tiles, answer, strict=True)]
    return [group.mean() for group in _groups(_together(seen))]


def read_closely(tiles: Sequence[Tile], answer: Tensor) -> list[Find]:
    """Read the second look: at most one face in each tile, each face once, the best first."""
    seen = []
    for tile, rows in zip(tiles, answer, strict=True):
        if rows[0, _SCORE] >= _SECOND_SCORE:
            alike = _placed(tile, rows[rows[:, _SCORE] >= rows[0, _SCORE] * _ALIKE])
            seen.append(_groups(alike)[0].mean())
    kept: list[Find] = []
    for find in sorted(seen, key=lambda find: -find.score):
        if not any(_same(other.box, find.box) for other in kept):
            kept.append(find)
    return kept


def _same(one: Box, other: Box) -> bool:
    return one.iou(other) > _SAME_IOU or one.containment(other) > _SAME_CONTAINMENT


def _within(tile: Tile, rows: Tensor) -> Finds:
    """What is likely and not cut by the edge of the tile, where the next tile shows it whole."""
    likely = rows[rows[:, _SCORE] > _FIRST_SCORE]
    if not tile.whole:
        low = likely[:, _CENTRE] - likely[:, _SIZE] / 2
        high = likely[:, _CENTRE] + likely[:, _SIZE] / 2
        uncut = (low >= -_OVER_THE_EDGE) & (high <= 1 + _OVER_THE_EDGE)
        likely = likely[uncut.all(axis=1)]
    return _placed(tile, likely)


def _placed(tile: Tile, rows: Tensor) -> Finds:
    """From fractions of a tile to pixels of the picture."""
    rows = rows.astype(np.float64)
    centre = tile.to_picture.apply(rows[:, _CENTRE])
    size = rows[:, _SIZE] * tile.to_picture.scale
    points = tile.to_picture.apply(rows[:, _POINTS].reshape(-1, 6, 2))
    return Finds(rows[:, _SCORE], np.hstack((centre - size / 2, size)), points)


def _together(parts: Sequence[Finds]) -> Finds:
    return Finds(
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.box for part in parts]),
        np.concatenate([part.points for part in parts]),
    )


def _groups(finds: Finds) -> list[Finds]:
    """Group finds of the same face about the best of each, and drop parts of faces."""
    groups: list[Finds] = []
    left = finds.best_first()
    while len(left.score):
        iou, containment = _overlaps(left.box[0], left.box)
        same = iou > _SAME_IOU
        same[0] = True  # a box without area does not even overlap itself
        groups.append(left.pick(same))
        left = left.pick(~same & (containment <= _SAME_CONTAINMENT))
    return groups


def _overlaps(box: _Floats, boxes: _Floats) -> tuple[_Floats, _Floats]:
    """Intersection over union, and over the smaller box, of one box with each of many."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[:2] + box[2:], boxes[:, :2] + boxes[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    area, areas = np.prod(box[2:]), np.prod(boxes[:, 2:], axis=1)
    tiny = np.finfo(np.float64).tiny
    return shared / np.maximum(area + areas - shared, tiny), shared / np.maximum(
        np.minimum(area, areas), tiny
    )
