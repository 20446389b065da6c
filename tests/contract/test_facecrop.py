"""Face crop as the Printcart Studio document has it, over real HTTP on the whole stack."""

import io
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from PIL import Image, ImageCms

from tests.contract.conftest import Client, Newcomer
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
