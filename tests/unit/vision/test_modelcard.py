from pathlib import Path

import pytest

from vision.errors import CardBroken, ModelError
from vision.modelcard import embedder_card
from vision.models import SIGNATURES, ModelName

REPOSITORY = Path(__file__).parents[3] / "triton_models" / "repository"
CARD = (REPOSITORY / "face_embedder" / "card.toml").read_text()


def written(folder: Path, text: str | bytes) -> Path:
    """A repository whose embedder has this card."""
    (folder / "face_embedder").mkdir()
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "face_embedder" / "card.toml").write_bytes(data)
    return folder


def test_the_card_of_our_own_embedder_is_read() -> None:
    card = embedder_card(REPOSITORY)
    signature = SIGNATURES[ModelName.FACE_EMBEDDER]
    assert card.version.startswith("dlib-resnet-v1")
    assert card.output.dimensions == signature.output_shape[0]
    right_eye, left_eye, nose, mouth = card.input.template
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_eye[1] < nose[1] < mouth[1]
    assert -1 < card.calibration.midpoint < 1
    assert card.calibration.slope > 0


def test_a_card_may_say_more_and_write_whole_numbers(tmp_path: Path) -> None:
    text = CARD.replace("slope = 69.4", "slope = 69\nmeasured_by = 'us'")
    assert embedder_card(written(tmp_path, text)).calibration.slope == 69.0


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('role = "embedder"', 'role = "detector"', "role"),
        ('role = "embedder"', "", "role"),
        ("version = ", "#", "version"),
        ("size = [150, 150]", "size = [112, 112]", "150"),
        ("size = [150, 150]", "size = [150]", "size"),
        ('colours = "RGB"', 'colours = "BGR"', "colours"),
        (", [73.5, 106.1]]", "]", "template"),
        ("[73.5, 106.1]", "[73.5, 151.0]", "beyond"),
        ("[73.5, 106.1]", "[72.9, 78.8]", "same place"),
        ("[73.5, 106.1]", "[nan, 106.1]", "template|finite"),
        ("dimensions = 128", "dimensions = 512", "128"),
        ("dimensions = 128", "dimensions = 'many'", "dimensions"),
        ("midpoint = 0.905", "midpoint = 1.5", "midpoint"),
        ("slope = 69.4", "slope = -69.4", "slope"),
        ("slope = 69.4", "slope = inf", "finite"),
        ("[calibration]", "[calibrated]", "calibration"),
        ("[calibration]", "[calibration", "no sense"),
    ],
)
def test_a_card_that_makes_no_sense_is_refused_and_says_why(
    tmp_path: Path, old: str, new: str, named: str
) -> None:
    assert old in CARD
    with pytest.raises(CardBroken, match=f"face_embedder/card.toml.*({named})") as caught:
        embedder_card(written(tmp_path, CARD.replace(old, new)))
    assert isinstance(caught.value, ModelError)


def test_a_card_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CardBroken, match="no sense"):
        embedder_card(written(tmp_path, b"\xff\xfe\x00"))


def test_a_repository_without_a_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CardBroken, match=r"no readable face_embedder/card\.toml"):
        embedder_card(tmp_path)
