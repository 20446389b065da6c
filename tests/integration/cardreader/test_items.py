"""Items of jobs, worked on by the card reader with the real models."""

import msgspec
import numpy as np
import pytest

from proto.cardreader import MOST_SYMBOLS, CardsRead, ReadLogo, Symbol
from proto.errors import InvalidRequest
from proto.ids import StorageKey
from proto.jobs import MOST_RESULT_BYTES, Failed, Succeeded
from proto.photos import StoredPhoto
from services.cardreader.endpoints import MOST_TEXT
from services.cardreader.items import fitting, work
from tests.integration.cardreader.conftest import ACCOUNT, Reader
from tests.unit.cardreader.scenes import TEXT, Shot, photograph, symbol
from vision.encode import encode_jpeg, encode_png

LONGEST_CARD = "DR1:" + "A" * 848


def told(text: str) -> Symbol:
    return Symbol(text=text, format="datamatrix", corners=[(0.123, 0.456)] * 4)


def read(*texts: str) -> CardsRead:
    camera = "é" * 190
    symbols = [told(text) for text in texts]
    return CardsRead(symbols=symbols, has_face=None, captured_at=None, camera=camera)


async def test_a_photo_becomes_its_cards(reader: Reader) -> None:
    request = await reader.stored(encode_jpeg(photograph(Shot())))
    outcome = await work(reader.endpoints, msgspec.msgpack.encode(request))
    assert isinstance(outcome, Succeeded)
    answer = msgspec.msgpack.decode(outcome.result, type=CardsRead)
    assert [symbol.text for symbol in answer.symbols] == [TEXT]
    assert answer == await reader.endpoints.read_cards(request)


async def test_a_photo_without_a_card_has_not_failed(reader: Reader, astronaut: bytes) -> None:
    request = await reader.stored(astronaut)
    outcome = await work(reader.endpoints, msgspec.msgpack.encode(request))
    assert isinstance(outcome, Succeeded)
    answer = msgspec.msgpack.decode(outcome.result, type=CardsRead)
    assert answer == CardsRead(symbols=[], has_face=True, captured_at=None, camera=None)


async def test_what_is_no_photo_has_failed(reader: Reader) -> None:
    request = await reader.stored(b"%PDF-1.7 and so on" * 20)
    outcome = await work(reader.endpoints, msgspec.msgpack.encode(request))
    assert isinstance(outcome, Failed)
    assert outcome.code == "NOT_A_PICTURE"
    assert outcome.message


async def test_long_texts_that_are_no_cards_leave_room_in_the_job_book(reader: Reader) -> None:
    """Twelve symbols of 480 letters that take three bytes each."""
    codes = [np.kron(symbol(chr(0x4E00 + n) * 480), np.ones((3, 3), np.uint8)) for n in range(12)]
    side = max(code.shape[0] for code in codes)
    wall = np.full((3 * side, 4 * side, 3), 255, np.uint8)
    for number, code in enumerate(codes):
        top, left = number // 4 * side, number % 4 * side
        wall[top : top + code.shape[0], left : left + code.shape[1]] = code[:, :, None]
    request = await reader.stored(encode_png(wall))
    whole = await reader.endpoints.read_cards(request)
    assert len(msgspec.msgpack.encode(whole)) > MOST_RESULT_BYTES
    outcome = await work(reader.endpoints, msgspec.msgpack.encode(request))
    assert isinstance(outcome, Succeeded)
    assert 0.8 * MOST_RESULT_BYTES < len(outcome.result) <= MOST_RESULT_BYTES
    assert msgspec.msgpack.decode(outcome.result, type=CardsRead).symbols


def test_as_many_of_the_longest_cards_as_are_read_have_room() -> None:
    answer = read(*[f"{LONGEST_CARD[:-2]}{number:02}" for number in range(MOST_SYMBOLS)])
    assert fitting(answer) == answer
    assert len(msgspec.msgpack.encode(answer)) <= MOST_RESULT_BYTES


def test_cards_are_kept_before_other_symbols_and_the_order_stays() -> None:
    long = [chr(0x1F600 + number) * MOST_TEXT for number in range(6)]
    cards = [f"{LONGEST_CARD[:-1]}{number}" for number in range(6)]
    answer = read("short", *long, *cards, TEXT, "link")
    kept = fitting(answer)
    assert len(msgspec.msgpack.encode(kept)) <= MOST_RESULT_BYTES
    texts = [symbol.text for symbol in kept.symbols]
    assert texts == ["short", *long[:2], *cards, TEXT, "link"]


async def test_an_upload_that_is_gone_or_no_request_at_all_makes_no_sense(
    reader: Reader, astronaut: bytes
) -> None:
    request = await reader.stored(astronaut)
    gone = StoredPhoto(key=StorageKey(f"uploads/{ACCOUNT}/call/gone"))
    logo = ReadLogo(account=ACCOUNT, url="x", output=StorageKey("x"))
    for senseless in (msgspec.structs.replace(request, photo=gone), logo, "nothing"):
        with pytest.raises(InvalidRequest):
            await work(reader.endpoints, msgspec.msgpack.encode(senseless))
