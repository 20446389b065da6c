"""The tiling, checked with a network so simple that its result is known."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.unit.vision.files import photo
from vision.errors import ModelRefused, PictureTooLarge
from vision.inprocess import OnnxModels
from vision.models import ModelName
from vision.upscale import FACTOR, upscale


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose upscaler repeats each pixel four times and blackens a tile's margin."""
    mask = np.zeros((1, 768, 768, 1), np.uint8)
    mask[:, 72:-72, 72:-72] = 1
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["tiles"], ["as_float"], to=TensorProto.FLOAT),
            helper.make_node(
                "Resize",
                ["as_float", "", "scales"],
                ["large"],
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            ),
            helper.make_node("Cast", ["large"], ["as_uint8"], to=TensorProto.UINT8),
            helper.make_node("Mul", ["as_uint8", "mask"], ["upscaled"]),
        ],
        "repeat",
        [helper.make_tensor_value_info("tiles", TensorProto.UINT8, ["N", 192, 192, 3])],
        [helper.make_tensor_value_info("upscaled", TensorProto.UINT8, ["N", 768, 768, 3])],
        [
            helper.make_tensor("scales", TensorProto.FLOAT, [4], [1, FACTOR, FACTOR, 1]),
            helper.make_tensor("mask", TensorProto.UINT8, mask.shape, mask.tobytes(), raw=True),
        ],
    )
    opset = [helper.make_opsetid("", 18)]
    folder = tmp_path / ModelName.UPSCALER_FAST / "1"
    folder.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), folder / "model.onnx")
    return tmp_path


@pytest.mark.parametrize(
    ("width", "height"),
    [(1, 1), (40, 30), (152, 152), (153, 151), (192, 400), (305, 307), (456, 33)],
)
async def test_tiles_meet_without_seam_or_gap(repository: Path, width: int, height: int) -> None:
    models = OnnxModels(repository)
    pixels = photo(width, height)

    enlarged = await upscale(models, pixels)

    assert np.array_equal(enlarged, pixels.repeat(FACTOR, axis=0).repeat(FACTOR, axis=1))
    await models.close()


async def test_a_result_that_would_not_fit_is_refused_before_any_work(tmp_path: Path) -> None:
    models = OnnxModels(tmp_path)

    with pytest.raises(PictureTooLarge, match="enlarged"):
        await upscale(models, np.zeros((2001, 2000, 3), np.uint8))
    await models.close()


async def test_a_failing_tile_fails_the_whole(repository: Path) -> None:
    models = OnnxModels(repository)

    with pytest.raises(ModelRefused):
        await upscale(models, photo(400, 400), ModelName.UPSCALER)
    await models.close()
