"""Models on a Triton server, over gRPC."""

import asyncio
from collections.abc import Iterable
from typing import Literal

import tritonclient.grpc.aio as triton
from tritonclient.utils import InferenceServerException

from vision.errors import ModelError, ModelRefused, ModelUnavailable
from vision.models import (
    SIGNATURES,
    ModelName,
    Tensor,
    blank,
    check_answer,
    check_batch,
    join,
    split,
)
from vision.picture import Pixels
from vision.watching import Watch, unwatched

_MOST_MESSAGE_BYTES = 64 * 1024 * 1024
"""The largest answer, 8 upscaled tiles, is 14 MB; gRPC alone would stop at 4 MB."""

_READY_SECONDS = 5.0
_TEMPORARY = frozenset(
    (
        "StatusCode.UNAVAILABLE",
        "StatusCode.DEADLINE_EXCEEDED",
        "StatusCode.RESOURCE_EXHAUSTED",
        "StatusCode.CANCELLED",
        "StatusCode.ABORTED",
        "StatusCode.UNKNOWN",
    )
)
# Triton 2.51 says these with a status of INTERNAL and NOT_FOUND: the first while a model's process
# is dead, the second while the server shuts down or reloads the model.
_TEMPORARY_DETAILS = ("is not healthy", "has no available versions", "is not ready")


class TritonModels:
    """See `vision.models.Models`.

    Triton itself keeps no bound on its queue (a queue policy stalls it for half a second at a
    time), so the number of requests in flight is bounded here and further ones wait.
    """

    kind: Literal["triton"] = "triton"

    def __init__(
        self,
        url: str,
        timeout_seconds: float = 60.0,
        in_flight: int = 16,
        watch: Watch = unwatched,
    ) -> None:
        """Connect lazily; must be made while an event loop runs.

        Args:
            url: Host and gRPC port, such as "127.0.0.1:8001".
            timeout_seconds: For each request, from when it is sent. A tile on the large upscaler
                takes 15 s on a processor core.
            in_flight: Requests sent and not yet answered.
            watch: Hears of every request.
        """
        self.description = f"Triton at {url}"
        self._timeout_seconds = timeout_seconds
        self._watch = watch
        self._places = asyncio.Semaphore(in_flight)
        self._client = triton.InferenceServerClient(
            url,
            channel_args=[
                ("grpc.max_send_message_length", _MOST_MESSAGE_BYTES),
                ("grpc.max_receive_message_length", _MOST_MESSAGE_BYTES),
                # gRPC waits up to two minutes before it tries a restarted server again.
                ("grpc.initial_reconnect_backoff_ms", 200),
                ("grpc.max_reconnect_backoff_ms", 2000),
                # a name with several addresses is several servers, each of which gets its share
                ("grpc.lb_policy_name", "round_robin"),
            ],
        )

    async def infer(self, model: ModelName, batch: Pixels) -> Tensor:
        """See `vision.models.Models.infer`."""
        check_batch(model, batch)
        parts = split(batch, SIGNATURES[model].largest_batch)
        requests = [
            asyncio.create_task(self._request(model, part, self._timeout_seconds, self._watch))
            for part in parts
        ]
        try:
            return join(model, await asyncio.gather(*requests))
        finally:
            for request in requests:
                request.cancel()

    async def ready(self, models: Iterable[ModelName]) -> bool:
        """See `vision.models.Models.ready`. Triton's own readiness stays true for dead models."""
        try:
            for model in models:
                await self._request(model, blank(model), _READY_SECONDS, unwatched)
        except ModelError:
            return False
        return True

    async def close(self) -> None:
        """See `vision.models.Models.close`."""
        await self._client.close()

    async def _request(
        self, model: ModelName, part: Pixels, timeout_seconds: float, watch: Watch
    ) -> Tensor:
        signature = SIGNATURES[model]
        tensor = triton.InferInput(signature.input_name, list(part.shape), "UINT8")
        tensor.set_data_from_numpy(part)
        wanted = [triton.InferRequestedOutput(signature.output_name)]
        with watch(model, len(part)) as begun:
            async with self._places:
                begun()
                try:
                    answer = await self._client.infer(
                        model, [tensor], outputs=wanted, client_timeout=timeout_seconds
                    )
                except InferenceServerException as error:
                    raise _translate(error) from error
            return check_answer(model, len(part), answer.as_numpy(signature.output_name))


def _translate(error: InferenceServerException) -> ModelError:
    """Tell what may work in a moment from what will not; details may hold traces and stay here."""
    details = error.message() or ""
    if error.status() in _TEMPORARY or any(mark in details for mark in _TEMPORARY_DETAILS):
        return ModelUnavailable()
    return ModelRefused()
