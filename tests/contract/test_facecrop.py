"""Face crop as the Printcart Studio document has it, over real HTTP on the whole stack."""

import io

import pytest
from PIL import Image, ImageCms

from tests.contract.conftest import Client, Elsewhere, Newcomer, another
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
        "receipt",
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


async def test_the_receipt_says_how_the_portrait_came_out(client: Client, astronaut: bytes) -> None:
    answer = await client.upload(("a.jpg", astronaut))
    receipt = answer.body["results"][0]["receipt"]
    # the school preset: eyes at 0.4 of the frame's height, a head of 0.5
    assert abs(receipt["eye_line"] - 0.4) < 0.03
    assert 0.3 < receipt["head"] < 0.7
    assert abs(receipt["roll"]) < 3.5
    # a picture of 512 pixels cannot be printed large
    assert receipt["print_dpi"] < 300
    assert "face_small_for_print" in answer.body["results"][0]["warnings"]
    assert receipt["measured"] is True
    medium = receipt["files"]["medium"]
    assert (medium["width"], medium["height"], medium["scale"]) == (800, 1000, receipt["scale"])
    assert "upscaled" in medium["flags"]
    assert receipt["files"]["original"]["scale"] == 1
    of_all = answer.body["receipt"]
    assert (of_all["portraits"], of_all["measured"], of_all["warned"]) == (1, 1, 1)
    assert of_all["eye_line"] == {"mean": pytest.approx(receipt["eye_line"]), "deviation": 0}
    assert set(of_all["flags"]) == {"oversized", "padded", "upscaled"}


async def test_several_faces_are_told_of_and_the_middle_one_of_equals_is_cropped(
    client: Client, astronaut: bytes
) -> None:
    alone = Image.open(io.BytesIO(astronaut)).convert("RGB").crop((64, 0, 384, 320))
    three = Image.new("RGB", (960, 320))
    for place in range(3):
        three.paste(alone, (320 * place, 0))
    buffer = io.BytesIO()
    three.save(buffer, "JPEG", quality=95)
    answer = await client.upload(("three.jpg", buffer.getvalue()))
    (result,) = answer.body["results"]
    assert len(result["faces"]) == 3
    assert result["faces"][result["face_index"]] == result["face_box"]
    assert abs(result["face_box"]["x"] + result["face_box"]["w"] / 2 - 480) < 60


async def test_the_same_file_twice_is_done_once_and_charged_twice(
    client: Client, astronaut: bytes
) -> None:
    answer = await client.upload(("a.jpg", astronaut), ("other.jpg", astronaut))
    first, second = answer.body["results"]
    assert (first["filename"], second["filename"]) == ("a.jpg", "other.jpg")
    paths = [
        {name: url.partition("?")[0] for name, url in result["output_urls"].items()}
        for result in (first, second)
    ]
    assert paths[0] == paths[1]
    assert answer.body["receipt"]["portraits"] == 1
    assert (answer.body["tokens_deducted"], await client.balance()) == (4, 96)


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
    client: Client, astronaut_jpeg: bytes
) -> None:
    names = ["b.jpg", "a.jpg", "a.jpg", "../../etc/a b\u202e.jpg", "é.png"]
    files = [(name, another(astronaut_jpeg, number)) for number, name in enumerate(names)]
    answer = await client.upload(*files)
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


async def test_photos_are_fetched_by_url(client: Client, elsewhere: Elsewhere) -> None:
    body = {
        "icp_type": "corporate",
        "image_urls": [f"{elsewhere.url}/photo.jpg?x=1", f"{elsewhere.url}/photo%20one.jpg"],
    }
    answer = await client.send("POST", CROP, json=body)
    assert answer.status == 200
    names = [result["filename"] for result in answer.body["results"]]
    assert names == ["photo.jpg", "photo one.jpg"]
    assert answer.body["tokens_deducted"] == 4


async def test_the_same_url_twice_is_fetched_once_and_charged_twice(
    client: Client, elsewhere: Elsewhere
) -> None:
    urls = [f"{elsewhere.url}/a.jpg", f"{elsewhere.url}/b.jpg", f"{elsewhere.url}/a.jpg"]
    answer = await client.send("POST", CROP, json={"icp_type": "school", "image_urls": urls})
    paths = [
        result["output_urls"]["original"].partition("?")[0] for result in answer.body["results"]
    ]
    assert paths[0] == paths[2] != paths[1]
    assert (answer.body["tokens_deducted"], await client.balance()) == (6, 94)


@pytest.mark.parametrize(
    ("name", "code"),
    [("page.html", "NOT_A_PICTURE"), ("gone.jpg", "URL_REFUSED"), ("inwards", "URL_NOT_ALLOWED")],
)
async def test_a_url_without_a_photo_says_why(
    client: Client, elsewhere: Elsewhere, name: str, code: str
) -> None:
    body = {"icp_type": "school", "image_url": f"{elsewhere.url}/{name}"}
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


BADGE = {
    "name": "badge",
    "aspect": [3, 4],
    "head_ratio": 0.5,
    "eye_line": 0.4,
    "output_sizes": {"full": [600, 800], "medium": [300, 400], "card": [240, 320]},
    "background": "#00ff00",
    "format": "png",
    "dpi": 600,
}
PRESETS = "/v1/services/studio/presets"


async def test_a_preset_of_ones_own_gives_its_sizes_as_links(
    client: Client, astronaut: bytes
) -> None:
    assert (await client.send("POST", PRESETS, json=BADGE)).status == 201
    answer = await client.upload(("a.jpg", astronaut), icp_type="badge")
    assert answer.status == 200, answer.body
    (result,) = answer.body["results"]
    assert result["icp_type"] == "badge"
    urls = result["output_urls"]
    assert list(urls) == ["original", "medium", "card"]
    assert urls["card"].partition("?")[0].endswith("/a_card.png")
    medium, card = await client.picture(urls["medium"]), await client.picture(urls["card"])
    assert (medium.size, card.size) == ((300, 400), (240, 320))
    assert medium.format == "PNG"
    assert medium.info["dpi"] == pytest.approx((600, 600), abs=1)
    # whatever was behind the head is of the preset's colour
    red, green, blue = medium.convert("RGB").getpixel((3, 3))
    assert green > 200
    assert max(red, blue) < 60


async def test_a_preset_of_named_sizes_is_judged_by_what_it_asks_for(
    client: Client, astronaut: bytes
) -> None:
    # the head of the photo is about 160 pixels high
    badge = BADGE | {"output_sizes": {"badge": [120, 160], "tiny": [96, 128]}, "dpi": 300}
    sizes = (await client.send("POST", PRESETS, json=badge)).body["output_sizes"]
    assert sizes["full"] == sizes["medium"] == [120, 160]
    (result,) = (await client.upload(("a.jpg", astronaut), icp_type="badge")).body["results"]
    assert "upscaled" not in result.get("flags", [])
    assert "face_small_for_print" not in result.get("warnings", [])
    assert set(result["receipt"]["files"]) == set(result["output_urls"])


@pytest.mark.parametrize("background", ["none", ""])
async def test_without_background_a_photo_keeps_its_own_whatever_the_preset_says(
    client: Client, elsewhere: Elsewhere, astronaut_jpeg: bytes, background: str
) -> None:
    await client.send("POST", PRESETS, json=BADGE)
    await client.send("POST", PRESETS, json=BADGE | {"name": "plain", "background": None})
    by_url = {"icp_type": "badge", "image_url": f"{elsewhere.url}/a.jpg", "background": background}
    answers = [
        await client.upload(("a.jpg", astronaut_jpeg), icp_type="plain"),
        await client.upload(("a.jpg", astronaut_jpeg), icp_type="badge", background=background),
        await client.send("POST", CROP, json=by_url),
    ]
    links = [answer.body["results"][0]["output_urls"]["medium"] for answer in answers]
    plain, by_form, by_json = [(await client.picture(link)).tobytes() for link in links]
    assert by_form == plain
    assert by_json == plain


async def test_the_preset_of_another_account_is_no_icp_type(
    client: Client, newcomer: Newcomer, astronaut: bytes
) -> None:
    await client.send("POST", PRESETS, json=BADGE)
    stranger = await newcomer()
    assert (await stranger.upload(("a.jpg", astronaut), icp_type="badge")).status == 422
    assert await stranger.balance() == 100


@pytest.mark.parametrize(
    ("fields", "kind", "mode"),
    [
        ({"background": "#102030"}, "JPEG", "RGB"),
        ({"background": "transparent"}, "PNG", "RGBA"),
        ({"background": "transparent", "format": "webp"}, "WEBP", "RGBA"),
        ({"format": "png"}, "PNG", "RGB"),
        ({"format": "webp"}, "WEBP", "RGB"),
    ],
)
async def test_background_and_format_of_a_request_come_before_those_of_the_preset(
    client: Client, astronaut: bytes, fields: dict[str, str], kind: str, mode: str
) -> None:
    answer = await client.upload(("a.jpg", astronaut), **fields)
    assert answer.status == 200, answer.body
    picture = await client.picture(answer.body["results"][0]["output_urls"]["medium"])
    assert (picture.format, picture.mode) == (kind, mode)
    if mode == "RGBA":
        least, most = picture.getchannel("A").getextrema()
        assert (least, most) == (0, 255)
