import asyncio

import numpy as np
import pytest

from vision.models import SIGNATURES, ModelName, Models
from vision.picture import Pixels

LOADED = [name for name in ModelName if name is not ModelName.UPSCALER]
"""The large upscaler takes 15 s for a tile on a processor."""


@pytest.mark.parametrize("name", LOADED)
async def test_every_model_has_the_signature_we_rely_on(models: Models, name: ModelName) -> None:
    signature = SIGNATURES[name]
    batch = np.full((2, *signature.input_shape), 90, np.uint8)

    answer = await models.infer(name, batch)

    assert answer.shape == (2, *signature.output_shape)
    assert answer.dtype == signature.output_type


async def test_the_models_are_ready(models: Models) -> None:
    assert await models.ready(LOADED)


async def test_an_answer_does_not_depend_on_its_neighbours_in_the_batch(
    models: Models, portrait: Pixels
) -> None:
    tile = np.ascontiguousarray(portrait[40:168, 150:278])
    others = np.random.default_rng(3).integers(0, 255, (70, 128, 128, 3), dtype=np.uint8)
    others[[0, 33, 69]] = tile

    alone = await models.infer(ModelName.FACE_DETECTOR, tile[None])
    together = await models.infer(ModelName.FACE_DETECTOR, others)

    for place in (0, 33, 69):
        assert together[place, 0] == pytest.approx(alone[0, 0], abs=1e-4)


async def test_many_callers_at_once_each_get_their_own_answer(models: Models) -> None:
    random = np.random.default_rng(4)
    chips = random.integers(0, 255, (24, 150, 150, 3), dtype=np.uint8)

    at_once = await asyncio.gather(
        *(models.infer(ModelName.FACE_EMBEDDER, chip[None]) for chip in chips)
    )

    in_order = await models.infer(ModelName.FACE_EMBEDDER, chips)
    assert np.abs(np.concatenate(at_once) - in_order).max() < 1e-4
