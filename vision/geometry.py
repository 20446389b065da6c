"""Points, boxes, face landmarks and the maps between pictures.

Coordinates are in pixels of the upright picture, x to the right and y down, measured from the outer
corner of the first pixel, so that the centre of that pixel is (0.5, 0.5).
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""[n, 2] x and y."""


@dataclass(frozen=True, slots=True)
class Point:
    """A place in a picture."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with upright sides; may reach beyond the picture."""

    x: float
    """Left edge."""
    y: float
    """Top edge."""
    width: float
    height: float

    @classmethod
    def around(cls, centre: Point, width: float, height: float) -> Self:
        """The box of this size about a centre."""
        return cls(centre.x - width / 2, centre.y - height / 2, width, height)

    @property
    def right(self) -> float:
        """Right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Bottom edge."""
        return self.y + self.height

    @property
    def centre(self) -> Point:
        """The middle."""
        return Point(self.x + self.width / 2, self.y + self.height / 2)

    @property
    def area(self) -> float:
        """In square pixels."""
        return self.width * self.height

    def scaled(self, factor_x: float, factor_y: float) -> "Box":
        """The same box in a picture enlarged by these factors."""
        return Box(
            self.x * factor_x, self.y * factor_y, self.width * factor_x, self.height * factor_y
        )

    def clipped(self, width: float, height: float) -> "Box":
        """The part that lies within a picture of this size; empty (area 0) if none does."""
        left, top = min(max(self.x, 0.0), width), min(max(self.y, 0.0), height)
        right, bottom = max(min(self.right, width), left), max(min(self.bottom, height), top)
        return Box(left, top, right - left, bottom - top)

    def shared_area(self, other: "Box") -> float:
        """Area common to both, in square pixels."""
        wide = min(self.right, other.right) - max(self.x, other.x)
        high = min(self.bottom, other.bottom) - max(self.y, other.y)
        return max(wide, 0.0) * max(high, 0.0)

    def iou(self, other: "Box") -> float:
        """Intersection over union, 0 (apart) to 1 (equal)."""
        shared = self.shared_area(other)
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0

    def containment(self, other: "Box") -> float:
        """How much of the smaller box lies within the larger one, 0 to 1."""
        smaller = min(self.area, other.area)
        return self.shared_area(other) / smaller if smaller > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Six points of a face. Right and left are the person's own.

    In an upright portrait the right eye is therefore on the left side of the picture.
    """

    right_eye: Point
    left_eye: Point
    nose: Point
    """Its tip."""
    mouth: Point
    """Its middle."""
    right_ear: Point
    """The tragion, the notch above the ear's opening."""
    left_ear: Point

    @classmethod
    def from_points(cls, points: Points) -> Self:
        """From six rows in the order of the fields."""
        return cls(*(Point(float(x), float(y)) for x, y in points))

    def to_points(self) -> Points:
        """Six rows in the order of the fields."""
        six = (
            self.right_eye,
            self.left_eye,
            self.nose,
            self.mouth,
            self.right_ear,
            self.left_ear,
        )
        return np.array([(point.x, point.y) for point in six])

    @property
    def eye_centre(self) -> Point:
        """The middle between the eyes."""
        return Point(
            (self.right_eye.x + self.left_eye.x) / 2, (self.right_eye.y + self.left_eye.y) / 2
        )

    @property
    def roll(self) -> float:
        """Degrees, -180 to 180, by which the eye line is turned clockwise; 0 is level."""
        wide, high = self.left_eye.x - self.right_eye.x, self.left_eye.y - self.right_eye.y
        return math.degrees(math.atan2(high, wide))

    def scaled(self, factor_x: float, factor_y: float) -> "Landmarks":
        """The same points in a picture enlarged by these factors."""
        return Landmarks.from_points(self.to_points() * (factor_x, factor_y))


@dataclass(frozen=True, slots=True)
class Affine:
    """A map of points: x' = xx x + xy y + x0, y' = yx x + yy y + y0."""

    xx: float
    xy: float
    x0: float
    yx: float
    yy: float
    y0: float

    @classmethod
    def scale_and_move(cls, scale_x: float, scale_y: float, x0: float, y0: float) -> Self:
        """Scale about the origin, then move."""
        return cls(scale_x, 0.0, x0, 0.0, scale_y, y0)

    @classmethod
    def similarity(cls, scale: float, degrees: float, source: Point, target: Point) -> Self:
        """Take `source` to `target`, turning clockwise and scaling about it."""
        cosine = scale * math.cos(math.radians(degrees))
        sine = scale * math.sin(math.radians(degrees))
        return cls(
            cosine,
            -sine,
            target.x - cosine * source.x + sine * source.y,
            sine,
            cosine,
            target.y - sine * source.x - cosine * source.y,
        )

    @property
    def scale(self) -> float:
        """Mean enlargement of lengths."""
        return math.sqrt(abs(self.xx * self.yy - self.xy * self.yx))

    def matrix(self) -> NDArray[np.float64]:
        """As two rows of three."""
        return np.array([[self.xx, self.xy, self.x0], [self.yx, self.yy, self.y0]])

    def opencv_matrix(self) -> NDArray[np.float64]:
        """As two rows of three for OpenCV's warps, which count from the centre of a pixel."""
        matrix = self.matrix()
        matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
        return matrix

    def apply(self, points: Points) -> Points:
        """Map [..., 2] points."""
        matrix = self.matrix()
        mapped: Points = points @ matrix[:, :2].T + matrix[:, 2]
        return mapped

    def after(self, first: "Affine") -> "Affine":
        """The map that does `first`, then this one."""
        outer, inner = self.matrix(), first.matrix()
        turn = outer[:, :2] @ inner[:, :2]
        move = outer[:, :2] @ inner[:, 2] + outer[:, 2]
        return Affine(*(float(value) for value in (*turn[0], move[0], *turn[1], move[1])))

    def inverse(self) -> "Affine":
        """The way back. Raises numpy.linalg.LinAlgError if there is none."""
        matrix = self.matrix()
        turn = np.linalg.inv(matrix[:, :2])
        move = -turn @ matrix[:, 2]
        return Affine(*(float(value) for value in (*turn[0], move[0], *turn[1], move[1])))
