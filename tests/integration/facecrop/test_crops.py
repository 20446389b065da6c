"""Portraits of a real photograph with the real models."""

import statistics
from io import BytesIO
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
from PIL import ImageCms

from proto.errors import InvalidRequest
from proto.ids import StorageKey
from tests.integration.facecrop.conftest import SCHOOL, SPORTS, Engine
from vision.decode import decode
from vision.encode import encode_png
from vision.geometry import Affine, Point
from vision.picture import Pixels


@pytest.fixture(scope="module")
def person(astronaut: bytes) -> Pixels:
    """One person with room all around, 1000 x 1000: head upright, eyes level."""
    around = decode(astronaut).pixels
    wide: Pixels = cv2.copyMakeBorder(around, 200, 288, 232, 256, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
    return wide


def turned(pixels: Pixels, degrees: float) -> Pixels:
    """The picture turned clockwise about its middle."""
    height, width = pixels.shape[:2]
    middle = Point(width / 2, height / 2)
    turn = Affine.similarity(1.0, degrees, middle, middle)
    result: Pixels = cv2.warpAffine(  # type: ignore[assignment]
        pixels, turn.opencv_matrix(), (width, height), borderMode=cv2.BORDER_REPLICATE
    )
    return result


def preset(**changes: Any) -> Any:
    return msgspec.structs.replace(SCHOOL, **changes)


@pytest.mark.parametrize("degrees", [0, 2, 5, -20, 20, 90, 180, 270])
@pytest.mark.parametrize("preset", [SCHOOL, SPORTS], ids=["school", "sports"])
async def test_eyes_stand_level_where_the_preset_says_however_the_photo_was_held(
    engine: Engine, person: Pixels, degrees: float, preset: Any
) -> None:
    upright = (await engine.crop(encode_png(person), preset)).receipt
    told = (await engine.crop(encode_png(turned(person, degrees)), preset)).receipt
    assert abs(told.eye_line - preset.eye_line) < 0.01
    if abs(degrees) >= 5:
        assert abs((told.rotated + degrees + 180) % 360 - 180) < 5
    if told.rotated:
        assert abs(told.roll) < 2
    assert told.head == pytest.approx(preset.head, rel=0.06)
    assert told.eye_distance == pytest.approx(upright.eye_distance, rel=0.06)


async def test_portraits_of_a_job_are_alike_however_large_and_tilted_the_heads(
    engine: Engine, person: Pixels
) -> None:
    receipts = []
    for side in (600, 1000, 1400):
        how = cv2.INTER_AREA if side < len(person) else cv2.INTER_CUBIC
        scaled: Pixels = cv2.resize(person, (side, side), interpolation=how)  # type: ignore[assignment]
        for degrees in (0, 12, -25, 90, 180):
            made = await engine.crop(encode_png(turned(scaled, degrees)), SCHOOL)
            assert not {"oversized", "padded"} & set(made.flags)
            receipts.append(made.receipt)
    distances = [receipt.eye_distance for receipt in receipts]
    assert statistics.pstdev(receipt.eye_line for receipt in receipts) <= 0.01
    assert statistics.pstdev(distances) / statistics.fmean(distances) <= 0.05


async def test_a_head_is_left_as_it_is_when_that_is_asked_for(
    engine: Engine, person: Pixels
) -> None:
    told = (await engine.crop(encode_png(turned(person, 20)), SCHOOL, auto_rotate=False)).receipt
    assert told.rotated == 0
    assert 16 < told.roll < 26
    assert abs(told.eye_line - 0.40) < 0.01


async def test_the_receipt_measures_what_was_drawn(engine: Engine, person: Pixels) -> None:
    made = await engine.crop(encode_png(person), SCHOOL)
    original = await engine.read(made.original)
    assert made.receipt.scale == pytest.approx(1000 / original.height, rel=0.01)
    assert made.receipt.print_dpi == pytest.approx(original.height / 10, abs=1)
    assert 0.3 < made.receipt.brightness < 0.8
    assert made.receipt.sharpness > 0.3
    assert made.flags == ["upscaled"]
    assert made.warnings == ["face_small_for_print"]


@pytest.mark.parametrize(
    ("sides", "chosen", "is_left"),
    [
        ((512, 300), 0, True),
        ((300, 512), 0, False),
        ((512, 480), 1, False),  # about as large, and nearer to the middle of the picture
    ],
)
async def test_of_two_people_one_is_taken_by_the_rule_and_both_are_told(
    engine: Engine, astronaut: bytes, sides: tuple[int, int], chosen: int, is_left: bool
) -> None:
    one = decode(astronaut).pixels
    canvas = np.full((512, 1024, 3), 200, np.uint8)
    for left, side in zip((0, 512), sides, strict=True):
        canvas[:side, left : left + side] = cv2.resize(
            one, (side, side), interpolation=cv2.INTER_AREA
        )
    made = await engine.crop(encode_png(canvas), SCHOOL)
    large, small = made.faces
    assert large.w * large.h > small.w * small.h
    assert made.face_index == chosen
    assert made.face_box == made.faces[chosen]
    assert (made.face_box.x < 512) is is_left


async def test_a_colour_stands_behind_the_person(engine: Engine, person: Pixels) -> None:
    made = await engine.crop(encode_png(person), preset(background="#10A0F0", format="png"))
    pixels = np.asarray(await engine.read(made.medium))
    for corner in (pixels[:40, :40], pixels[:40, -40:]):
        assert (corner == (0x10, 0xA0, 0xF0)).all()
    plain = await engine.crop(encode_png(person), preset(format="png"))
    own = np.asarray(await engine.read(plain.medium))
    assert (pixels[400:450, 380:420] == own[400:450, 380:420]).all()
    assert abs(made.receipt.eye_line - 0.40) < 0.01


@pytest.mark.parametrize("kind", ["png", "webp"])
async def test_a_transparent_background_lets_through_and_the_face_does_not(
    engine: Engine, person: Pixels, kind: str
) -> None:
    transparent = preset(background="transparent", format=kind, sizes={"tiny": (80, 100)})
    made = await engine.crop(encode_png(person), transparent)
    assert made.medium.endswith(f"photo_md.{kind}")
    for key in (made.original, made.medium, made.more["tiny"]):
        picture = await engine.read(key)
        alpha = np.asarray(picture)[..., 3]
        assert picture.mode == "RGBA"
        assert alpha[0, 0] == 0
        assert alpha[round(0.45 * picture.height), picture.width // 2] == 255


@pytest.mark.parametrize(
    ("kind", "ending", "name"),
    [("jpeg", "jpg", "JPEG"), ("png", "png", "PNG"), ("webp", "webp", "WEBP")],
)
async def test_files_are_of_the_format_with_profile_and_resolution(
    engine: Engine, person: Pixels, kind: str, ending: str, name: str
) -> None:
    made = await engine.crop(encode_png(person), preset(format=kind, dpi=254))
    assert made.original.endswith(f"/photo_orig.{ending}")
    assert made.medium.endswith(f"/photo_md.{ending}")
    for key in (made.original, made.medium):
        picture = await engine.read(key)
        assert picture.format == name
        profile = ImageCms.ImageCmsProfile(BytesIO(picture.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(profile)
        if kind == "webp":
            assert picture.getexif()[282] == 254
        else:
            assert picture.info["dpi"] == pytest.approx((254, 254), abs=0.1)


async def test_every_size_of_the_preset_is_drawn(engine: Engine, person: Pixels) -> None:
    sizes = {"wallet": (200, 250), "print": (1200, 1500), "odd": (127, 159)}
    made = await engine.crop(encode_png(person), preset(sizes=sizes))
    assert set(made.more) == set(sizes)
    for name, size in sizes.items():
        assert made.more[name].endswith(f"/photo_{name}.jpg")
        assert (await engine.read(made.more[name])).size == size


async def test_the_receipt_tells_of_every_file_as_it_was_written(
    engine: Engine, person: Pixels
) -> None:
    sizes = {"wallet": (80, 100), "print": (1200, 1500)}
    made = await engine.crop(encode_png(person), preset(medium=(160, 200), sizes=sizes))
    told = made.receipt.files
    for name, key in {"original": made.original, "medium": made.medium, **made.more}.items():
        assert (await engine.read(key)).size == (told[name].width, told[name].height)
    assert set(told) == {"original", "medium", "wallet", "print"}
    assert (told["original"].scale, told["medium"].scale) == (1.0, made.receipt.scale)
    assert told["print"].scale == pytest.approx(1500 / told["original"].height, rel=0.01)
    assert [name for name, file in told.items() if "upscaled" in file.flags] == ["print"]
    assert made.flags == ["upscaled"]
    assert made.receipt.measured


async def test_an_enhanced_portrait_on_a_colour_has_the_full_size(
    engine: Engine, person: Pixels
) -> None:
    small = preset(full=(480, 600), medium=(160, 200), background="#FFFFFF")
    made = await engine.crop(encode_png(person), small, enhance=True)
    picture = await engine.read(made.original)
    assert picture.size == (480, 600)
    assert min(picture.getpixel((3, 3))) >= 254  # type: ignore[arg-type, type-var]
    assert made.warnings == []


async def test_an_enhanced_badge_is_no_softer_than_a_plain_one(
    engine: Engine, person: Pixels
) -> None:
    badge = preset(full=(120, 150), medium=(120, 150), sizes={"badge": (120, 150)}, format="png")
    details = []
    for enhance in (False, True):
        made = await engine.crop(encode_png(person), badge, enhance=enhance)
        grey = np.asarray((await engine.read(made.more["badge"])).convert("L"))
        details.append(float(cv2.Laplacian(grey, cv2.CV_64F).var()))
    plain, enhanced = details
    assert enhanced > 0.9 * plain


async def test_a_jpeg_cannot_be_transparent(engine: Engine, person: Pixels) -> None:
    with pytest.raises(InvalidRequest):
        await engine.crop(encode_png(person), preset(background="transparent"))


async def test_a_photo_that_is_gone_makes_no_sense(engine: Engine, person: Pixels) -> None:
    request = await engine.request(encode_png(person), SCHOOL)
    await engine.storage.delete(StorageKey(request.photo.key))  # type: ignore[union-attr]
    with pytest.raises(InvalidRequest):
        await engine.endpoints.crop_face(request)
