"""What Triton is told, what the graphs are, and what our services send, agree with each other."""

import re
import tomllib
from pathlib import Path

import onnx
import pytest

from triton_models.builder.__main__ import MANIFEST, WrongResult, build
from vision.models import SIGNATURES, ModelName

REPOSITORY = Path(__file__).parents[3] / "triton_models" / "repository"
TYPES = {"TYPE_UINT8": onnx.TensorProto.UINT8, "TYPE_FP32": onnx.TensorProto.FLOAT}

every_model = pytest.mark.parametrize("model", list(ModelName))


def config(model: str) -> str:
    return (REPOSITORY / model / "config.pbtxt").read_text()


def tensor(text: str, side: str) -> tuple[str, str, list[int]]:
    found = re.search(side + r' \[ \{ name: "(\w+)", data_type: (\w+), dims: \[ ([\d, ]+) \]', text)
    assert found, text
    return found[1], found[2], [int(dim) for dim in found[3].split(",")]


def test_every_model_has_a_folder_and_a_checksum() -> None:
    folders = {path.name for path in REPOSITORY.iterdir()}
    assert folders == set(ModelName) == set(tomllib.loads(MANIFEST.read_text()))


@every_model
def test_the_configuration_is_the_graphs(model: ModelName) -> None:
    graph = onnx.load(REPOSITORY / model / "1" / "model.onnx").graph
    for side, values in (("input", graph.input), ("output", graph.output)):
        (value,) = values
        name, kind, dims = tensor(config(model), side)
        described = value.type.tensor_type
        assert (value.name, described.elem_type) == (name, TYPES[kind])
        assert [dim.dim_value or dim.dim_param for dim in described.shape.dim] == ["N", *dims]


@every_model
def test_the_configuration_is_what_services_expect(model: ModelName) -> None:
    signature = SIGNATURES[model]
    name, _, dims = tensor(config(model), "input")
    assert (name, tuple(dims)) == (signature.input_name, signature.input_shape)
    name, _, dims = tensor(config(model), "output")
    assert (name, tuple(dims)) == (signature.output_name, signature.output_shape)
    most = re.search(r"max_batch_size: (\d+)", config(model))
    assert most
    assert signature.largest_batch <= int(most[1])


@every_model
def test_nothing_makes_triton_stall(model: ModelName) -> None:
    text = re.sub(r"#.*", "", config(model))
    assert 'backend: "onnxruntime"' in text
    waits = "max_queue_delay_microseconds: 1000"
    how = "preferred_batch_size: [ 1 ]" if model == ModelName.UPSCALER_FAST else waits
    assert f"dynamic_batching {{ {how} }}" in text
    assert not re.search(r"queue_policy|priority", text)


@every_model
def test_the_card_says_what_an_operator_asks(model: ModelName) -> None:
    card = tomllib.loads((REPOSITORY / model / "card.toml").read_text())
    assert {"role", "version", "source", "licence", "input", "output"} <= card.keys()
    assert card["input"]["size"] == list(SIGNATURES[model].input_shape[:2])


def test_a_model_that_is_there_is_verified_and_not_built_again() -> None:
    checksum = tomllib.loads(MANIFEST.read_text())["face_detector"]
    assert build("face_detector", checksum) == "verified"


def test_a_model_that_is_not_there_or_damaged_is_built(tmp_path: Path) -> None:
    checksum = tomllib.loads(MANIFEST.read_text())["person_matte"]
    assert build("person_matte", checksum, tmp_path) == "built"
    file = tmp_path / "person_matte" / "1" / "model.onnx"
    whole = file.read_bytes()
    file.write_bytes(whole[:1000])
    assert build("person_matte", checksum, tmp_path) == "built"
    assert file.read_bytes() == whole


def test_a_model_that_comes_out_otherwise_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongResult, match="person_matte"):
        build("person_matte", "0" * 64, tmp_path)
    assert list(tmp_path.rglob("*.onnx")) == []
