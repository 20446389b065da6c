"""Faces and presets as the tests of the engine's geometry want them."""

from proto.presets import Preset
from vision.faces import Face
from vision.geometry import Affine, Box, Landmarks, Point

SCHOOL = Preset(
    name="school", aspect=(4, 5), head=0.54, eye_line=0.40, full=(2400, 3000), medium=(800, 1000)
)
CORPORATE = Preset(
    name="corporate", aspect=(1, 1), head=0.57, eye_line=0.39, full=(2000, 2000), medium=(800, 800)
)
SPORTS = Preset(
    name="sports", aspect=(4, 5), head=0.32, eye_line=0.30, full=(2400, 3000), medium=(800, 1000)
)
BANNER = Preset(
    name="banner", aspect=(3, 1), head=0.6, eye_line=0.5, full=(3000, 1000), medium=(900, 300)
)
LOW = Preset(
    name="low", aspect=(1, 2), head=0.3, eye_line=0.8, full=(1000, 2000), medium=(400, 800)
)
PRESETS = {preset.name: preset for preset in (SCHOOL, CORPORATE, SPORTS, BANNER, LOW)}


def face(
    x: float = 2000,
    y: float = 1500,
    eyes: float = 100,
    eyes_to_mouth: float | None = None,
    roll: float = 0.0,
) -> Face:
    """A face whose eyes are `eyes` apart around (x, y), tilted by `roll` degrees clockwise."""
    half = eyes / 2
    eyes_to_mouth = 1.05 * eyes if eyes_to_mouth is None else eyes_to_mouth
    level = Landmarks(
        right_eye=Point(x - half, y),
        left_eye=Point(x + half, y),
        nose=Point(x, y + eyes_to_mouth * 0.6),
        mouth=Point(x, y + eyes_to_mouth),
        right_ear=Point(x - eyes, y),
        left_ear=Point(x + eyes, y),
    )
    turn = Affine.similarity(1.0, roll, Point(x, y), Point(x, y))
    marks = Landmarks.from_points(turn.apply(level.to_points()))
    return Face(box=Box(x - eyes, y - eyes * 0.6, 2 * eyes, 2 * eyes), landmarks=marks, score=0.9)
