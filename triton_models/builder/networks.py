"""The five models: a converted network between the tensors that our services send and get.

Every input is uint8 [N,H,W,3], red, green, blue; what a network wants instead is done in the graph.
"""

from collections.abc import Callable

import numpy as np
from onnx import TensorProto

from triton_models.builder import dlib, ncnn, tflite
from triton_models.builder.archives import source
from triton_models.builder.graph import Graph

TILE = 128
"""Side of a face detector's tile, in pixels."""
BEST = 64
"""How many anchors of a tile the detector answers with."""
CHIP = 150
"""Side of an aligned face, in pixels."""
UPSCALER_TILE = 192
"""Side of an upscaler's tile, in pixels; its answer is four times that."""
MATTE = 256
"""Side of a picture that gets a matte, in pixels."""


def face_detector() -> bytes:
    """BlazeFace short range, with its anchors decoded and the best answers chosen in the graph."""
    graph = Graph()
    pixels = graph.pixels("tiles", scale=1 / 127.5, offset=-1.0)
    raw = tflite.append(graph, source("blazeface"), pixels)
    low, high = graph.constant(-100.0), graph.constant(100.0)
    scores = graph.add("Sigmoid", graph.add("Clip", raw["classificators"], low, high))
    scale = graph.constant(1 / TILE)
    places = graph.add("Mul", raw["regressors"], scale)
    places = graph.add("Add", places, graph.constant(_anchor_offsets()))
    answers = graph.add("Concat", scores, places, axis=2)
    axis = graph.constant(np.array([2], np.int64))
    _, best = graph.add_many(
        "TopK",
        2,
        graph.add("Squeeze", scores, axis),
        graph.constant(np.array([BEST], np.int64)),
        axis=1,
    )
    best = graph.add("Unsqueeze", best, axis)
    # one index for each of the 17 numbers of an answer
    best = graph.add("Tile", best, graph.constant(np.array([1, 1, 17], np.int64)))
    faces = graph.add("GatherElements", answers, best, axis=1)
    return graph.model(
        {"tiles": (TILE, TILE, 3)}, {"faces": (faces, (BEST, 17), TensorProto.FLOAT)}
    )


def face_embedder() -> bytes:
    """Dlib's ResNet, its answers brought to unit length."""
    graph = Graph()
    pixels = graph.pixels("chips", scale=1.0)
    embeddings = dlib.append(graph, source("face_resnet"), pixels)
    length = graph.add("ReduceL2", embeddings, axes=[1], keepdims=1)
    unit = graph.add("Div", embeddings, length)
    return graph.model(
        {"chips": (CHIP, CHIP, 3)}, {"embeddings": (unit, (128,), TensorProto.FLOAT)}
    )


def upscaler_fast() -> bytes:
    """Real-ESRGAN's compact network."""
    return _upscaler("animevideov3")


def upscaler() -> bytes:
    """Real-ESRGAN x4plus."""
    return _upscaler("x4plus")


def person_matte() -> bytes:
    """MediaPipe's selfie segmentation."""
    graph = Graph()
    raw = tflite.append(
        graph, source("selfie_segmentation"), graph.pixels("pictures", scale=1 / 255)
    )
    (matte,) = raw.values()
    mattes = graph.add("Squeeze", matte, graph.constant(np.array([1], np.int64)))
    return graph.model(
        {"pictures": (MATTE, MATTE, 3)}, {"mattes": (mattes, (MATTE, MATTE), TensorProto.FLOAT)}
    )


def _upscaler(name: str) -> bytes:
    graph = Graph()
    pixels = graph.pixels("tiles", scale=1 / 255)
    large = ncnn.append(graph, source(f"{name}_param").decode(), source(f"{name}_bin"), pixels)
    side = UPSCALER_TILE
    return graph.model(
        {"tiles": (side, side, 3)},
        {"upscaled": (graph.to_pixels(large), (4 * side, 4 * side, 3), TensorProto.UINT8)},
    )


def _anchor_offsets() -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """Return [896,16]: where each anchor adds its own place to a centre or a landmark.

    Anchors stand in the middle of the cells of a 16 x 16 grid, two in each, and of an 8 x 8 grid,
    six in each (MediaPipe's ssd_anchors_calculator with the options of the short-range model).
    """
    points = [
        ((x + 0.5) / cells, (y + 0.5) / cells)
        for cells, each in ((16, 2), (8, 6))
        for y in range(cells)
        for x in range(cells)
        for _ in range(each)
    ]
    anchors = np.array(points, np.float32)
    size = np.zeros_like(anchors)
    return np.concatenate([anchors, size, *([anchors] * 6)], axis=1)


NETWORKS: dict[str, Callable[[], bytes]] = {
    "face_detector": face_detector,
    "face_embedder": face_embedder,
    "person_matte": person_matte,
    "upscaler_fast": upscaler_fast,
    "upscaler": upscaler,
}
"""What builds each model of the repository."""
