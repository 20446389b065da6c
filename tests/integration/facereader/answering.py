"""A model server that does all but one thing as it should, and that as the test says.

It speaks Triton's protocol, for answers that a healthy Triton never gives.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from cli import ports
from vision.models import SIGNATURES, ModelName, Models, Tensor

Spoil = Callable[[Tensor], Tensor]


class Server(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Answers with what `models` say, what one of them says spoilt on the way."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self.spoilt = ModelName.FACE_EMBEDDER
        self.spoil: Spoil = lambda answer: answer
        self.batches: list[int] = []
        """Items in each request to the model that is spoilt."""

    async def ModelInfer(  # noqa: N802 (named by the protocol)
        self, request: service_pb2.ModelInferRequest, context: grpc.aio.ServicerContext
    ) -> service_pb2.ModelInferResponse:
        model = ModelName(request.model_name)
        shape = tuple(request.inputs[0].shape)
        batch = np.frombuffer(request.raw_input_contents[0], np.uint8).reshape(shape)
        answer = await self._models.infer(model, batch)
        if model is self.spoilt:
            self.batches.append(len(batch))
            answer = self.spoil(answer)
        tensor = service_pb2.ModelInferResponse.InferOutputTensor(
            name=SIGNATURES[model].output_name, datatype="FP32", shape=answer.shape
        )
        return service_pb2.ModelInferResponse(
            model_name=model, outputs=[tensor], raw_output_contents=[answer.tobytes()]
        )


@asynccontextmanager
async def answering(models: Models) -> AsyncIterator[tuple[Server, str]]:
    """The server, and its host and port."""
    (port,) = ports.free(1)
    servicer, server = Server(models), grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    yield servicer, f"127.0.0.1:{port}"
    await server.stop(grace=None)
