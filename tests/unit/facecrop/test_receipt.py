import msgspec
import numpy as np
import pytest

from proto.facecrop import DrawnFile, Flag, Warned
from proto.presets import Preset
from services.facecrop import receipt
from services.facecrop.framing import frame
from tests.unit.facecrop.faces import SCHOOL, face
from vision.faces import Face
from vision.geometry import Box
from vision.picture import Format, Picture, Pixels

ROOM = Picture(np.full((3000, 4000, 3), 128, np.uint8), None, Format.PNG)


LARGE = Picture(np.full((6000, 6000, 3), 128, np.uint8), None, Format.PNG)


def patterned(low: int, high: int) -> Pixels:
    """Squares of two greys, which is as sharp as can be at the size that faces are judged at."""
    rows, columns = np.mgrid[0:960, 0:960] // 20
    grey = np.where((rows + columns) % 2, high, low).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def looks(pixels: Pixels) -> receipt.Looks:
    picture = Picture(pixels, None, Format.PNG)
    return receipt.looks(picture, Box(0, 0, pixels.shape[1], pixels.shape[0]))


SHARP = looks(patterned(90, 160))


def warned(
    seen: Face, look: receipt.Looks = SHARP, picture: Picture = ROOM, enhanced: bool = False
) -> list[Warned]:
    place = frame(seen, SCHOOL, picture.width, picture.height)
    measured = receipt.receipt(receipt.planned(seen, place), place, SCHOOL, look, {})
    return receipt.warnings(seen, picture, measured, look, SCHOOL, enhanced)


def drawn(seen: Face, preset: Preset = SCHOOL, enhanced: bool = False) -> dict[str, DrawnFile]:
    place = frame(seen, preset, 4000, 3000)
    cut = round(place.width), round(place.height)
    return receipt.files(place, cut, preset.full if enhanced else cut, preset)


def test_a_sharp_face_with_pixels_and_room_is_warned_of_nothing() -> None:
    assert warned(face(3000, 3000, eyes=460), picture=LARGE) == []


@pytest.mark.parametrize(
    ("pixels", "warning"),
    [
        (np.full((960, 960, 3), 128, np.uint8), "blurred"),
        (patterned(5, 40), "underexposed"),
        (patterned(251, 255), "overexposed"),
    ],
)
def test_a_face_that_is_soft_dark_or_burnt_out_is_warned_of(
    pixels: Pixels, warning: Warned
) -> None:
    assert warned(face(3000, 3000, eyes=460), looks(pixels), LARGE) == [warning]


def test_too_few_pixels_for_the_full_print_are_warned_of_unless_they_are_made_up() -> None:
    # 3.6 heads of 54 % of the frame: 300 dpi of 10 inches take eyes 450 pixels apart
    small, large = face(3000, 3000, eyes=449), face(3000, 3000, eyes=451)
    assert warned(small, picture=LARGE) == ["face_small_for_print"]
    assert warned(small, picture=LARGE, enhanced=True) == []
    assert warned(large, picture=LARGE) == []


@pytest.mark.parametrize(
    ("x", "y", "roll", "is_cut"),
    [
        (2000, 600, 0.0, False),  # the crown is 120 pixels from the edge of the photo
        (2000, 450, 0.0, False),  # 2 % of the head beyond it
        (2000, 430, 0.0, True),  # 3.5 %
        (2000, 2600, 0.0, True),
        (3600, 1500, 0.0, False),
        (3600, 1500, 90.0, True),  # a head is higher than wide
    ],
)
def test_a_head_that_reaches_beyond_the_photo_is_warned_of(
    x: float, y: float, roll: float, is_cut: bool
) -> None:
    seen = face(x, y, eyes=260, roll=roll)
    assert ("head_cut" in warned(seen, enhanced=True)) is is_cut


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (face(2000, 1500, eyes=150), []),
        (face(2000, 1500, eyes=100), ["upscaled"]),
        (face(2000, 430, eyes=170), ["oversized"]),
        (face(2000, 200, eyes=200), ["oversized", "padded"]),
    ],
)
def test_flags_say_what_the_photo_had_too_little_of(seen: Face, expected: list[Flag]) -> None:
    assert receipt.flags(drawn(seen)) == expected


def test_of_several_files_the_one_that_is_enlarged_says_so() -> None:
    preset = msgspec.structs.replace(SCHOOL, medium=(400, 500), sizes={"print": (2400, 3000)})
    files = drawn(face(2000, 1500, eyes=75), preset)
    assert files == {
        "original": DrawnFile(width=400, height=500, scale=1.0),
        "medium": DrawnFile(width=400, height=500, scale=1.0),
        "print": DrawnFile(width=2400, height=3000, scale=6.0, flags=["upscaled"]),
    }
    assert receipt.flags(files) == ["upscaled"]


def test_what_sharpening_makes_up_is_enlarged_too() -> None:
    files = drawn(face(2000, 1500, eyes=150), enhanced=True)
    assert files["original"] == DrawnFile(width=2400, height=3000, scale=3.0, flags=["upscaled"])
    assert files["medium"].flags == []
    assert receipt.flags(files) == ["upscaled"]


def test_what_was_done_to_the_frame_was_done_to_every_file() -> None:
    small = msgspec.structs.replace(SCHOOL, sizes={"badge": (80, 100)})
    files = drawn(face(2000, 200, eyes=200), small)
    assert list(files) == ["original", "medium", "badge"]
    assert all(file.flags == ["oversized", "padded"] for file in files.values())


def test_scale_turn_and_resolution_follow_from_the_frame() -> None:
    seen = face(2000, 1500, eyes=180, roll=20)
    place = frame(seen, SCHOOL, 4000, 3000)
    told = receipt.receipt(receipt.planned(seen, place), place, SCHOOL, SHARP, {})
    assert not told.measured
    assert place.height == pytest.approx(1200)
    assert told.rotated == pytest.approx(-20)
    assert told.scale == pytest.approx(1000 / 1200, abs=1e-4)
    assert told.print_dpi == 120
    assert told.eye_line == pytest.approx(0.40)
    assert told.head == pytest.approx(0.54)
    assert told.eye_distance == pytest.approx(0.15)
    assert told.roll == pytest.approx(0, abs=1e-4)


def test_nothing_is_seen_of_a_face_outside_the_photo() -> None:
    look = receipt.looks(ROOM, Box(-500, -500, 100, 100))
    assert (look.sharpness, look.exposure.mean) == (0, 0)
