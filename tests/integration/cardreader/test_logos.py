"""Logos behind callers' URLs: fetched, made safe and stored, or rejected."""

import io

import msgspec
import numpy as np
import pytest
from PIL import Image

from kit.storage import ObjectNotFound
from proto.cardreader import Logo
from proto.errors import InvalidRequest
from proto.ids import StorageKey
from proto.photos import Rejected
from services.cardreader.logos import MOST_BYTES
from tests.integration.cardreader.conftest import ACCOUNT, OTHER_ACCOUNT, Reader
from tests.unit.vision.files import encoded, photo

GOOD = encoded(photo(2400, 600), "JPEG", quality=90)


async def test_a_logo_is_fetched_and_stored_as_a_small_png(reader: Reader) -> None:
    request = reader.logo(GOOD)
    answer = await reader.endpoints.read_logo(request)
    assert answer == Logo(key=request.output)
    stored = Image.open(io.BytesIO(await reader.storage.get(request.output, MOST_BYTES)))
    assert (stored.format, stored.size) == ("PNG", (1200, 300))


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (b"", "NOT_A_PICTURE"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "NOT_A_PICTURE"),
        (b"<html>404</html>", "NOT_A_PICTURE"),
        (b"%PDF-1.7" + bytes(300), "NOT_A_PICTURE"),
        (GOOD[:5000], "PICTURE_TRUNCATED"),
        (encoded(np.zeros((1, 1, 3), np.uint8), "PNG"), "PICTURE_TOO_SMALL"),
        (encoded(photo(2100, 100), "PNG"), "UNSUPPORTED_PICTURE"),
        (GOOD + bytes(MOST_BYTES), "URL_TOO_LARGE"),
    ],
    ids=["empty", "svg", "html", "pdf", "cut off", "one pixel", "strip", "large"],
)
async def test_what_is_no_logo_is_rejected_and_nothing_is_stored(
    reader: Reader, file: bytes, code: str
) -> None:
    request = reader.logo(file)
    elsewhere = StorageKey(f"outputs/{ACCOUNT}/rejected/{code}.png")
    answer = await reader.endpoints.read_logo(msgspec.structs.replace(request, output=elsewhere))
    assert isinstance(answer, Rejected)
    assert answer.code == code
    assert answer.message.endswith(".")
    with pytest.raises(ObjectNotFound):
        await reader.storage.get(elsewhere, MOST_BYTES)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/logo.png",
        "http://[::1]/logo.png",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/hostname",
        "data:image/png;base64,iVBORw0KGgo=",
        "logo.png",
        "",
    ],
)
async def test_a_url_that_is_not_public_is_rejected(reader: Reader, url: str) -> None:
    request = msgspec.structs.replace(reader.logo(GOOD), url=url)
    answer = await reader.endpoints.read_logo(request)
    assert isinstance(answer, Rejected)
    assert answer.code == "URL_NOT_ALLOWED"


@pytest.mark.parametrize(
    "output",
    [f"outputs/{OTHER_ACCOUNT}/logo.png", f"uploads/{ACCOUNT}/logo.png", "logo.png"],
)
async def test_a_logo_is_written_into_the_accounts_own_folder_alone(
    reader: Reader, output: str
) -> None:
    request = msgspec.structs.replace(reader.logo(GOOD), output=StorageKey(output))
    with pytest.raises(InvalidRequest, match="own folder"):
        await reader.endpoints.read_logo(request)
