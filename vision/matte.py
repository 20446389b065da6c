"""Cutting a person out of the background.

The network sees the whole picture as 256 x 256 pixels and answers with a soft outline. A guided
filter (He, Sun and Tang, "Guided Image Filtering", 2010; "Fast Guided Filter", 2015) then moves
that outline to the edges of the picture: within a small window it takes the matte to be an affine
function of colour, fits the function on a reduced copy, and applies it to every pixel.

At half-transparent pixels, hair above all, the old background shows through. Before a person is put
on another one, the colour they would have there without it is estimated by blur fusion (Forte,
"Approximate Fast Foreground Colour Estimation", 2021).

Good for head and shoulders. Single hairs that fly are lost, a person who leans on another or on an
object keeps a piece of it, and hair before a background of its own colour gets a soft edge.
"""

import asyncio
from itertools import combinations_with_replacement
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.models import SIGNATURES, ModelName, Models, Tensor
from vision.picture import Pixels
from vision.resize import reduce_to

Alpha: TypeAlias = NDArray[np.float32]
"""[height, width], 0 background to 1 person."""
Colour: TypeAlias = tuple[int, int, int]
"""sRGB, 0 to 255."""

_Floats: TypeAlias = NDArray[np.float32]
_Places: TypeAlias = NDArray[np.intp]
"""Indices of pixels, counted row by row."""

_SEEN = SIGNATURES[ModelName.PERSON_MATTE].input_shape[0]
_DOUBT = (0.2, 0.6)
"""Between these the network's answer is stretched to 0 and 1. It is half sure of ears and of hair
against a like background, which would show as ghosts; the soft edges come from the filter."""
_GUIDE_SIDE = 512
"""Longer side of the copy on which the filter is fitted: twice what the network saw."""
_RADIUS = 6
"""Of the window, in pixels of that copy; the network's outline is mostly off by less."""
_FLAT = 20.0
"""Variance of colour, in squared levels of 255, below which a window counts as flat and its matte
is averaged."""
_HAZE = (0.15, 0.9)
"""What the filter leaves beside these, a haze outside and holes inside, becomes 0 and 1."""

_FUSION_SIDE = 512
"""Longer side of the copy on which the colours of person and background are averaged."""
_FUSION_RADII = (24, 3)
"""First from afar, for where the edge is wide, then from close by."""
_LEAST_WEIGHT = 1e-7


async def matte(models: Models, pixels: Pixels) -> Alpha:
    """Tell how much of each pixel is person.

    The network looks twice, the second time into a mirror, and the mean counts. Work on pixels
    runs in the event loop's default executor.

    Args:
        models: Where to run the network.
        pixels: uint8 [height, width, 3] sRGB of any size; a portrait rather than a group.

    Returns:
        float32 [height, width], 0 to 1.

    Raises:
        ModelError: See `Models.infer`.
    """
    batch = await asyncio.to_thread(_seen, pixels)
    answer = await models.infer(ModelName.PERSON_MATTE, batch)
    return await asyncio.to_thread(_refined, pixels, answer)


def onto(pixels: Pixels, alpha: Alpha, colour: Colour) -> Pixels:
    """Put a person on a uniform background.

    Mixed in code values rather than in linear light, because the matte is fitted in code values: in
    linear light hair got purple and brown fringes on saturated backgrounds and frayed on white.

    Args:
        pixels: uint8 [height, width, 3] sRGB.
        alpha: [height, width], see `matte`.
        colour: Of the new background.

    Returns:
        uint8 [height, width, 3]; `pixels` where alpha is 1 and `colour` where it is 0.
    """
    result = np.full(pixels.shape, colour, np.uint8)
    cv2.copyTo(pixels, _whole(alpha), result)
    edge = _edge(alpha)
    share = alpha.reshape(-1, 1)[edge]
    mixed = share * _person(pixels, alpha, edge) + (1 - share) * np.array(colour, np.float32)
    result.reshape(-1, 3)[edge] = np.rint(mixed)
    return result


def with_alpha(pixels: Pixels, alpha: Alpha) -> Pixels:
    """Give a picture a transparent background.

    Args:
        pixels: uint8 [height, width, 3] sRGB.
        alpha: [height, width], see `matte`.

    Returns:
        uint8 [height, width, 4] with straight alpha; black where nothing is left.
    """
    colours = np.zeros(pixels.shape, np.uint8)
    cv2.copyTo(pixels, _whole(alpha), colours)
    edge = _edge(alpha)
    colours.reshape(-1, 3)[edge] = np.rint(_person(pixels, alpha, edge))
    return np.dstack((colours, np.rint(alpha * 255).astype(np.uint8)))


def _seen(pixels: Pixels) -> Pixels:
    """Squeeze the picture into the network's square, as MediaPipe does; and mirror it."""
    seen = np.asarray(cv2.resize(pixels, (_SEEN, _SEEN), interpolation=cv2.INTER_AREA), np.uint8)
    return np.stack((seen, seen[:, ::-1]))


def _refined(pixels: Pixels, answer: Tensor) -> Alpha:
    """Fit the network's outline to the picture's edges."""
    outline = _stretched((answer[0] + answer[1, :, ::-1]) / 2, _DOUBT)
    guide = reduce_to(pixels, _GUIDE_SIDE).pixels.astype(np.float32)
    *slopes, offset = _fitted(guide, _resized(outline, guide))
    alpha = _resized(offset, pixels)
    for channel, slope in enumerate(slopes):
        alpha += _resized(slope, pixels) * pixels[..., channel]
    return _stretched(alpha, _HAZE)


def _stretched(alpha: Alpha, ends: tuple[float, float]) -> Alpha:
    low, high = ends
    stretched: Alpha = np.clip((alpha - low) * (1 / (high - low)), 0, 1)
    return stretched


def _fitted(guide: _Floats, target: _Floats) -> list[_Floats]:
    """Fit target = red r + green g + blue b + offset around each pixel (He et al., colour guide).

    Returns:
        The three slopes and the offset, each averaged over the windows that a pixel lies in.
    """
    channels = [np.ascontiguousarray(guide[..., channel]) for channel in range(3)]
    means = [_mean(channel) for channel in channels]
    target_mean = _mean(target)
    rr, rg, rb, gg, gb, bb = (
        _mean(channels[i] * channels[k]) - means[i] * means[k] + (_FLAT if i == k else 0)
        for i, k in combinations_with_replacement(range(3), 2)
    )
    r, g, b = (_mean(channels[i] * target) - means[i] * target_mean for i in range(3))
    # The 3 x 3 system of every pixel at once, by LDL decomposition.
    lg, lb = rg / rr, rb / rr
    dg = gg - lg * rg
    lgb = (gb - lb * rg) / dg
    g -= lg * r
    b -= lb * r + lgb * g
    blue = b / (bb - lb * rb - lgb * lgb * dg)
    green = g / dg - lgb * blue
    red = r / rr - lg * green - lb * blue
    offset = target_mean - red * means[0] - green * means[1] - blue * means[2]
    return [_mean(plane) for plane in (red, green, blue, offset)]


def _mean(values: NDArray[Any], radius: int = _RADIUS) -> _Floats:
    """Average over the window about each pixel."""
    side = 2 * radius + 1
    averaged = cv2.boxFilter(values, -1, (side, side), borderType=cv2.BORDER_REFLECT)
    return np.asarray(averaged, np.float32)


def _whole(alpha: Alpha) -> NDArray[np.uint8]:
    return (alpha >= 1).view(np.uint8)


def _edge(alpha: Alpha) -> _Places:
    return np.flatnonzero((alpha > 0) & (alpha < 1))


def _person(pixels: Pixels, alpha: Alpha, edge: _Places) -> _Floats:
    """Estimate the person's own colours, 0 to 255, [n, 3], at the pixels of `edge`."""
    seen = person = rest = reduce_to(pixels, _FUSION_SIDE).pixels.astype(np.float32)
    share = _resized(alpha, seen)[..., None]
    for radius in _FUSION_RADII:
        near = _weighted_mean(person, share, radius)
        rest = _weighted_mean(rest, 1 - share, radius)
        person = _fused(seen, share, near, rest)
    return _fused(
        pixels.reshape(-1, 3)[edge],
        alpha.reshape(-1, 1)[edge],
        _resized(near, pixels).reshape(-1, 3)[edge],
        _resized(rest, pixels).reshape(-1, 3)[edge],
    )


def _weighted_mean(values: _Floats, share: _Floats, radius: int) -> _Floats:
    """Average where `share` is nearly 1, and elsewhere only for want of such a place.

    The fourth power takes three quarters off the error that the share itself leaves, because
    a half-transparent pixel shows the other side as well.
    """
    squared = share * share
    weights = squared * squared
    total = _mean(weights, radius)[..., None]
    return _mean(values * weights, radius) / (total + _LEAST_WEIGHT)


def _fused(seen: _Floats | Pixels, alpha: _Floats, person: _Floats, rest: _Floats) -> _Floats:
    """Move the person's mean colour so that it explains, with the background's, what is seen."""
    fused: _Floats = person + alpha * (seen - alpha * person - (1 - alpha) * rest)
    return np.clip(fused, 0, 255, out=fused)


def _resized(plane: _Floats, like: NDArray[Any]) -> _Floats:
    """Bring to the height and width of `like`."""
    height, width = like.shape[:2]
    how = cv2.INTER_AREA if width < plane.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane, (width, height), interpolation=how), np.float32)
