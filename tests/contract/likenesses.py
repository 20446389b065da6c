"""People who do not exist, and many photographs of each.

Each is the astronaut with eyes, nose and mouth pushed about, always in the same way. To the default
embedder they are people: two of those in `PEOPLE` have a cosine of 0.85 to 0.90, while strangers in
photographs have 0.82 in the middle. So they look alike, as siblings do.
"""

import io

import cv2
import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from tests.contract.schools import File, jpeg

PEOPLE = (0, 1, 2, 9)
STRANGERS = (5, 7, 8, 10)
"""With a cosine of 0.80 to 0.92 to the people; others than these come so near that they could as
well be the same person."""

_FACE = slice(34, 214), slice(142, 302)
"""Rows and columns of the astronaut's face."""
_PUSH_PIXELS = 10.0
_PLACES = 5
"""Along each side of the face, that are pushed in directions of their own."""
_WALL = "#707468"


def person(astronaut: bytes, seed: int) -> Image.Image:
    """Return somebody, 512 x 512."""
    pixels = np.asarray(Image.open(io.BytesIO(astronaut)).convert("RGB"))
    height, width = (part.stop - part.start for part in _FACE)
    fading = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    push = np.random.default_rng(seed).normal(0, _PUSH_PIXELS, (2, _PLACES, _PLACES))
    down, aside = np.mgrid[: pixels.shape[0], : pixels.shape[1]].astype(np.float32)
    for where, of_places in ((aside, push[0]), (down, push[1])):
        smooth = cv2.resize(
            of_places.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
        )
        where[_FACE] += smooth * fading
    return Image.fromarray(cv2.remap(pixels, aside, down, cv2.INTER_CUBIC))


def well_taken(somebody: Image.Image, name: str) -> list[File]:
    """Return photographs as a studio takes and delivers them: turned a little, reduced, darker."""
    turned = {
        f"turned{degrees}": somebody.rotate(
            degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=_WALL
        )
        for degrees in (-15, -10, -5, 5, 10, 15)
    }
    scaled = {
        f"scaled{percent}": somebody.resize((512 * percent // 100,) * 2, Image.Resampling.LANCZOS)
        for percent in (75, 200, 400)
    }
    lit = {
        f"lit{percent}": ImageEnhance.Brightness(somebody).enhance(percent / 100)
        for percent in (50, 70, 115)
    }
    others = {"mirrored": ImageOps.mirror(somebody), "grey": ImageOps.grayscale(somebody)}
    made = {**turned, **scaled, **lit, **others}
    files = [(f"{name}-{way}.jpg", jpeg(picture)) for way, picture in made.items()]
    return [
        *files,
        *((f"{name}-jpeg{quality}.jpg", _saved(somebody, quality)) for quality in (25, 50)),
    ]


def badly_taken(somebody: Image.Image, name: str) -> list[File]:
    """Return photographs that lost a part of what tells people: too far away, far too bright."""
    return [
        (f"{name}-far.jpg", jpeg(somebody.resize((154, 154), Image.Resampling.LANCZOS))),
        (f"{name}-bright.jpg", jpeg(ImageEnhance.Brightness(somebody).enhance(1.8))),
    ]


def side_by_side(name: str, *people: Image.Image) -> File:
    """Return a photograph of several, from left to right."""
    wide = Image.new("RGB", (560 * len(people), 560), _WALL)
    for place, somebody in enumerate(people):
        wide.paste(somebody, (560 * place + 24, 48))
    return f"{name}.jpg", jpeg(wide)


def _saved(picture: Image.Image, quality: int) -> bytes:
    into = io.BytesIO()
    picture.save(into, "JPEG", quality=quality)
    return into.getvalue()
