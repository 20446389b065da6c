"""Whether a face will look well in print: how sharp it is and how it is exposed.

Plain functions for threads. They are measured within the box that the detector finds, from brows to
chin, because a blurred wall behind a sharp face is no fault, and a sharp one behind a blurred face
no merit.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.geometry import Box
from vision.picture import Pixels

BLURRED = 0.25
"""A face whose sharpness is less looks soft at the medium print.

In 23 faces of 19 press and film photographs, 84 to 485 pixels wide, originals measured 0.53 to
1.79 and, blurred by a Gaussian with a sigma of 1 % of the face's width, 0.33 to 0.96. With a sigma
of 2 % they measured 0.11 to 0.30, of 3 % 0.05 to 0.15, and smeared by motion over 10 % 0.09 to
0.26. Coarse noise over a blurred face can pass for detail."""

_SIDE = 96
"""Pixels across a face. On a medium print, where a face is about an inch wide, one is a quarter of
a millimetre: what is finer does not show, and noise averages away."""
_FINE, _MIDDLE, _COARSE = 0.8, 2.0, 8.0
"""Gaussians, in those pixels, between which detail counts as fine and as coarse."""
_INVISIBLE = 0.05
"""Squared levels of 255 to the pixel; keeps a face without any structure from being sharp."""

_LUMA = np.array((0.2126, 0.7152, 0.0722), np.float32)
"""Rec. 709."""
_NEARLY_BLACK = 12
_NEARLY_WHITE = 250

_UNDER_MEAN = 0.20
_UNDER_HIGHLIGHT = 0.33
_UNDER_DARK = 0.5
_OVER_BRIGHT = 0.20
"""Of the same faces none is called under- or overexposed. Darkened by three stops 14 are called
underexposed and by four all; lightened by two stops 17 are called overexposed."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """How light a face is."""

    mean: float
    """Luma, 0 to 1, on code values as they are stored."""
    highlight: float
    """The luma that only a twentieth of the face exceeds, 0 to 1: forehead, nose, eyes."""
    dark: float
    """Fraction of pixels that are nearly black."""
    bright: float
    """Fraction of pixels that are nearly white, or burnt out in two channels."""

    @property
    def underexposed(self) -> bool:
        """Too dark to print, for want of light rather than for the colour of the skin.

        Dark skin in good light is dark on average and still has highlights, so a low mean alone
        is no fault: there must be no light place in the face, or much of it must be black.
        """
        without_light = self.highlight < _UNDER_HIGHLIGHT or self.dark > _UNDER_DARK
        return self.mean < _UNDER_MEAN and without_light

    @property
    def overexposed(self) -> bool:
        """Burnt out: what is white holds no detail that a darker print could bring back."""
        return self.bright > _OVER_BRIGHT


def sharpness(pixels: Pixels, box: Box) -> float:
    """Measure how much fine detail a face shows for its coarse detail.

    The face is reduced to 96 pixels, so that the size of the photograph does not count; a smaller
    one is not enlarged, and whether it has enough pixels is another question. Detail of one to two
    pixels is set against detail of two to eight, which cancels brightness, contrast and how
    wrinkled or bearded the person is. Of the fine detail the direction with the least counts (the
    smaller eigenvalue of the structure tensor), because motion blurs in one direction only.

    Args:
        pixels: uint8 [height, width, 3] RGB.
        box: The face, in pixels of the picture; what lies outside is left out.

    Returns:
        0 for none; 0.5 to 2 for a photograph in focus; see BLURRED.
    """
    face = _reduced(_face(pixels, box))
    if face.size == 0:
        return 0.0
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine, middle, coarse = (
        cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (_FINE, _MIDDLE, _COARSE)
    )
    least, _ = _energy(fine - middle)
    low, high = _energy(middle - coarse)
    return least / ((low + high) / 2 + _INVISIBLE)


def exposure(pixels: Pixels, box: Box) -> Exposure:
    """Measure how light a face is.

    Args:
        pixels: uint8 [height, width, 3] sRGB.
        box: The face, in pixels of the picture; what lies outside is left out.

    Returns:
        Measures of the face; all 0 if the box lies outside the picture.
    """
    face = _reduced(_face(pixels, box))
    if face.size == 0:
        return Exposure(0.0, 0.0, 0.0, 0.0)
    luma = face @ _LUMA
    burnt = (face >= _NEARLY_WHITE).sum(axis=2) >= 2
    return Exposure(
        mean=float(luma.mean()) / 255,
        highlight=float(np.percentile(luma, 95)) / 255,
        dark=float((luma <= _NEARLY_BLACK).mean()),
        bright=float((burnt | (luma >= _NEARLY_WHITE)).mean()),
    )


def _face(pixels: Pixels, box: Box) -> Pixels:
    inside = box.clipped(pixels.shape[1], pixels.shape[0])
    return pixels[round(inside.y) : round(inside.bottom), round(inside.x) : round(inside.right)]


def _reduced(face: Pixels) -> Pixels:
    height, width = face.shape[:2]
    factor = _SIDE / max(width, height, 1)
    if factor >= 1 or face.size == 0:
        return face
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(face, size, interpolation=cv2.INTER_AREA), np.uint8)


def _energy(detail: NDArray[np.float32]) -> tuple[float, float]:
    """Mean squared slope along the direction with the least and the one with the most."""
    x = cv2.Sobel(detail, cv2.CV_32F, 1, 0, scale=1 / 8)
    y = cv2.Sobel(detail, cv2.CV_32F, 0, 1, scale=1 / 8)
    along, down, across = float((x * x).mean()), float((y * y).mean()), float((x * y).mean())
    middle, spread = (along + down) / 2, float(np.hypot((along - down) / 2, across))
    return middle - spread, middle + spread
