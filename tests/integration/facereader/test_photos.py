"""Where photographs may come from and where they may be kept, and what is turned down."""

import msgspec
import numpy as np
import pytest

from proto.errors import InvalidRequest
from proto.facereader import FacesRead, ReadFaces
from proto.ids import StorageKey
from proto.photos import Rejected, RemotePhoto, StoredPhoto
from tests.integration.facereader.conftest import ACCOUNT, KEPT, LIMITS, OTHER_ACCOUNT, PHOTO, Desk
from tests.integration.facereader.people import enlarged
from tests.unit.vision.files import encoded, heic, jpeg_with_segment, png, scene
from vision.encode import encode_jpeg, encode_png
from vision.picture import Pixels

BLANK = np.full((1200, 1600, 3), 128, np.uint8)

NO_PHOTOGRAPHS = [
    ("empty", b"", "NOT_A_PICTURE"),
    ("text", b"DR1:" * 100, "NOT_A_PICTURE"),
    ("document", b"%PDF-1.7 and so on" * 20, "NOT_A_PICTURE"),
    ("page", b"\xff\xd8\xff" + b"<html><script>" * 20, "NOT_A_PICTURE"),
    ("other kind", b"BM" + bytes(60), "UNSUPPORTED_PICTURE"),
    ("cut off jpeg", encode_jpeg(BLANK)[:3000], "PICTURE_TRUNCATED"),
    ("half a jpeg", (lambda data: data[: len(data) // 2])(encode_jpeg(scene(2800, 1800), 95)),
     "PICTURE_TRUNCATED"),
    ("cut off png", encode_png(BLANK)[:-40], "PICTURE_TRUNCATED"),
    ("cut off heic", heic(scene(640, 480))[:-200], "PICTURE_TRUNCATED"),
    ("tiny", encode_png(BLANK[:8, :8]), "PICTURE_TOO_SMALL"),
    ("many bytes", b"\xff\xd8\xff" + bytes(LIMITS.most_bytes), "PICTURE_TOO_LARGE"),
    ("many pixels", png(20_000, 20_000, 8, 2, b""), "PICTURE_TOO_LARGE"),
    ("bomb", png(9_000, 9_000, 1, 0, bytes(1126 * 9_000)), "PICTURE_TOO_LARGE"),
    ("strip", encode_png(np.zeros((32, 20_001, 3), np.uint8)), "PICTURE_TOO_LARGE"),
]  # fmt: skip

no_photograph = pytest.mark.parametrize(
    ("data", "code"), [row[1:] for row in NO_PHOTOGRAPHS], ids=[row[0] for row in NO_PHOTOGRAPHS]
)

NOT_OURS = [
    f"photos/{OTHER_ACCOUNT}/3/call/0",
    f"uploads/{ACCOUNT}/call/0",
    f"outputs/{ACCOUNT}/call/0",
    f"other/{ACCOUNT}/0",
    f"photos/{ACCOUNT}",
    f"photos/{ACCOUNT}0/call/0",
    f"Photos/{ACCOUNT}/3/0",
    "0",
    "",
]

HOSTILE = [
    f"photos/{ACCOUNT}/../{OTHER_ACCOUNT}/3/call/0",
    f"photos/{ACCOUNT}/3/../../{OTHER_ACCOUNT}/3/call/0",
    f"photos/{ACCOUNT}/./0",
    f"photos/{ACCOUNT}//0",
    f"photos/{ACCOUNT}/",
    f"photos/{ACCOUNT}/3/a\x00b",
    f"photos/{ACCOUNT}/3/a\nb",
    f"photos/{ACCOUNT}/3/a\\b",
    f"photos/{ACCOUNT}/3/photo#1",
    f"photos/{ACCOUNT}/3/" + "x" * 300,
    f"photos/{ACCOUNT}/" + "x/" * 1000 + "0",
    f"/photos/{ACCOUNT}/3/0",
]

foreign_key = pytest.mark.parametrize("key", NOT_OURS + HOSTILE)


async def rejected(desk: Desk, request: ReadFaces) -> str:
    """Read what is no photograph, and return the code."""
    answer = await desk.endpoints.read_faces(request)
    assert isinstance(answer, Rejected)
    assert answer.message.endswith(".")
    assert str(ACCOUNT) not in answer.message
    return answer.code


@no_photograph
async def test_what_is_no_photograph_is_rejected_with_a_sentence(
    desk: Desk, data: bytes, code: str
) -> None:
    assert await rejected(desk, await desk.stored(data)) == code


@no_photograph
async def test_what_is_no_photograph_is_not_kept(desk: Desk, data: bytes, code: str) -> None:
    found = await rejected(desk, desk.remote(data, KEPT))
    assert found == ("URL_TOO_LARGE" if len(data) > LIMITS.most_bytes else code)
    assert await desk.keys() == set()


async def test_a_photo_with_trailing_and_strange_bytes_is_read(
    desk: Desk, portrait: Pixels
) -> None:
    data = jpeg_with_segment(encode_jpeg(portrait), 0xE1, b"Exif\0\0MM\0*" + b"\xff" * 60_000)
    answer = await desk.endpoints.read_faces(await desk.stored(data + b"\xff\xff tail"))
    assert isinstance(answer, FacesRead)
    assert len(answer.faces) == 1


async def test_a_photo_is_read_from_a_url_and_nothing_is_kept_unasked(
    desk: Desk, astronaut: bytes
) -> None:
    answer = await desk.endpoints.read_faces(desk.remote(astronaut))
    assert isinstance(answer, FacesRead)
    assert len(answer.faces) == 1
    assert await desk.keys() == set()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF"])
async def test_what_was_fetched_is_kept_byte_for_byte(
    desk: Desk, portrait: Pixels, kind: str
) -> None:
    data = encoded(portrait, kind)
    first = await desk.endpoints.read_faces(desk.remote(data, KEPT))
    assert await desk.keys() == {KEPT}
    assert await desk.storage.get(KEPT, len(data)) == data
    again = await desk.endpoints.read_faces(ReadFaces(account=ACCOUNT, photo=StoredPhoto(key=KEPT)))
    assert again == first


async def test_a_photo_without_a_face_is_kept_too(desk: Desk) -> None:
    answer = await desk.endpoints.read_faces(desk.remote(encode_jpeg(BLANK), KEPT))
    assert isinstance(answer, FacesRead)
    assert await desk.keys() == {KEPT}


async def test_keeping_again_replaces(desk: Desk, portrait: Pixels) -> None:
    for factor in (1, 0.7):
        data = encode_png(enlarged(portrait, factor))
        await desk.endpoints.read_faces(desk.remote(data, KEPT))
        assert await desk.storage.get(KEPT, len(data)) == data


async def test_what_lies_in_storage_is_not_stored_again(desk: Desk, astronaut: bytes) -> None:
    request = await desk.stored(astronaut)
    answer = await desk.endpoints.read_faces(msgspec.structs.replace(request, keep=KEPT))
    assert isinstance(answer, FacesRead)
    assert await desk.keys() == {PHOTO}


@foreign_key
async def test_nothing_is_kept_elsewhere_and_nothing_is_fetched_for_it(
    desk: Desk, astronaut: bytes, key: str
) -> None:
    before = desk.website.asked
    with pytest.raises(InvalidRequest, match="own folder"):
        await desk.endpoints.read_faces(desk.remote(astronaut, StorageKey(key)))
    assert desk.website.asked == before
    assert await desk.keys() == set()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/photo.jpg",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:127.0.0.1]/photo.jpg",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "https://user:password@example.com/photo.jpg",
        "no address at all",
        "",
    ],
)
async def test_a_url_that_leads_inside_is_rejected(desk: Desk, url: str) -> None:
    request = ReadFaces(account=ACCOUNT, photo=RemotePhoto(url=url), keep=KEPT)
    assert await rejected(desk, request) == "URL_NOT_ALLOWED"
    assert await desk.keys() == set()


@foreign_key
async def test_a_photo_of_somebody_else_is_not_read(desk: Desk, astronaut: bytes, key: str) -> None:
    await desk.storage.put(StorageKey(f"photos/{OTHER_ACCOUNT}/3/call/0"), astronaut, "image/png")
    request = ReadFaces(account=ACCOUNT, photo=StoredPhoto(key=StorageKey(key)))
    with pytest.raises(InvalidRequest, match="own folder"):
        await desk.endpoints.read_faces(request)


async def test_a_photo_that_is_gone_makes_no_sense(desk: Desk) -> None:
    with pytest.raises(InvalidRequest, match="not there"):
        await desk.endpoints.read_faces(ReadFaces(account=ACCOUNT, photo=StoredPhoto(key=PHOTO)))
