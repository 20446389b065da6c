import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from vision.connect import connect
from vision.errors import ModelBroken, ModelRefused
from vision.inprocess import OnnxModels
from vision.models import ModelName
from vision.triton import TritonModels

DETECTOR = ModelName.FACE_DETECTOR


def build(repository: Path, value: float, faces: int = 64) -> None:
    """A detector that answers with one value whatever it sees."""
    graph = helper.make_graph(
        [
            helper.make_node("Shape", ["tiles"], ["items"], start=0, end=1),
            helper.make_node("Concat", ["items", "rest"], ["shape"], axis=0),
            helper.make_node("Expand", ["value", "shape"], ["faces"]),
        ],
        "constant",
        [helper.make_tensor_value_info("tiles", TensorProto.UINT8, ["N", 128, 128, 3])],
        [helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["N", faces, 17])],
        [
            helper.make_tensor("rest", TensorProto.INT64, [2], [faces, 17]),
            helper.make_tensor("value", TensorProto.FLOAT, [1], [value]),
        ],
    )
    opset = [helper.make_opsetid("", 18)]
    folder = repository / DETECTOR / "1"
    folder.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), folder / "model.onnx")


def tiles(count: int) -> np.ndarray:
    return np.zeros((count, 128, 128, 3), np.uint8)


@pytest.mark.parametrize("count", [0, 1, 64, 65, 150])
async def test_a_batch_of_any_length_is_answered(tmp_path: Path, count: int) -> None:
    build(tmp_path, 0.25)
    models = OnnxModels(tmp_path)

    answer = await models.infer(DETECTOR, tiles(count))

    assert answer.shape == (count, 64, 17)
    assert answer.dtype == np.float32
    assert (answer == 0.25).all()
    await models.close()


@pytest.mark.parametrize(("value", "faces"), [(float("nan"), 64), (float("inf"), 64), (0.5, 63)])
async def test_an_answer_that_cannot_be_right_is_not_passed_on(
    tmp_path: Path, value: float, faces: int
) -> None:
    build(tmp_path, value, faces)
    models = OnnxModels(tmp_path)

    with pytest.raises(ModelBroken):
        await models.infer(DETECTOR, tiles(1))
    assert not await models.ready([DETECTOR])
    await models.close()


async def test_a_model_that_is_not_there_is_not_ready(tmp_path: Path) -> None:
    build(tmp_path, 0.5)
    models = OnnxModels(tmp_path)

    assert await models.ready([DETECTOR])
    assert not await models.ready([DETECTOR, ModelName.UPSCALER])
    with pytest.raises(ModelRefused):
        await models.infer(ModelName.PERSON_MATTE, np.zeros((1, 256, 256, 3), np.uint8))
    await models.close()


async def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    build(tmp_path, 0.5)
    (tmp_path / DETECTOR / "1" / "model.onnx").write_bytes(b"not a network")
    models = OnnxModels(tmp_path)

    with pytest.raises(ModelRefused):
        await models.infer(DETECTOR, tiles(1))
    await models.close()


@pytest.mark.parametrize(
    "batch", [np.zeros((1, 64, 64, 3), np.uint8), np.zeros((1, 128, 128, 3), np.float32)]
)
async def test_a_batch_of_the_wrong_shape_is_the_callers_mistake(
    tmp_path: Path, batch: np.ndarray
) -> None:
    models = OnnxModels(tmp_path)

    with pytest.raises(ValueError, match="face_detector takes uint8"):
        await models.infer(DETECTOR, batch)
    await models.close()


async def test_it_says_plainly_that_it_is_not_triton(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        models = connect(None, tmp_path)

    assert models.kind == "onnxruntime"
    assert "not Triton" in models.description
    assert "no Triton" in caplog.text
    await models.close()


async def test_a_url_means_triton(tmp_path: Path) -> None:
    models = connect("127.0.0.1:1", tmp_path)

    assert isinstance(models, TritonModels)
    assert models.kind == "triton"
    assert "127.0.0.1:1" in models.description
    await models.close()


def test_nothing_is_noted_down_for_the_makers_of_onnxruntime(tmp_path: Path) -> None:
    build(tmp_path / "repository", 0.25)
    home = tmp_path / "home"
    home.mkdir()
    script = f"""
import asyncio
from pathlib import Path
import numpy as np
from vision.inprocess import OnnxModels
from vision.models import ModelName
models = OnnxModels(Path({str(tmp_path / "repository")!r}))
batch = np.zeros((1, 128, 128, 3), np.uint8)
asyncio.run(models.infer(ModelName.FACE_DETECTOR, batch))
"""

    subprocess.run([sys.executable, "-c", script], check=True, env={"HOME": str(home)})

    assert list(home.rglob("*")) == []
