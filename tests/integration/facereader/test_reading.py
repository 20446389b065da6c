"""Faces of photographs, read with the real models.

One person is at hand; that embeddings tell people apart is shown with the models alone.
"""

import struct
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base

from proto.facereader import MOST_FACES, GetEmbedder
from services.facereader.doubts import SMALL_EYES
from services.facereader.reading import ENOUGH_EYES
from tests.integration.facereader.conftest import Desk
from tests.integration.facereader.people import (
    FACE,
    beside,
    crowd,
    enlarged,
    far_away,
    likeness,
    only,
)
from tests.unit.vision.files import encoded, exif, heic, stored_turned
from vision.encode import encode_jpeg, encode_png, encode_webp
from vision.modelcard import EmbedderCard
from vision.picture import Pixels

SAME = 0.97
"""More than the cosine of most photographs of one person."""
MARGIN = 0.01


async def test_a_portrait_has_one_face_with_all_that_is_told_of_it(
    desk: Desk, card: EmbedderCard, astronaut: bytes
) -> None:
    read = await desk.read(astronaut)
    face = only(read)
    assert (read.width, read.height) == (512, 512)
    for told, expected in zip((face.box.x, face.box.y, face.box.w, face.box.h), FACE, strict=True):
        assert told == pytest.approx(expected, abs=12)
    assert face.eye_distance == pytest.approx(43.3, abs=2)
    assert face.certainty > 0.85
    assert 0.5 < face.sharpness < 2
    assert face.doubts == []
    assert (read.captured_at, read.camera) == (None, None)
    numbers = struct.unpack(f"<{card.output.dimensions}f", face.embedding)
    assert sum(n * n for n in numbers) == pytest.approx(1.0, abs=1e-5)


async def test_what_embeds_is_told_with_every_answer_as_its_card_has_it(
    desk: Desk, card: EmbedderCard, astronaut: bytes
) -> None:
    embedder = await desk.endpoints.get_embedder(GetEmbedder())
    assert embedder == (await desk.read(astronaut)).embedder
    assert embedder.version == card.version
    assert embedder.dimensions == card.output.dimensions
    assert (embedder.midpoint, embedder.slope) == (
        card.calibration.midpoint,
        card.calibration.slope,
    )


async def test_the_same_file_gives_the_same_answer(desk: Desk, astronaut: bytes) -> None:
    assert await desk.read(astronaut) == await desk.read(astronaut)


@pytest.mark.parametrize("kind", ["jpeg", "progressive", "grey", "cmyk", "webp", "heic", "tiff"])
async def test_the_format_of_the_file_does_not_matter(
    desk: Desk, portrait: Pixels, kind: str
) -> None:
    large = enlarged(portrait, 1.25)
    image = Image.fromarray(large)
    files = {
        "jpeg": lambda: encode_jpeg(large, quality=92),
        "progressive": lambda: encoded(large, "JPEG", quality=92, progressive=True),
        "grey": lambda: encoded(image.convert("L"), "JPEG", quality=92),
        "cmyk": lambda: encoded(image.convert("CMYK"), "JPEG", quality=92),
        "webp": lambda: encode_webp(large, 90, 300),
        "heic": lambda: heic(large),
        "tiff": lambda: encoded(large, "TIFF"),
    }
    expected = only(await desk.read(encode_png(large)))
    read = await desk.read(files[kind]())
    assert (read.width, read.height) == (640, 640)
    assert likeness(only(read), expected) > SAME
    assert only(read).eye_distance == pytest.approx(expected.eye_distance, rel=0.03)


@pytest.mark.parametrize(("kind", "factor"), [("JPEG", 6), ("PNG", 2)])
@pytest.mark.parametrize("orientation", range(1, 9))
async def test_faces_are_told_as_the_photograph_is_seen(
    desk: Desk, portrait: Pixels, orientation: int, kind: str, factor: int
) -> None:
    tall = np.ascontiguousarray(enlarged(portrait[:, 100:400], factor))
    expected = only(await desk.read(encode_jpeg(tall, quality=95)))
    read = await desk.read(encoded(stored_turned(tall, orientation), kind, exif=exif(orientation)))
    face = only(read)
    assert (read.width, read.height) == (300 * factor, 512 * factor)
    assert likeness(face, expected) > 0.98
    near = 3 * factor
    assert (face.box.x, face.box.y) == pytest.approx((expected.box.x, expected.box.y), abs=near)
    assert face.eye_distance == pytest.approx(expected.eye_distance, rel=0.03)


@pytest.mark.parametrize("degrees", [-90, -35, 20, 60, 180])
async def test_a_tilted_head_is_the_same_head(desk: Desk, portrait: Pixels, degrees: int) -> None:
    turn = cv2.getRotationMatrix2D((256, 256), degrees, 1.0)
    turn[:, 2] += 106
    file = encode_jpeg(np.asarray(cv2.warpAffine(portrait, turn, (724, 724)), np.uint8))
    upright = only(await desk.read(encode_png(portrait)))
    assert likeness(only(await desk.read(file)), upright) > SAME


@pytest.mark.parametrize("factor", [0.6, 1, 3, 9])
async def test_the_size_of_the_file_does_not_matter(
    desk: Desk, portrait: Pixels, factor: float
) -> None:
    expected = only(await desk.read(encode_png(portrait)))
    read = await desk.read(encode_jpeg(enlarged(portrait, factor), quality=92))
    face = only(read)
    assert read.width == round(512 * factor)
    assert face.eye_distance == pytest.approx(expected.eye_distance * factor, rel=0.05)
    assert likeness(face, expected) > SAME


async def test_somebody_far_away_is_embedded_from_all_the_pixels_there_are(
    desk: Desk, portrait: Pixels
) -> None:
    """In what is looked at their eyes are too near to each other, in the file they are not."""
    wide = encode_jpeg(far_away(enlarged(portrait, 1.2), 4400, 2800), quality=92)
    near = only(await desk.read(encode_jpeg(enlarged(portrait, 1.2), quality=92)))
    face = only(await desk.read(wide))
    assert face.eye_distance == pytest.approx(near.eye_distance, rel=0.1)
    assert face.eye_distance > ENOUGH_EYES > face.eye_distance / 2
    assert likeness(face, near) > 0.985
    assert face.doubts == []


async def test_several_people_are_told_the_largest_first(desk: Desk, portrait: Pixels) -> None:
    large, small = enlarged(portrait, 2), enlarged(portrait, 1.3)
    mirrored = np.ascontiguousarray(small[:, ::-1])
    read = await desk.read(encode_jpeg(beside(mirrored, large, height=1100), quality=92))
    first, second = read.faces
    assert first.box.x > mirrored.shape[1] > second.box.x
    assert first.box.w > second.box.w
    expected = only(await desk.read(encode_png(large)))
    assert likeness(first, expected) > 0.99
    assert likeness(second, expected) > SAME - MARGIN


async def test_of_a_crowd_only_so_many_are_told(desk: Desk, portrait: Pixels) -> None:
    read = await desk.read(encode_jpeg(crowd(portrait, MOST_FACES + 8, 12)))
    assert len(read.faces) == MOST_FACES
    areas = [face.box.w * face.box.h for face in read.faces]
    assert areas == sorted(areas, reverse=True)
    assert min(likeness(read.faces[0], face) for face in read.faces) > SAME - MARGIN


async def test_a_wall_has_no_face_and_that_is_no_error(desk: Desk) -> None:
    read = await desk.read(encode_jpeg(np.full((900, 1600, 3), 128, np.uint8)))
    assert (read.width, read.height, read.faces) == (1600, 900, [])


@pytest.mark.parametrize(
    ("eyes", "small"), [(SMALL_EYES + 3, False), (SMALL_EYES - 3, True), (12, True)]
)
async def test_a_small_face_is_doubted(
    desk: Desk, portrait: Pixels, eyes: float, small: bool
) -> None:
    face = only(await desk.read(encode_png(enlarged(portrait, eyes / 43.3))))
    assert face.eye_distance == pytest.approx(eyes, abs=1.5)
    assert ("small_face" in face.doubts) is small


async def test_what_is_wrong_with_a_photograph_is_told(desk: Desk, portrait: Pixels) -> None:
    spoilt = {
        "blurred": cv2.GaussianBlur(portrait, (0, 0), 2.5),
        "underexposed": (portrait * 0.18).astype(np.uint8),
        "overexposed": np.clip(portrait * 1.6, 0, 255).astype(np.uint8),
        "cut": np.ascontiguousarray(portrait[:, 200:]),
    }
    for doubt, pixels in spoilt.items():
        face = only(await desk.read(encode_png(np.asarray(pixels, np.uint8))))
        assert face.doubts == [doubt]


async def test_time_and_camera_are_told(desk: Desk, portrait: Pixels) -> None:
    block = Image.Exif()
    block[Base.Make], block[Base.Model] = "Maker", "Model 5"
    block.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = "2026:05:31 09:15:00"
    read = await desk.read(encoded(portrait, "JPEG", quality=88, exif=block))
    assert read.captured_at == datetime(2026, 5, 31, 9, 15, tzinfo=UTC)
    # there may be two of this model
    assert (read.camera, read.camera_is_certain) == ("Maker Model 5", False)
    assert len(read.faces) == 1
    block.get_ifd(IFD.Exif)[Base.BodySerialNumber] = "123"
    read = await desk.read(encoded(portrait, "JPEG", quality=88, exif=block))
    assert (read.camera, read.camera_is_certain) == ("Maker Model 5 123", True)
