"""Photographs of a shoot, read with the real models."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base
from zxingcpp import BarcodeFormat

from cli import ports
from kit.aside import Aside
from kit.fetching import Fetcher
from kit.storage import Storage
from proto.cardreader import CARD_MARK, MOST_SYMBOLS, CardsRead, ReadCards
from proto.errors import Broken, InvalidRequest, Unavailable
from proto.ids import StorageKey
from proto.photos import Rejected, RemotePhoto, StoredPhoto
from services.cardreader import looks
from services.cardreader.decoding import find_in_file
from services.cardreader.endpoints import MOST_TEXT, Endpoints
from services.qr.payload import CardContent, Cards, Kind, job_tag
from tests.integration.cardreader.conftest import ACCOUNT, LIMITS, OTHER_ACCOUNT, Reader
from tests.unit.cardreader.scenes import TEXT, Pixels, Shot, photograph, symbol
from tests.unit.vision.files import encoded
from tests.unit.vision.test_inprocess import build
from vision.connect import connect
from vision.decode import decode
from vision.encode import encode_jpeg, encode_png
from vision.models import Models

BLANK = np.full((1200, 1600, 3), 128, np.uint8)
SHIRT = "https://example.org/club"


def on_grey(modules: Pixels, left: int, top: int, scale: int) -> Pixels:
    """A symbol as it was printed, level, on a grey wall."""
    picture = BLANK.copy()
    drawn = np.kron(modules, np.ones((scale, scale), np.uint8))
    picture[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn[:, :, None]
    return picture


def beside(person: bytes, text: str) -> Pixels:
    """A person, and a symbol next to them."""
    picture = decode(person).pixels
    code = np.kron(symbol(text), np.ones((6, 6), np.uint8))
    wall = np.full((512, 400, 3), 200, np.uint8)
    wall[100 : 100 + code.shape[0], 50 : 50 + code.shape[1]] = code[:, :, None]
    return np.hstack((picture, wall))


@pytest.fixture(scope="module")
async def models_away(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Endpoints]:
    """A reader whose Triton does not answer, over a storage of its own."""
    (port,) = ports.free(1)
    models: Models = connect(f"127.0.0.1:{port}", Path("nowhere"))
    folder = tmp_path_factory.mktemp("storage")
    with ThreadPoolExecutor(1) as threads:
        async with (
            Storage.open(f"file://{folder}") as storage,
            Fetcher() as fetcher,
            Aside.open(1) as aside,
        ):
            for name, pixels in (("card", photograph(Shot())), ("blank", BLANK)):
                key = StorageKey(f"uploads/{ACCOUNT}/{name}")
                await storage.put(key, encode_jpeg(pixels), "image/jpeg")
            yield Endpoints(storage, fetcher, models, LIMITS, threads, aside)
    await models.close()


@pytest.mark.parametrize("kind", [BarcodeFormat.QRCode, BarcodeFormat.DataMatrix])
async def test_a_card_of_the_service_that_draws_them_is_read(
    reader: Reader, kind: BarcodeFormat
) -> None:
    content = CardContent(Kind.SUBJECT, job_tag(ACCOUNT, "autumn"), "S-0042")
    text = Cards(["a secret of the tests, long enough"]).write(content, ACCOUNT)
    shot = Shot(text=text, format=kind, centre=(0.3, 0.6), degrees=30)
    read = await reader.read(encode_jpeg(photograph(shot), quality=88))
    (card,) = read.symbols
    assert card.text == text
    assert card.text.startswith(CARD_MARK)
    assert card.format == ("qr" if kind == BarcodeFormat.QRCode else "datamatrix")
    assert np.mean(card.corners, axis=0) == pytest.approx((0.3, 0.6), abs=0.01)
    assert read.has_face is None


async def test_corners_are_parts_of_the_picture_clockwise(reader: Reader) -> None:
    modules = symbol()
    read = await reader.read(encode_png(on_grey(modules, left=400, top=300, scale=8)))
    (card,) = read.symbols
    side = (modules.shape[0] - 8) * 8
    left, top = (400 + 32) / 1600, (300 + 32) / 1200
    right, bottom = left + side / 1600, top + side / 1200
    expected = [(left, top), (right, top), (right, bottom), (left, bottom)]
    assert np.asarray(card.corners) == pytest.approx(np.asarray(expected), abs=0.005)
    assert all(isinstance(part, float) for corner in card.corners for part in corner)


async def test_a_person_without_a_card_has_a_face_and_no_symbol(
    reader: Reader, astronaut: bytes
) -> None:
    read = await reader.read(astronaut)
    assert read == CardsRead(symbols=[], has_face=True, captured_at=None, camera=None)


async def test_a_wall_has_neither(reader: Reader) -> None:
    read = await reader.read(encode_jpeg(BLANK))
    assert read == CardsRead(symbols=[], has_face=False, captured_at=None, camera=None)


async def test_a_card_beside_a_person_is_enough_and_nobody_looks_for_the_face(
    reader: Reader, astronaut: bytes
) -> None:
    read = await reader.read(encode_png(beside(astronaut, TEXT)))
    assert [symbol.text for symbol in read.symbols] == [TEXT]
    assert read.has_face is None


async def test_a_symbol_on_a_shirt_is_told_with_the_face(reader: Reader, astronaut: bytes) -> None:
    read = await reader.read(encode_png(beside(astronaut, SHIRT)))
    assert [symbol.text for symbol in read.symbols] == [SHIRT]
    assert read.has_face is True


async def test_a_symbol_that_is_no_card_is_told_without_a_face(reader: Reader) -> None:
    read = await reader.read(encode_png(on_grey(symbol(SHIRT), 400, 300, 8)))
    assert [symbol.text for symbol in read.symbols] == [SHIRT]
    assert read.has_face is False


async def test_a_card_that_only_a_thorough_look_finds_is_found_where_there_is_no_face(
    reader: Reader,
) -> None:
    far = encode_jpeg(photograph(Shot(part=0.02, degrees=10)), quality=88)
    assert find_in_file(far) == []
    read = await reader.read(far)
    assert [symbol.text for symbol in read.symbols] == [TEXT]
    assert read.has_face is False


async def test_time_and_camera_are_told_of_photographs_with_and_without_a_card(
    reader: Reader,
) -> None:
    block = Image.Exif()
    block[Base.Make], block[Base.Model] = "Maker", "Model 5"
    block.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = "2026:05:31 09:15:00"
    for pixels in (photograph(Shot(), width=1600, height=1200), BLANK):
        read = await reader.read(encoded(pixels, "JPEG", quality=88, exif=block))
        assert read.captured_at == datetime(2026, 5, 31, 9, 15, tzinfo=UTC)
        assert read.camera == "Maker Model 5"


async def test_of_a_long_text_the_beginning_is_told(reader: Reader) -> None:
    text = SHIRT + "x" * 1500
    read = await reader.read(encode_png(on_grey(symbol(text), 200, 100, 5)))
    assert [symbol.text for symbol in read.symbols] == [text[:MOST_TEXT]]


async def test_of_a_wall_of_codes_only_so_many_are_told(reader: Reader) -> None:
    codes = [np.kron(symbol(f"code {number}"), np.ones((6, 6), np.uint8)) for number in range(20)]
    rows = [np.hstack(codes[first : first + 5]) for first in range(0, 20, 5)]
    wall = cv2.cvtColor(np.vstack(rows), cv2.COLOR_GRAY2RGB)
    read = await reader.read(encode_png(np.asarray(wall, np.uint8)))
    assert len(read.symbols) == MOST_SYMBOLS


async def test_a_photo_is_read_from_a_url_and_from_the_accounts_outputs(
    reader: Reader, astronaut: bytes
) -> None:
    for request in (reader.remote(astronaut), await reader.stored(astronaut, "outputs")):
        read = await reader.endpoints.read_cards(request)
        assert isinstance(read, CardsRead)
        assert read.has_face is True


@pytest.mark.parametrize(
    ("photo", "code"),
    [
        (b"", "NOT_A_PICTURE"),
        (b"%PDF-1.7 and so on" * 20, "NOT_A_PICTURE"),
        (encode_jpeg(BLANK)[:3000], "PICTURE_TRUNCATED"),
        (encode_png(BLANK[:8, :8]), "PICTURE_TOO_SMALL"),
        (b"\xff\xd8\xff" + bytes(LIMITS.most_bytes), "PICTURE_TOO_LARGE"),
    ],
    ids=["empty", "document", "cut off", "tiny", "large"],
)
async def test_what_is_no_photograph_is_rejected_with_a_sentence(
    reader: Reader, photo: bytes, code: str
) -> None:
    answer = await reader.endpoints.read_cards(await reader.stored(photo))
    assert isinstance(answer, Rejected)
    assert answer.code == code
    assert answer.message.endswith(".")


async def test_a_url_that_leads_inside_is_rejected(reader: Reader) -> None:
    inside = RemotePhoto(url="http://127.0.0.1:1/photo.jpg")
    answer = await reader.endpoints.read_cards(ReadCards(account=ACCOUNT, photo=inside))
    assert isinstance(answer, Rejected)
    assert answer.code == "URL_NOT_ALLOWED"


def finders(side: int) -> Pixels:
    """Nothing but finder patterns of QR, each of which may belong with any two others."""
    pattern = np.full((8, 8), 255, np.uint8)
    pattern[:7, :7], pattern[1:6, 1:6], pattern[2:5, 2:5] = 0, 255, 0
    return np.tile(pattern, (side // 8, side // 8))


async def test_a_picture_that_takes_too_long_to_search_is_rejected_and_the_next_is_read(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "QUICK_SECONDS", 0.1)
    slow = encode_png(np.repeat(finders(1600)[:, :, None], 3, axis=2))
    answer = await reader.endpoints.read_cards(await reader.stored(slow))
    assert isinstance(answer, Rejected)
    assert answer.code == "PICTURE_TOO_COMPLEX"
    monkeypatch.undo()
    read = await reader.read(encode_jpeg(photograph(Shot())))
    assert [symbol.text for symbol in read.symbols] == [TEXT]


async def test_a_picture_that_only_at_full_size_takes_too_long_is_read_as_far_as_it_goes(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "THOROUGH_SECONDS", 0.2)
    # minutes for whoever looks to the end
    slow = encode_png(np.repeat(finders(6400)[:, :, None], 3, axis=2))
    async with asyncio.timeout(30):
        read = await reader.read(slow)
    assert (read.symbols, read.has_face) == ([], False)


async def test_a_file_of_an_agency_is_read_and_told_by_its_id(
    reader: Reader, astronaut: bytes
) -> None:
    key = StorageKey(f"photos/{ACCOUNT}/7/call/0")
    await reader.storage.put(key, astronaut, "image/png")
    request = ReadCards(account=ACCOUNT, photo=StoredPhoto(key=key), file_id=2**40)
    answer = await reader.endpoints.read_cards(request)
    assert isinstance(answer, CardsRead)
    assert (answer.has_face, answer.file_id) == (True, 2**40)


@pytest.mark.parametrize(
    "key",
    [
        f"uploads/{OTHER_ACCOUNT}/call/photo",
        f"photos/{OTHER_ACCOUNT}/1/call/photo",
        "photo",
        f"other/{ACCOUNT}/photo",
    ],
)
async def test_a_photo_of_somebody_else_is_not_read(
    reader: Reader, astronaut: bytes, key: str
) -> None:
    await reader.storage.put(StorageKey(key), astronaut, "image/png")
    request = ReadCards(account=ACCOUNT, photo=StoredPhoto(key=StorageKey(key)))
    with pytest.raises(InvalidRequest, match="own folder"):
        await reader.endpoints.read_cards(request)


async def test_a_photo_that_is_gone_makes_no_sense(reader: Reader, astronaut: bytes) -> None:
    request = await reader.stored(astronaut)
    gone = msgspec.structs.replace(
        request, photo=StoredPhoto(key=StorageKey(f"uploads/{ACCOUNT}/call/gone"))
    )
    with pytest.raises(InvalidRequest, match="not there"):
        await reader.endpoints.read_cards(gone)


async def test_without_models_cards_are_still_read_and_nothing_is_said_of_the_rest(
    models_away: Endpoints,
) -> None:
    card, blank = (
        ReadCards(account=ACCOUNT, photo=StoredPhoto(key=StorageKey(f"uploads/{ACCOUNT}/{name}")))
        for name in ("card", "blank")
    )
    read = await models_away.read_cards(card)
    assert isinstance(read, CardsRead)
    assert [symbol.text for symbol in read.symbols] == [TEXT]
    with pytest.raises(Unavailable) as caught:
        await models_away.read_cards(blank)
    assert not isinstance(caught.value, Broken)


@pytest.mark.parametrize(("value", "faces"), [(float("nan"), 64), (0.5, 63)])
async def test_models_that_answer_what_cannot_be_are_broken(
    tmp_path: Path, value: float, faces: int
) -> None:
    build(tmp_path / "models", value, faces)
    models = connect(None, tmp_path / "models")
    key = StorageKey(f"uploads/{ACCOUNT}/blank")
    with ThreadPoolExecutor(1) as threads:
        async with (
            Storage.open(f"file://{tmp_path}") as storage,
            Fetcher() as fetcher,
            Aside.open(1) as aside,
        ):
            await storage.put(key, encode_jpeg(BLANK), "image/jpeg")
            broken = Endpoints(storage, fetcher, models, LIMITS, threads, aside)
            with pytest.raises(Broken):
                await broken.read_cards(ReadCards(account=ACCOUNT, photo=StoredPhoto(key=key)))
    await models.close()
