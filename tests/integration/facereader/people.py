"""Photographs of one or several people, made of one photograph, and how alike two answers are."""

import cv2
import numpy as np
from numpy.typing import NDArray

from proto.facereader import FacesRead, SeenFace
from vision.picture import Pixels

FACE = (172, 76, 100, 100)
"""Where the face of the portrait of 512 pixels is: x, y, width and height, about."""


def enlarged(pixels: Pixels, factor: float) -> Pixels:
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=how), np.uint8)


def beside(*people: Pixels, height: int) -> Pixels:
    """People next to each other before a grey wall, their feet at its foot."""
    columns = []
    for person in people:
        column = np.full((height, person.shape[1], 3), 150, np.uint8)
        column[height - person.shape[0] :] = person
        columns.append(column)
    return np.hstack(columns)


def far_away(pixels: Pixels, width: int, height: int) -> Pixels:
    """Somebody in the middle of a wide plain."""
    plain = np.full((height, width, 3), 150, np.uint8)
    left, top = (width - pixels.shape[1]) // 2, (height - pixels.shape[0]) // 2
    plain[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return plain


def crowd(pixels: Pixels, count: int, in_a_row: int) -> Pixels:
    """Many heads, in rows."""
    head = np.ascontiguousarray(pixels[0:220, 120:340])
    rows = -(-count // in_a_row)
    wall = np.full((240 * rows, 240 * in_a_row, 3), 180, np.uint8)
    for number in range(count):
        top, left = 240 * (number // in_a_row) + 10, 240 * (number % in_a_row) + 10
        wall[top : top + 220, left : left + 220] = head
    return wall


def vector(face: SeenFace) -> NDArray[np.float32]:
    return np.frombuffer(face.embedding, "<f4").astype(np.float32)


def likeness(one: SeenFace, other: SeenFace) -> float:
    """The cosine of two embeddings."""
    return float(np.dot(vector(one), vector(other)))


def only(read: FacesRead) -> SeenFace:
    (face,) = read.faces
    return face
