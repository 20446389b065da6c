"""Where to cut: from a face's landmarks and a preset to a rectangle over the photograph.

The frame stands upright, or is turned with a head that is tilted, and is never distorted. Where it
does not fit into the photograph it is shrunk around the eye point, which keeps the eyes where the
preset wants them, as long as the head stays inside it and the crown keeps `_LEAST_HEADROOM` from
the top edge; what is still outside then is padded.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from proto.presets import Preset
from vision.faces import Face
from vision.geometry import Affine, Box, Point, Points

LEVEL_DEGREES = 3.0
"""A head that is tilted by no more than this stays as it is: it looks level, and its pixels are
copied instead of interpolated."""

_HEAD_PER_EYE_DISTANCE = 3.6
"""Crown to chin over the distance of the pupils: 225 mm over 63 mm in adults, and nearly the same
in children (190 over 52). The distance of the eyes is the steadiest measure of a frontal face."""

_HEAD_PER_EYES_TO_MOUTH = 3.3
"""Crown to chin over eyes to mouth, for faces turned aside, whose eyes stand close together."""

_TURNED = 1.15
"""Only where eyes to mouth says this much more than the eye distance is the face taken as turned;
below that it would only add its own noise."""

_HEAD_WIDTH = 0.75
"""Width of a head from the front over its height: 155 mm and some hair over 225 mm."""

_LEAST_HEADROOM = 0.06
"""Of the frame's height, above the crown: hair reaches higher than the skull that is measured."""

_ALIKE = 0.8
"""Faces with this part of the largest one's area are as near to the camera."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What to cut out of the upright photograph, in its pixels; may reach beyond its edges."""

    eyes: Point
    """The eye point, in the photograph."""
    width: float
    height: float
    eye_line: float
    """From the top edge to the eye point, as a fraction of the height."""
    degrees: float
    """By which the frame is turned clockwise; 0 is upright."""
    oversized: bool
    """It was drawn tighter than the preset asks for, because that did not fit."""
    padded: bool
    """It reaches beyond the photograph."""

    @property
    def to_photo(self) -> Affine:
        """From the frame, in pixels from its upper left corner, to the photograph."""
        eyes = Point(self.width / 2, self.eye_line * self.height)
        return Affine.similarity(1.0, self.degrees, eyes, self.eyes)

    def from_photo(self, point: Point) -> Point:
        """Return where a point of the photograph lies in the frame, in pixels."""
        ((x, y),) = self.to_photo.inverse().apply(np.array([(point.x, point.y)]))
        return Point(float(x), float(y))

    @property
    def corners(self) -> Points:
        """The four corners in the photograph, [4, 2]."""
        wide, high = self.width, self.height
        return self.to_photo.apply(np.array([(0, 0), (wide, 0), (wide, high), (0, high)], float))

    def scaled(self, factor: float) -> "Frame":
        """The same frame over the photograph enlarged by a factor."""
        return replace(
            self,
            eyes=Point(self.eyes.x * factor, self.eyes.y * factor),
            width=self.width * factor,
            height=self.height * factor,
        )


def frame(face: Face, preset: Preset, width: int, height: int, auto_rotate: bool = True) -> Frame:
    """Place the preset's frame around a face in a photograph of `width` by `height` pixels.

    With `auto_rotate` it is turned with a head that is tilted by more than LEVEL_DEGREES. An eye
    point outside the photograph is taken to its edge.
    """
    tilted = auto_rotate and abs(face.roll) > LEVEL_DEGREES
    degrees = face.roll if tilted else 0.0
    eyes = face.landmarks.eye_centre
    eyes = Point(min(max(eyes.x, 0.0), width), min(max(eyes.y, 0.0), height))
    aspect = preset.aspect[0] / preset.aspect[1]
    head = head_height(face)
    wanted = head / preset.head
    fits = _largest(eyes, aspect, preset.eye_line, degrees, width, height)
    frame_height = min(wanted, max(fits, _tightest(head, aspect, preset.eye_line)))
    return Frame(
        eyes=eyes,
        width=aspect * frame_height,
        height=frame_height,
        eye_line=preset.eye_line,
        degrees=degrees,
        oversized=frame_height < wanted,
        padded=frame_height > fits,
    )


def head_height(face: Face) -> float:
    """Return crown to chin in pixels, estimated from eyes and mouth."""
    marks = face.landmarks
    by_eyes = _HEAD_PER_EYE_DISTANCE * eye_distance(face)
    by_mouth = _HEAD_PER_EYES_TO_MOUTH * _distance(marks.eye_centre, marks.mouth)
    return max(by_eyes, by_mouth / _TURNED)


def eye_distance(face: Face) -> float:
    """Return the distance of the pupils in pixels."""
    return _distance(face.landmarks.right_eye, face.landmarks.left_eye)


def head_beyond(face: Face, width: int, height: int) -> float:
    """Return how far the head reaches beyond the photograph, as a fraction of the head's height.

    The head is taken as an ellipse about the eye point, from crown to chin and three quarters of
    that wide, tilted as the eyes are.
    """
    head = head_height(face)
    turn = math.radians(face.roll)
    along, across = head / 2 * _HEAD_WIDTH, head / 2
    wide = math.hypot(along * math.cos(turn), across * math.sin(turn))
    high = math.hypot(along * math.sin(turn), across * math.cos(turn))
    eyes = face.landmarks.eye_centre
    beyond = max(wide - eyes.x, eyes.x + wide - width, high - eyes.y, eyes.y + high - height)
    return max(beyond, 0.0) / head if head > 0 else 0.0


def in_view(faces: Sequence[Face], width: int, height: int, at_most: int) -> list[tuple[Face, Box]]:
    """Return the faces with the part of their box that lies in the picture, the largest first.

    Those of which nothing does are left out, and so are the smallest if there are too many.
    """
    seen = [(face, face.box.clipped(width, height)) for face in faces]
    seen = [(face, box) for face, box in seen if box.area > 0]
    return sorted(seen, key=lambda one: -one[1].area)[:at_most]


def main_face(boxes: Sequence[Box], width: int, height: int) -> int:
    """Choose whom the portrait is of, by index into `boxes`.

    The largest face by the area of its box; among those at least `_ALIKE` times as large as the
    largest, the one whose centre is nearest to the picture's.
    """
    centre = Point(width / 2, height / 2)
    largest = max(box.area for box in boxes)
    alike = [index for index, box in enumerate(boxes) if box.area >= _ALIKE * largest]
    return min(alike, key=lambda index: _distance(boxes[index].centre, centre))


def _largest(
    eyes: Point, aspect: float, eye_line: float, degrees: float, width: int, height: int
) -> float:
    """Return the height of the largest frame about the eye point that lies in the photograph."""
    left, right, top, bottom = -aspect / 2, aspect / 2, -eye_line, 1 - eye_line
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    turn = Affine.similarity(1.0, degrees, Point(0.0, 0.0), Point(0.0, 0.0))
    # what a frame of height 1 reaches from the eye point to the left, up, right and down
    offsets = turn.apply(corners)
    reach = (*-offsets.min(axis=0), *offsets.max(axis=0))
    room = (eyes.x, eyes.y, width - eyes.x, height - eyes.y)
    return min(max(space, 0.0) / float(far) for space, far in zip(room, reach, strict=True))


def _tightest(head: float, aspect: float, eye_line: float) -> float:
    """Return the height of the smallest frame that keeps the whole head, with some headroom."""
    nearest_edge = min(eye_line - _LEAST_HEADROOM, 1 - eye_line)
    return head * max(0.5 / nearest_edge, _HEAD_WIDTH / aspect)


def _distance(one: Point, other: Point) -> float:
    return math.hypot(one.x - other.x, one.y - other.y)
