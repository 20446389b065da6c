"""Where to cut: from a face's landmarks and a preset to a rectangle of the photograph.

The frame stands upright and is never distorted. Where it does not fit into the photograph it is
shrunk around the eye point, which keeps the eyes where the preset wants them, as long as the crown
keeps `_LEAST_HEADROOM` from the top edge; what is still outside then is padded.
"""

import math
from dataclasses import dataclass

from services.facecrop.presets import Preset
from vision.faces import Face
from vision.geometry import Box, Point

_HEAD_PER_EYE_DISTANCE = 3.6
"""Crown to chin over the distance of the pupils: 225 mm over 63 mm in adults, and nearly the same
in children (190 over 52). The distance of the eyes is the steadiest measure of a frontal face."""

_HEAD_PER_EYES_TO_MOUTH = 3.3
"""Crown to chin over eyes to mouth, for faces turned aside, whose eyes stand close together."""

_TURNED = 1.15
"""Only where eyes to mouth says this much more than the eye distance is the face taken as turned;
below that it would only add its own noise."""

_LEAST_HEADROOM = 0.06
"""Of the frame's height, above the crown: hair reaches higher than the skull that is measured."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What to cut out, in pixels of the upright photograph; may reach beyond its edges."""

    box: Box
    shrunk: bool
    padded: bool


def head_height(face: Face) -> float:
    """Return crown to chin in pixels, estimated from eyes and mouth."""
    marks = face.landmarks
    by_eyes = _HEAD_PER_EYE_DISTANCE * _distance(marks.right_eye, marks.left_eye)
    by_mouth = _HEAD_PER_EYES_TO_MOUTH * _distance(marks.eye_centre, marks.mouth)
    return max(by_eyes, by_mouth / _TURNED)


def frame(face: Face, preset: Preset, width: int, height: int) -> Frame:
    """Place the preset's frame around a face in a photograph of `width` by `height` pixels."""
    eyes = face.landmarks.eye_centre
    wanted = head_height(face) / preset.head
    aspect = preset.aspect[0] / preset.aspect[1]
    fits = min(
        eyes.y / preset.eye_line,
        (height - eyes.y) / (1 - preset.eye_line),
        2 * min(eyes.x, width - eyes.x) / aspect,
    )
    tightest = head_height(face) / (2 * (preset.eye_line - _LEAST_HEADROOM))
    frame_height = min(wanted, max(fits, tightest))
    box = Box(
        x=eyes.x - aspect * frame_height / 2,
        y=eyes.y - preset.eye_line * frame_height,
        width=aspect * frame_height,
        height=frame_height,
    )
    return Frame(box=box, shrunk=frame_height < wanted, padded=frame_height > fits)


def main_face(faces: list[Face]) -> Face:
    """Choose whom the portrait is of: the largest face, as the nearest to the camera."""
    return max(faces, key=lambda face: face.box.area)


def _distance(one: Point, other: Point) -> float:
    return math.hypot(one.x - other.x, one.y - other.y)
