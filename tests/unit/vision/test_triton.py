"""How answers of a Triton server are taken, against a gRPC server that gives any answer."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from vision.errors import ModelBroken, ModelError, ModelRefused, ModelUnavailable
from vision.models import ModelName
from vision.triton import TritonModels

DETECTOR = ModelName.FACE_DETECTOR
Answer = Callable[
    [service_pb2.ModelInferRequest, grpc.aio.ServicerContext],
    Awaitable[service_pb2.ModelInferResponse],
]


class Server(service_pb2_grpc.GRPCInferenceServiceServicer):
    """A server whose every answer is the test's."""

    def __init__(self) -> None:
        self.answer: Answer = faces
        self.at_once = 0
        self.most_at_once = 0
        self.batches: list[int] = []

    async def ModelInfer(  # noqa: N802 (named by the protocol)
        self, request: service_pb2.ModelInferRequest, context: grpc.aio.ServicerContext
    ) -> service_pb2.ModelInferResponse:
        self.batches.append(request.inputs[0].shape[0])
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self.answer(request, context)
        finally:
            self.at_once -= 1


async def faces(
    request: service_pb2.ModelInferRequest,
    context: grpc.aio.ServicerContext,
    value: float = 0.5,
    per_tile: int = 64,
    name: str = "faces",
) -> service_pb2.ModelInferResponse:
    """Answer as a detector that sees the same everywhere."""
    shape = (request.inputs[0].shape[0], per_tile, 17)
    tensor = service_pb2.ModelInferResponse.InferOutputTensor(
        name=name, datatype="FP32", shape=shape
    )
    content = np.full(shape, value, np.float32).tobytes()
    return service_pb2.ModelInferResponse(
        model_name=request.model_name, outputs=[tensor], raw_output_contents=[content]
    )


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, TritonModels]]:
    servicer = Server()
    running = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, running)
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    models = TritonModels(f"127.0.0.1:{port}", timeout_seconds=0.5, in_flight=3)
    yield servicer, models
    await models.close()
    await running.stop(None)


def tiles(count: int) -> np.ndarray:
    return np.zeros((count, 128, 128, 3), np.uint8)


@pytest.mark.parametrize(
    ("count", "batches"),
    [(0, []), (1, [1]), (64, [64]), (65, [1, 64]), (300, [44, 64, 64, 64, 64])],
)
async def test_a_batch_is_split_as_the_server_allows(
    server: tuple[Server, TritonModels], count: int, batches: list[int]
) -> None:
    servicer, models = server

    answer = await models.infer(DETECTOR, tiles(count))

    assert answer.shape == (count, 64, 17)
    assert sorted(servicer.batches) == batches


async def test_requests_in_flight_are_bounded(server: tuple[Server, TritonModels]) -> None:
    servicer, models = server

    async def slowly(*request: object) -> service_pb2.ModelInferResponse:
        await asyncio.sleep(0.02)
        return await faces(*request)

    servicer.answer = slowly
    await asyncio.gather(*(models.infer(DETECTOR, tiles(1)) for _ in range(12)))

    assert servicer.most_at_once == 3


TRACE = 'Traceback (most recent call last):\n  File "/srv/models/1/model.py", line 9'


@pytest.mark.parametrize(
    ("status", "details", "expected"),
    [
        (grpc.StatusCode.INTERNAL, "Stub process 'face_0_0' is not healthy.", ModelUnavailable),
        (grpc.StatusCode.NOT_FOUND, "model 'face' has no available versions", ModelUnavailable),
        (grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size", ModelUnavailable),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "out of memory", ModelUnavailable),
        (grpc.StatusCode.NOT_FOUND, "Request for unknown model: 'face'", ModelRefused),
        (grpc.StatusCode.INVALID_ARGUMENT, "unexpected shape for input", ModelRefused),
        (grpc.StatusCode.INTERNAL, TRACE, ModelRefused),
    ],
)
async def test_what_the_server_says_becomes_one_of_our_errors(
    server: tuple[Server, TritonModels],
    status: grpc.StatusCode,
    details: str,
    expected: type[ModelError],
) -> None:
    servicer, models = server

    async def refuse(
        _: object, context: grpc.aio.ServicerContext
    ) -> service_pb2.ModelInferResponse:
        await context.abort(status, details)
        raise AssertionError("abort raises")

    servicer.answer = refuse
    with pytest.raises(ModelError) as refused:
        await models.infer(DETECTOR, tiles(1))

    assert type(refused.value) is expected
    assert details not in str(refused.value)
    assert "Traceback" not in str(refused.value)
    assert not await models.ready([DETECTOR])


@pytest.mark.parametrize(
    "wrong", [{"value": float("nan")}, {"per_tile": 3}, {"name": "something else"}]
)
async def test_an_answer_that_cannot_be_right_is_not_passed_on(
    server: tuple[Server, TritonModels], wrong: dict[str, object]
) -> None:
    servicer, models = server
    servicer.answer = lambda request, context: faces(request, context, **wrong)

    with pytest.raises(ModelBroken):
        await models.infer(DETECTOR, tiles(2))


async def test_a_late_answer_is_not_waited_for(server: tuple[Server, TritonModels]) -> None:
    servicer, models = server
    given_up = asyncio.Event()

    async def never(*_: object) -> service_pb2.ModelInferResponse:
        try:
            return await asyncio.Future()
        except asyncio.CancelledError:
            given_up.set()
            raise

    servicer.answer = never
    with pytest.raises(ModelUnavailable):
        await models.infer(DETECTOR, tiles(1))
    async with asyncio.timeout(5):
        await given_up.wait()


async def test_a_caller_who_gives_up_frees_its_place(server: tuple[Server, TritonModels]) -> None:
    servicer, models = server

    async def never(*_: object) -> service_pb2.ModelInferResponse:
        return await asyncio.Future()

    servicer.answer = never
    for _ in range(5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await models.infer(DETECTOR, tiles(150))

    servicer.answer = faces
    assert await models.ready([DETECTOR])


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    models = TritonModels("127.0.0.1:1", timeout_seconds=0.3)

    with pytest.raises(ModelUnavailable):
        await models.infer(DETECTOR, tiles(1))
    assert not await models.ready([DETECTOR])
    await models.close()


async def test_a_server_that_comes_up_late_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    models = TritonModels(f"127.0.0.1:{port}", timeout_seconds=0.3)
    assert not await models.ready([DETECTOR])

    running = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Server(), running)
    running.add_insecure_port(f"127.0.0.1:{port}")
    await running.start()

    async with asyncio.timeout(10):
        while not await models.ready([DETECTOR]):
            pass
    await models.close()
    await running.stop(None)
