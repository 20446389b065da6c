"""Faces as numbers that can be compared.

A face is turned, scaled and moved so that its eyes, nose and mouth lie where the embedder was
taught to expect them, and cut out as a small square, a chip. The embedder makes a vector of it.
The cosine of two vectors says how much alike the faces are; what it takes to be one person is for
the embedder's card to say.

Vectors can be compared only if chips are cut alike: whoever changes how changes the card's version.
"""

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.errors import ModelBroken
from vision.geometry import Affine, Landmarks, Points
from vision.models import SIGNATURES, ModelName, Models
from vision.picture import Pixels
from vision.tiles import Halves

SIDE = SIGNATURES[ModelName.FACE_EMBEDDER].input_shape[0]
"""Pixels along a side of a chip."""

Embeddings: TypeAlias = NDArray[np.float32]
"""[n, dimensions], each row of unit length."""

_LANDMARKS = 4
"""Right eye, left eye, nose and mouth; the ears are guessed where hair covers them."""
_LEAST_SCALE = 1e-4
"""Pixels of a chip to one of the picture; landmarks that ask for less are none of a face."""
_LEAST_LENGTH = 1e-6


def aligned(landmarks: Landmarks, template: Points) -> Affine:
    """Return where the pixels of a face's chip lie in the picture.

    It is turned and scaled alike along x and y, so that the landmarks come as near to the template
    as they can, in the sense of least squares in the chip (Umeyama 1991).

    Args:
        landmarks: In pixels of the picture.
        template: [4, 2], where right eye, left eye, nose and mouth belong in the chip.

    Returns:
        From the chip, in pixels, to the picture. Landmarks that are all at one place, or in no
        order at all, give a map of the whole chip to the middle of them.
    """
    # points as complex numbers, of which a product turns and scales
    source = landmarks.to_points()[:_LANDMARKS] @ (1, 1j)
    target = np.asarray(template) @ (1, 1j)
    centre, middle = complex(source.mean()), complex(target.mean())
    along = complex(np.vdot(source - centre, target - middle))
    spread = float(np.vdot(source - centre, source - centre).real)
    turn = spread / along if abs(along) > _LEAST_SCALE * spread else 0j
    move = centre - turn * middle
    return Affine(turn.real, -turn.imag, move.real, turn.imag, turn.real, move.imag)


def chip(picture: Halves, place: Affine) -> Pixels:
    """Cut a chip.

    Args:
        picture: What to cut it from; halves of it are made as they are needed.
        place: From the chip, in pixels, to the picture.

    Returns:
        uint8 [SIDE, SIDE, 3]; what lies outside the picture is black.
    """
    return picture.cut(place.after(Affine.scale_and_move(SIDE, SIDE, 0.0, 0.0)), SIDE)


def part_outside(place: Affine, width: float, height: float) -> float:
    """Return how much of a chip lies outside a picture of this size, 0 to 1."""
    square = np.array([(0, 0), (SIDE, 0), (SIDE, SIDE), (0, SIDE)], float)
    corners = place.apply(square).astype(np.float32)
    frame = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    shared, _ = cv2.intersectConvexConvex(corners, frame)
    area = (place.scale * SIDE) ** 2
    return min(max(1.0 - shared / area, 0.0), 1.0) if area > 0 else 1.0


async def embed(models: Models, chips: Sequence[Pixels]) -> Embeddings:
    """Make vectors of chips: one request for all of them.

    Args:
        models: Where to run the embedder.
        chips: Each uint8 [SIDE, SIDE, 3] RGB.

    Raises:
        ModelError: See `Models.infer`; also where a vector has no direction.
    """
    batch = np.stack(chips) if chips else np.empty((0, SIDE, SIDE, 3), np.uint8)
    vectors = (await models.infer(ModelName.FACE_EMBEDDER, batch)).astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if (lengths < _LEAST_LENGTH).any():
        raise ModelBroken
    return np.asarray(vectors / lengths, np.float32)
