"""Each built network against what its source library answered to the same pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.integration.triton_models.pictures import inputs
from triton_models.builder.networks import _anchor_offsets

REPOSITORY = Path(__file__).parents[3] / "triton_models" / "repository"

Array = NDArray[Any]


@pytest.fixture(scope="module")
def references() -> dict[str, Array]:
    with np.load(Path(__file__).parent / "references.npz") as stored:
        return dict(stored)


def run(model: str, batch: Array) -> Array:
    session = onnxruntime.InferenceSession(
        REPOSITORY / model / "1" / "model.onnx", providers=["CPUExecutionProvider"]
    )
    (answer,) = session.run(None, {session.get_inputs()[0].name: batch})
    return np.asarray(answer)


@pytest.mark.parametrize("index", [0, 1])
def test_the_face_detector_decodes_what_blazeface_answers(
    references: dict[str, Array], index: int
) -> None:
    answer = run("face_detector", inputs(128))[index]
    raw = references[f"classificators_{index}"][:, 0].astype(np.float64)
    scores = 1 / (1 + np.exp(-np.clip(raw, -100, 100)))
    places = references[f"regressors_{index}"] / 128 + _anchor_offsets()
    best = np.argsort(-scores, kind="stable")[:64]
    assert np.abs(answer[:, 0] - scores[best]).max() < 1e-4
    # anchors whose scores are nearly equal may change places: each answer is looked for
    for row in answer[:16]:
        nearest = np.abs(places - row[1:]).max(axis=1).argmin()
        assert np.abs(places[nearest] - row[1:]).max() < 1e-4
        assert abs(scores[nearest] - row[0]) < 1e-4


def test_the_face_detector_finds_the_face_and_none_in_waves(references: dict[str, Array]) -> None:
    answers = run("face_detector", inputs(128))
    assert answers[0, 0, 0] > 0.8
    assert answers[1, 0, 0] < 0.5
    assert (np.diff(answers[:, :, 0], axis=1) <= 0).all()
    assert references["classificators_0"].max() > 0


@pytest.mark.parametrize("index", [0, 1])
def test_the_face_embedder_answers_like_dlib(references: dict[str, Array], index: int) -> None:
    answer = run("face_embedder", inputs(150))[index]
    reference = references[f"embedding_{index}"]
    assert np.abs(answer - reference / np.linalg.norm(reference)).max() < 1e-5
    assert np.linalg.norm(answer) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("index", [0, 1])
def test_the_matte_is_mediapipes(references: dict[str, Array], index: int) -> None:
    answer = run("person_matte", inputs(256))[index]
    assert np.abs(answer[::4, ::4] - references[f"matte_{index}"]).max() < 1e-3


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("model", ["upscaler_fast", "upscaler"])
def test_an_upscaler_paints_like_ncnn(references: dict[str, Array], model: str, index: int) -> None:
    # ncnn computes with 16-bit numbers in places, which adds up over x4plus's 351 convolutions
    most = {"upscaler_fast": 3, "upscaler": 8}[model]
    answer = run(model, inputs(192)[index : index + 1])[0]
    inside = answer[128:-128:7, 128:-128:7].astype(int)
    apart = np.abs(inside - references[f"{model}_{index}"])
    assert apart.max() <= most
    assert apart.mean() < 1


@pytest.mark.parametrize(
    ("model", "side"),
    [("face_detector", 128), ("face_embedder", 150), ("person_matte", 256), ("upscaler_fast", 192)],
)
def test_a_batch_gives_what_single_inputs_give(model: str, side: int) -> None:
    batch = inputs(side)
    together = run(model, batch)
    apart = np.concatenate([run(model, one[None]) for one in batch])
    assert np.abs(together.astype(float) - apart).max() <= (1 if model == "upscaler_fast" else 1e-4)
