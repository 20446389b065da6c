"""Face crop as the Printcart Studio document has it, over real HTTP on the whole stack."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from PIL import Image, ImageCms

from tests.contract.conftest import Answer, Client, Newcomer
from tests.running import RunningStack

CROP = "/v1/services/studio/face-crop"


def blank() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (640, 480), "grey").save(buffer, "JPEG")
    return buffer.getvalue()


async def test_an_upload_is_answered_field_for_field(client: Client, astronaut: bytes) -> None:
    answer = await client.upload(("student.jpg", astronaut))
    assert answer.status == 200
    assert set(answer.body) == {
        "results",
        "tokens_deducted",
        "tokens_refunded",
        "wallet_transaction_id",
    }
    (result,) = answer.body["results"]
    assert (result["filename"], result["icp_type"]) == ("student.jpg", "school")
    assert set(result["face_box"]) == {"x", "y", "w", "h"}
    assert all(isinstance(side, int) for side in result["face_box"].values())
    assert result["output_urls"]["original"].partition("?")[0].endswith("/student_orig.jpg")
    assert result["output_urls"]["medium"].partition("?")[0].endswith("/student_md.jpg")
    assert (answer.body["tokens_deducted"], answer.body["tokens_refunded"]) == (2, 0)
    assert answer.body["wallet_transaction_id"].startswith("TX-")
    assert await client.balance() == 98


async def test_the_face_box_is_where_the_face_is(client: Client, astronaut: bytes) -> None:
    answer = await client.upload(("a.jpg", astronaut))
    box = answer.body["results"][0]["face_box"]
    centre = (box["x"] + box["w"] / 2, box["y"] + box["h"] / 2)
    # the astronaut's nose is near (224, 110) in the 512 pixel original
    assert abs(centre[0] - 224) < 25
    assert abs(centre[1] - 110) < 35


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
async def test_the_face_box_is_in_pixels_of_the_upright_original(
    client: Client, astronaut: bytes, orientation: int
) -> None:
    upright = Image.open(io.BytesIO(astronaut)).convert("RGB").crop((0, 0, 512, 400))
    undo = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    stored = upright
    for step in undo.get(orientation, []):
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    stored.save(buffer, "JPEG", quality=95, exif=exif)
    box = (await client.upload(("a.jpg", buffer.getvalue()))).body["results"][0]["face_box"]
    assert abs(box["x"] + box["w"] / 2 - 224) < 25
    assert abs(box["y"] + box["h"] / 2 - 125) < 25


@pytest.mark.parametrize(
    ("icp_type", "medium"),
    [
        ("school", (800, 1000)),
        ("corporate", (800, 800)),
        ("sports", (800, 1000)),
        ("childcare", (800, 1000)),
    ],
)
async def test_each_preset_delivers_its_sizes_without_distortion(
    client: Client, astronaut: bytes, icp_type: str, medium: tuple[int, int]
) -> None:
    answer = await client.upload(("a.jpg", astronaut), icp_type=icp_type)
    urls = answer.body["results"][0]["output_urls"]
    small, native = await client.picture(urls["medium"]), await client.picture(urls["original"])
    assert small.size == medium
    assert native.width / native.height == pytest.approx(medium[0] / medium[1], rel=0.01)


async def test_results_are_srgb_jpegs_at_300_dpi_without_other_metadata(
    client: Client, astronaut: bytes
) -> None:
    answer = await client.upload(("a.jpg", astronaut))
    picture = await client.picture(answer.body["results"][0]["output_urls"]["medium"])
    assert (picture.format, picture.mode, picture.info["dpi"]) == ("JPEG", "RGB", (300, 300))
    profile = ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"]))
    assert "srgb" in ImageCms.getProfileDescription(profile).lower()
    assert not picture.getexif()


async def test_enhancing_delivers_the_full_size_for_six_tokens(
    client: Client, astronaut: bytes
) -> None:
    answer = await client.upload(("a.jpg", astronaut), enhance="true")
    assert (answer.status, answer.body["tokens_deducted"]) == (200, 6)
    urls = answer.body["results"][0]["output_urls"]
    assert (await client.picture(urls["original"])).size == (2400, 3000)
    assert (await client.picture(urls["medium"])).size == (800, 1000)
    assert await client.balance() == 94


async def test_results_come_in_the_order_sent_and_names_stay_apart(
    client: Client, astronaut: bytes
) -> None:
    names = ["b.jpg", "a.jpg", "a.jpg", "../../etc/a b\u202e.jpg", "é.png"]
    answer = await client.upload(*((name, astronaut) for name in names))
    results = answer.body["results"]
    assert [r["filename"] for r in results] == ["b.jpg", "a.jpg", "a.jpg", "a b.jpg", "é.png"]
    paths = [r["output_urls"]["original"].partition("?")[0] for r in results]
    assert [path.rpartition("/")[2] for path in paths] == [
        "b_orig.jpg",
        "a_orig.jpg",
        "a-2_orig.jpg",
        "a-b_orig.jpg",
        "e_orig.jpg",
    ]


async def test_a_photo_without_a_face_is_its_own_error_and_not_charged(
    client: Client, astronaut: bytes
) -> None:
    answer = await client.upload(("good.jpg", astronaut), ("none.jpg", blank()))
    assert answer.status == 200
    good, none = answer.body["results"]
    assert "error" not in good
    assert (none["filename"], none["error"]["code"]) == ("none.jpg", "NO_FACE")
    assert "output_urls" not in none
    assert (answer.body["tokens_deducted"], answer.body["tokens_refunded"]) == (4, 2)
    assert await client.balance() == 98


async def test_when_no_photo_can_be_cropped_the_status_is_422_and_nothing_is_charged(
    client: Client, astronaut: bytes
) -> None:
    answer = await client.upload(
        ("none.jpg", blank()), ("cut.jpg", astronaut[: len(astronaut) // 3]), ("x.jpg", b"")
    )
    assert answer.status == 422
    assert answer.body["error"] == "NO_PHOTO_CROPPED"
    assert answer.body["request_id"] == answer.headers["X-Request-Id"]
    codes = [result["error"]["code"] for result in answer.body["results"]]
    assert codes == ["NO_FACE", "PICTURE_TRUNCATED", "NOT_A_PICTURE"]
    assert (answer.body["tokens_deducted"], answer.body["tokens_refunded"]) == (6, 6)
    assert await client.balance() == 100


async def test_too_few_tokens_are_402_with_exactly_four_fields(
    newcomer: Newcomer, astronaut: bytes
) -> None:
    client = await newcomer(tokens=4)
    answer = await client.upload(("a.jpg", astronaut), enhance="true")
    assert answer.status == 402
    assert set(answer.body) == {"error", "balance", "shortfall", "top_up_url"}
    assert (answer.body["error"], answer.body["balance"], answer.body["shortfall"]) == (
        "INSUFFICIENT_TOKENS",
        4,
        2,
    )
    assert await client.balance() == 4


async def test_an_account_that_never_had_tokens_is_told_so(
    newcomer: Newcomer, astronaut: bytes
) -> None:
    client = await newcomer(tokens=0)
    answer = await client.upload(("a.jpg", astronaut))
    assert (answer.status, answer.body["shortfall"]) == (402, 2)


def _form(**fields: Any) -> Callable[[bytes], aiohttp.FormData]:
    def make(photo: bytes) -> aiohttp.FormData:
        form = aiohttp.FormData()
        for name, value in fields.items():
            form.add_field(name, value)
        form.add_field("file[]", photo, filename="a.jpg")
        return form

    return make


@pytest.mark.parametrize(
    "form",
    [
        _form(),
        _form(icp_type="passport"),
        _form(icp_type=""),
        _form(icp_type="school", enhance="perhaps"),
        _form(icp_type="school" * 1000),
    ],
    ids=["no preset", "unknown preset", "empty preset", "enhance", "long field"],
)
async def test_a_wrong_field_is_422_before_anything_is_charged(
    client: Client, astronaut: bytes, form: Callable[[bytes], aiohttp.FormData]
) -> None:
    answer = await client.send("POST", f"{CROP}/upload", data=form(astronaut))
    _is_error(answer, 422, "INVALID_REQUEST")
    assert await client.balance() == 100


async def test_an_upload_without_files_is_422(client: Client) -> None:
    with aiohttp.MultipartWriter("form-data") as form:
        form.append("school").set_content_disposition("form-data", name="icp_type")
    answer = await client.send("POST", f"{CROP}/upload", data=form)
    _is_error(answer, 422, "INVALID_REQUEST")


async def test_two_hundred_and_one_files_are_too_many(client: Client) -> None:
    answer = await client.upload(*((f"{i}.jpg", b"x") for i in range(201)))
    _is_error(answer, 422, "TOO_MANY_FILES")


async def test_a_body_that_is_no_form_is_415(client: Client, astronaut: bytes) -> None:
    answer = await client.send(
        "POST", f"{CROP}/upload", data=astronaut, headers={"Content-Type": "image/jpeg"}
    )
    _is_error(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


async def test_an_upload_over_the_limit_is_413_before_it_is_read(
    client: Client, stack: RunningStack
) -> None:
    place = urlsplit(stack.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    head = (
        f"POST {CROP}/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000001\r\n"
        f"Authorization: {client.headers['Authorization']}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    writer.write(head.encode())
    await writer.drain()
    answer = await reader.readuntil(b"\r\n")
    writer.close()
    assert b" 413 " in answer


async def test_a_file_over_the_limit_is_413_and_leaves_nothing(
    client: Client, stack: RunningStack
) -> None:
    form = aiohttp.FormData({"icp_type": "school"})
    form.add_field("file[]", io.BytesIO(bytes(100_000_001)), filename="big.jpg")
    answer = await client.send("POST", f"{CROP}/upload", data=form)
    _is_error(answer, 413, "BODY_TOO_LARGE")
    storage = stack.home / "storage" / "uploads" / str(client.account)
    assert [path for path in storage.rglob("*") if path.is_file()] == []
    assert await client.balance() == 100


async def test_a_form_cut_off_in_the_middle_is_400(client: Client) -> None:
    answer = await client.send(
        "POST",
        f"{CROP}/upload",
        data=b'--b\r\nContent-Disposition: form-data; name="file[]"; filename="a"\r\n\r\nabc',
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    _is_error(answer, 400, "MALFORMED_FORM")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "MALFORMED_JSON"),
        (b"\xff\xfe", 400, "MALFORMED_JSON"),
        (b"[" * 100_000, 422, "INVALID_REQUEST"),
        (b'{"x":' * 100_000, 400, "MALFORMED_JSON"),
        (b"[]", 422, "INVALID_REQUEST"),
        (b'{"icp_type": "school"}', 422, "INVALID_REQUEST"),
        (b'{"image_url": "http://x.y/a.jpg"}', 422, "INVALID_REQUEST"),
        (
            b'{"icp_type": "school", "image_url": "http://x", "image_urls": ["http://x"]}',
            422,
            "INVALID_REQUEST",
        ),
        (b'{"icp_type": "school", "image_urls": []}', 422, "INVALID_REQUEST"),
        (b'{"icp_type": "school", "image_url": ""}', 422, "INVALID_REQUEST"),
        (b'{"icp_type": "school", "image_url": 7}', 422, "INVALID_REQUEST"),
        (b'{"icp_type": "passport", "image_url": "http://x"}', 422, "INVALID_REQUEST"),
        (
            b'{"icp_type": "school", "image_url": "http://x", "enhance": "yes"}',
            422,
            "INVALID_REQUEST",
        ),
        (b" " * 1_000_001, 413, "BODY_TOO_LARGE"),
    ],
)
async def test_a_wrong_json_body_is_told_what_is_wrong(
    client: Client, body: bytes, status: int, code: str
) -> None:
    answer = await client.send(
        "POST", CROP, data=body, headers={"Content-Type": "application/json"}
    )
    _is_error(answer, status, code)
    assert await client.balance() == 100


async def test_201_urls_are_too_many(client: Client) -> None:
    body = {"icp_type": "school", "image_urls": ["https://example.com/a.jpg"] * 201}
    _is_error(await client.send("POST", CROP, json=body), 422, "TOO_MANY_FILES")


async def test_json_that_is_not_called_json_is_415(client: Client) -> None:
    answer = await client.send("POST", CROP, data=b"{}", headers={"Content-Type": "text/plain"})
    _is_error(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://localhost/a.jpg",
        "http://0.0.0.0/a.jpg",
        "http://[::]/a.jpg",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:10.0.0.1]/a.jpg",
        "http://2130706433/a.jpg",
        "http://user@127.0.0.1/a.jpg",
        "not a url",
    ],
)
async def test_a_url_that_points_inwards_is_refused_and_not_charged(
    client: Client, url: str
) -> None:
    answer = await client.send("POST", CROP, json={"icp_type": "school", "image_url": url})
    assert answer.status == 422
    assert answer.body["results"][0]["error"]["code"] == "URL_NOT_ALLOWED"
    assert await client.balance() == 100


@pytest.fixture
async def web_server(stack: RunningStack, astronaut: bytes) -> AsyncIterator[str]:
    """The one local origin that the stack of the tests may fetch from."""

    async def serve(request: web.Request) -> web.StreamResponse:
        match request.match_info["name"]:
            case "photo.jpg" | "photo%20one.jpg" | "photo one.jpg":
                return web.Response(body=astronaut, content_type="image/jpeg")
            case "page.html":
                return web.Response(text="<html>no photo</html>", content_type="text/html")
            case "inwards":
                raise web.HTTPFound("http://127.0.0.1:1/secret")
            case _:
                raise web.HTTPNotFound

    app = web.Application()
    app.router.add_get("/{name:.*}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", stack.fetch_port).start()
    yield f"http://127.0.0.1:{stack.fetch_port}"
    await runner.cleanup()


async def test_photos_are_fetched_by_url(client: Client, web_server: str) -> None:
    body = {
        "icp_type": "corporate",
        "image_urls": [f"{web_server}/photo.jpg?x=1", f"{web_server}/photo%20one.jpg"],
    }
    answer = await client.send("POST", CROP, json=body)
    assert answer.status == 200
    names = [result["filename"] for result in answer.body["results"]]
    assert names == ["photo.jpg", "photo one.jpg"]
    assert answer.body["tokens_deducted"] == 4


@pytest.mark.parametrize(
    ("name", "code"),
    [("page.html", "NOT_A_PICTURE"), ("gone.jpg", "URL_REFUSED"), ("inwards", "URL_NOT_ALLOWED")],
)
async def test_a_url_without_a_photo_says_why(
    client: Client, web_server: str, name: str, code: str
) -> None:
    body = {"icp_type": "school", "image_url": f"{web_server}/{name}"}
    answer = await client.send("POST", CROP, json=body)
    assert (answer.status, answer.body["results"][0]["error"]["code"]) == (422, code)
    assert await client.balance() == 100


async def test_a_link_works_for_whoever_holds_it_and_for_no_other_file(
    client: Client, astronaut: bytes
) -> None:
    answer = await client.upload(("a.jpg", astronaut))
    link = answer.body["results"][0]["output_urls"]["original"]
    nobody = {"Authorization": ""}
    assert (await client.send("GET", link, headers=nobody)).status == 200
    assert (await client.send("HEAD", link, headers=nobody)).status == 200
    for wrong in (
        link.replace("_orig", "_md"),
        link[:-1] + ("0" if link[-1] != "0" else "1"),
        link.partition("?")[0],
    ):
        forged = await client.send("GET", wrong, headers=nobody)
        assert (forged.status, forged.body["error"]) == (403, "LINK_NOT_VALID")


async def test_uploads_are_gone_when_the_request_is_answered(
    client: Client, stack: RunningStack, astronaut: bytes
) -> None:
    await client.upload(("a.jpg", astronaut))
    await client.upload(("none.jpg", blank()))
    await client.upload(("a.jpg", astronaut), icp_type="passport")
    left = [path for path in (stack.home / "storage" / "uploads").rglob("*") if path.is_file()]
    assert [path for path in left if str(client.account) in str(path)] == []


def _is_error(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.body["error"]) == (status, code), answer.body
    assert set(answer.body) == {"error", "message", "request_id"}
    assert answer.body["request_id"] == answer.headers["X-Request-Id"]
    assert answer.body["message"]
