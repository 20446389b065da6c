"""How a portrait came out: measured on what was drawn, and what a person should look at."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from proto.facecrop import DrawnFile, Flag, Receipt, Warned
from proto.presets import Preset, Size
from services.facecrop.framing import Frame, eye_distance, head_beyond, head_height
from vision.colour import to_srgb
from vision.faces import Face, look_again
from vision.geometry import Box
from vision.models import Models
from vision.picture import Picture, Pixels
from vision.quality import BLURRED, Exposure, exposure, sharpness
from vision.resize import reduce_to

_DIGITS = 4
"""After the point, in what is told: a tenth of a pixel on the medium file."""

_HEAD_BEYOND = 0.03
"""Of the head's height, that may lie beyond the photograph: less is within the estimate's error."""

_EXPOSURE_SIDE = 256
"""Longer side of the copy of a face whose colours are converted to tell how light it is."""


@dataclass(frozen=True, slots=True)
class Looks:
    """How the face looks in the photograph."""

    sharpness: float
    exposure: Exposure


@dataclass(frozen=True, slots=True)
class Stance:
    """Where a face stands in a frame, in fractions of its height and degrees."""

    eye_line: float
    head: float
    eye_distance: float
    roll: float
    measured: bool
    """Whether it was seen there, and not only meant to be."""


def looks(picture: Picture, box: Box) -> Looks:
    """Tell how sharp and how light the face in a box of the photograph is."""
    inside = box.clipped(picture.width, picture.height)
    face = picture.pixels[
        round(inside.y) : round(inside.bottom), round(inside.x) : round(inside.right)
    ]
    if face.size == 0:
        return Looks(sharpness(face, inside), exposure(face, inside))
    small = to_srgb(reduce_to(face, _EXPOSURE_SIDE).pixels, picture.profile)
    return Looks(sharpness(face, _whole(face)), exposure(small, _whole(small)))


async def seen(models: Models, face: Face, place: Frame, medium: Pixels) -> Stance:
    """Measure where the face stands in the finished medium portrait.

    The detector looks once more, at where the plan put the face, and what it sees there counts. If
    it sees no face, as it may not in one that is half covered or at the edge, the plan is all that
    is known of the portrait, and is told instead, as not measured.

    Args:
        models: Where to run the detector.
        face: As it was found in the photograph.
        place: Where the frame was put.
        medium: uint8 [height, width, 3] sRGB.

    Raises:
        ModelError: See `Models.infer`.
    """
    height = medium.shape[0]
    scale = height / place.height
    centre = place.from_photo(face.box.centre)
    expected = Box.around(centre, face.box.width, face.box.height).scaled(scale, scale)
    again = await look_again(models, medium, expected, face.roll - place.degrees)
    if again is None:
        return planned(face, place)
    return Stance(
        eye_line=again.landmarks.eye_centre.y / height,
        head=head_height(again) / height,
        eye_distance=eye_distance(again) / height,
        roll=again.roll,
        measured=True,
    )


def planned(face: Face, place: Frame) -> Stance:
    """Return where the frame was meant to have the face."""
    return Stance(
        eye_line=place.from_photo(face.landmarks.eye_centre).y / place.height,
        head=head_height(face) / place.height,
        eye_distance=eye_distance(face) / place.height,
        roll=face.roll - place.degrees,
        measured=False,
    )


def receipt(
    stance: Stance, place: Frame, preset: Preset, look: Looks, drawn: dict[str, DrawnFile]
) -> Receipt:
    """Put together what was measured, what follows from the frame, and what was `drawn`."""
    return Receipt(
        eye_line=round(stance.eye_line, _DIGITS),
        head=round(stance.head, _DIGITS),
        eye_distance=round(stance.eye_distance, _DIGITS),
        roll=round(stance.roll, _DIGITS),
        rotated=round(0.0 - place.degrees, _DIGITS),
        scale=_scale(preset.medium, place),
        print_dpi=round(place.height / (preset.full[1] / preset.dpi)),
        sharpness=round(look.sharpness, _DIGITS),
        brightness=round(look.exposure.mean, _DIGITS),
        measured=stance.measured,
        files=drawn,
    )


def files(place: Frame, cut: Size, original: Size, preset: Preset) -> dict[str, DrawnFile]:
    """Tell of every file what had to be done to fill it, by the names that links have.

    Args:
        place: Where the frame was put.
        cut: Of the crop as it was cut out, at the photograph's own resolution.
        original: Of the crop as it is delivered; larger than `cut` if it was sharpened.
        preset: What else is drawn.
    """
    sizes = {"original": original, "medium": preset.medium, **preset.sizes}
    return {name: _file(size, cut, place) for name, size in sizes.items()}


def flags(drawn: Mapping[str, DrawnFile]) -> list[Flag]:
    """Tell what applies to any of the files."""
    told: set[Flag] = {flag for file in drawn.values() for flag in file.flags}
    return [flag for flag in get_args(Flag) if flag in told]


def warnings(
    face: Face, picture: Picture, measured: Receipt, look: Looks, preset: Preset, enhanced: bool
) -> list[Warned]:
    """Tell what a person should look at before printing."""
    told: dict[Warned, bool] = {
        "face_small_for_print": measured.print_dpi < preset.dpi and not enhanced,
        "blurred": look.sharpness < BLURRED,
        "underexposed": look.exposure.underexposed,
        "overexposed": look.exposure.overexposed,
        "head_cut": head_beyond(face, picture.width, picture.height) > _HEAD_BEYOND,
    }
    return [warning for warning, applies in told.items() if applies]


def _file(size: Size, cut: Size, place: Frame) -> DrawnFile:
    told: dict[Flag, bool] = {
        "oversized": place.oversized,
        "padded": place.padded,
        "upscaled": size[0] > cut[0],
    }
    return DrawnFile(
        width=size[0],
        height=size[1],
        scale=_scale(size, place),
        flags=[flag for flag, applies in told.items() if applies],
    )


def _scale(size: Size, place: Frame) -> float:
    """Return the pixels of a file for one of the photograph; a frame is cut in whole pixels."""
    if abs(size[1] - place.height) < 1:
        return 1.0
    return round(size[1] / place.height, _DIGITS)


def _whole(pixels: Pixels) -> Box:
    return Box(0.0, 0.0, pixels.shape[1], pixels.shape[0])
