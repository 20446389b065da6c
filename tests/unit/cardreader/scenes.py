"""Photographs of cards, made up: a card in space, seen by a camera that is not perfect."""

from dataclasses import dataclass

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray
from zxingcpp import BarcodeFormat

Pixels = NDArray[np.uint8]

WIDTH, HEIGHT = 3000, 2000
TEXT = "DR1:ADNZ4AANBZTV7FCTKRKS2MBQGAYTEMYLMB25VUJJORPQ"
"""As long as a card's text is when the id has 10 characters."""
_QUIET_MODULES = 4
_MODULE_PIXELS = 12
_PAPER, _INK = 236, 24


@dataclass(frozen=True)
class Shot:
    """How a card is seen."""

    text: str = TEXT
    format: BarcodeFormat = BarcodeFormat.QRCode
    part: float = 0.15
    """Of the frame's width that the symbol takes, without its quiet zone."""
    centre: tuple[float, float] = (0.5, 0.5)
    degrees: float = 0.0
    tilt: tuple[float, float] = (0.0, 0.0)
    """Degrees about the card's upright and lying axes."""


def symbol(text: str = TEXT, format: BarcodeFormat = BarcodeFormat.QRCode) -> Pixels:  # noqa: A002
    """One sample per module, quiet zone included: 0 is ink, 255 is paper."""
    options = {"ec_level": "M"} if format == BarcodeFormat.QRCode else {}
    code = zxingcpp.create_barcode(text, format, **options)
    bare = np.asarray(code.to_image(1, add_quiet_zones=False), np.uint8)
    return np.pad(bare, _QUIET_MODULES, constant_values=255)


def background(width: int = WIDTH, height: int = HEIGHT, seed: int = 1) -> Pixels:
    """Shapes of several sizes and colours, and edges, as a room has."""
    random = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 110, np.float32)
    for cells, strength in ((5, 90), (24, 40), (110, 22)):
        coarse = random.normal(0, strength, (cells * height // width + 1, cells, 3))
        picture += cv2.resize(coarse.astype(np.float32), (width, height))
    for _ in range(40):
        x, y = random.integers(0, width), random.integers(0, height)
        wide, high = random.integers(width // 60, width // 6, 2)
        colour = tuple(float(c) for c in random.integers(20, 235, 3))
        cv2.rectangle(picture, (int(x), int(y)), (int(x + wide), int(y + high)), colour, -1)
    return np.clip(picture, 0, 255).astype(np.uint8)


def photograph(*shots: Shot, width: int = WIDTH, height: int = HEIGHT, seed: int = 1) -> Pixels:
    """Cards in a room, sharp and evenly lit."""
    picture = background(width, height, seed)
    for shot in shots:
        _place(picture, shot)
    return picture


def _place(picture: Pixels, shot: Shot) -> None:
    modules = symbol(shot.text, shot.format)
    grey = np.where(modules > 127, _PAPER, _INK).astype(np.uint8)
    side = grey.shape[0] * _MODULE_PIXELS
    card = cv2.resize(grey, (side, side), interpolation=cv2.INTER_NEAREST)
    height, width = picture.shape[:2]
    whole = shot.part * width * grey.shape[0] / (grey.shape[0] - 2 * _QUIET_MODULES)
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * whole / 2
    about = [np.radians(a) for a in (shot.tilt[1], shot.tilt[0], shot.degrees)]
    for axis, angle in enumerate(about):
        corners = corners @ cv2.Rodrigues(np.eye(3)[axis] * angle)[0].T
    far = 1.2 * width
    seen = corners[:, :2] * (far / (far + corners[:, 2:]))
    seen += np.array(shot.centre) * (width, height)
    left, top = np.maximum(np.floor(seen.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(seen.max(axis=0)).astype(int) + 2, (width, height))
    flat = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    # made at twice the size and averaged, as a sensor averages over its cells
    corners = (2 * (seen - (left, top))).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(flat, corners)
    wide, high = int(right - left), int(bottom - top)
    ink, mask = (
        cv2.resize(
            cv2.warpPerspective(layer, matrix, (2 * wide, 2 * high), flags=cv2.INTER_LINEAR),
            (wide, high),
            interpolation=cv2.INTER_AREA,
        )[:, :, None].astype(np.float32)
        for layer in (card, np.full_like(card, 255))
    )
    place = picture[top:bottom, left:right]
    place[:] = (ink + place * (1 - mask / 255)).astype(np.uint8)


def moved(picture: Pixels, pixels: int, degrees: float = 20) -> Pixels:
    """Blurred by a movement of so many pixels."""
    kernel = np.zeros((pixels, pixels), np.float32)
    kernel[pixels // 2] = 1
    turn = cv2.getRotationMatrix2D(((pixels - 1) / 2, (pixels - 1) / 2), degrees, 1)
    kernel = cv2.warpAffine(kernel, turn, (pixels, pixels))
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.uint8)


def unsharp(picture: Pixels, sigma: float) -> Pixels:
    """Out of focus."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def noisy(picture: Pixels, sigma: float, seed: int = 1) -> Pixels:
    """With the noise of a high sensitivity: standard deviation in code values."""
    random = np.random.default_rng(seed)
    grain = random.normal(0, sigma, picture.shape).astype(np.float32)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def shaded(picture: Pixels, darkest: float) -> Pixels:
    """Light that falls off from one corner to the other, to `darkest` of what it was."""
    height, width = picture.shape[:2]
    along = np.linspace(0, 0.5, width)[None, :] + np.linspace(0, 0.5, height)[:, None]
    return (picture * (1 - (1 - darkest) * along)[:, :, None]).astype(np.uint8)


def glaring(
    picture: Pixels, centre: tuple[float, float], width: float, strength: float = 200
) -> Pixels:
    """A bright band through `centre` at 30 degrees, `width` of the frame's width wide."""
    height, wide = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:wide].astype(np.float32)
    away = (x - centre[0] * wide) * 0.5 - (y - centre[1] * height) * 0.866
    light = strength * np.exp(-((away / (width * wide / 2)) ** 2))
    return np.clip(picture + light[:, :, None], 0, 255).astype(np.uint8)
