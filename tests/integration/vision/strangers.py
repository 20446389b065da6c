"""Faces of people who are not the astronaut: a hundred of them, grey and very small."""

import io
from functools import cache

import cv2
import numpy as np

from triton_models.builder import archives
from vision.geometry import Box, Point
from vision.picture import Pixels

_MEMBER = "skimage/data/lfw_subset.npy"
_FACES = 100
"""The pictures that follow are parts of walls and trees."""
_ENLARGED = 200
_AROUND = 60

PLACE = Box.around(Point(160, 160), 150, 150)
"""Where the face is in each, about."""


@cache
def strangers() -> list[Pixels]:
    """Return photographs of 25 x 25 pixels, enlarged, their edges continued."""
    wheel = archives.archive(archives.pins()["scikit-image"])
    faces = np.load(io.BytesIO(archives.member(wheel, _MEMBER)))[:_FACES]
    return [_shown(face) for face in np.clip(faces * 255, 0, 255).astype(np.uint8)]


def _shown(face: Pixels) -> Pixels:
    large = cv2.resize(face, (_ENLARGED, _ENLARGED), interpolation=cv2.INTER_CUBIC)
    framed = cv2.copyMakeBorder(large, *(_AROUND,) * 4, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(framed, cv2.COLOR_GRAY2RGB), np.uint8)
