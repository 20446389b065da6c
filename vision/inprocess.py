"""Models in this very process, where no Triton can run.

Reads the same model repository. There is no batching across callers, no isolation (a crash of
onnxruntime is a crash of the service) and no GPU: a stopgap, which says so in the log.
"""

import asyncio
import logging
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Literal

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors

from vision.errors import ModelBroken, ModelError, ModelRefused
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
from vision.watching import Begun, Watch, unwatched

_log = logging.getLogger(__name__)

_VERSION = "1"
"""The folder of the version to load; there is one."""

_ITEMS_OF_A_RUN = 4
"""Longer batches are no faster on a processor; short ones spread over its cores and take a fraction
of the memory, which onnxruntime never gives back."""
_LOAD_FAILURES = (
    onnx_errors.Fail,
    onnx_errors.InvalidProtobuf,
    onnx_errors.InvalidGraph,
    onnx_errors.NotImplemented,
)
_RUN_FAILURES = (onnx_errors.Fail, onnx_errors.InvalidArgument, onnx_errors.RuntimeException)


class OnnxModels:
    """See `vision.models.Models`."""

    kind: Literal["onnxruntime"] = "onnxruntime"

    def __init__(
        self, repository: Path, threads: int | None = None, watch: Watch = unwatched
    ) -> None:
        """Load each model when it is first called.

        Args:
            repository: The model repository that Triton would serve.
            threads: Requests that run at the same time, each on one core; all cores if not given.
            watch: Hears of every request.
        """
        threads = threads or os.cpu_count() or 1
        self.description = f"onnxruntime in this process on {threads} threads (this is not Triton)"
        self._repository = repository
        self._watch = watch
        self._sessions: dict[ModelName, onnxruntime.InferenceSession] = {}
        self._loading = Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="models")
        _log.warning("no Triton: models run by %s", self.description)

    async def infer(self, model: ModelName, batch: Pixels) -> Tensor:
        """See `vision.models.Models.infer`."""
        check_batch(model, batch)
        parts = split(batch, _ITEMS_OF_A_RUN)
        runs = [self._part(model, part, self._watch) for part in parts]
        return join(model, await asyncio.gather(*runs))

    async def ready(self, models: Iterable[ModelName]) -> bool:
        """See `vision.models.Models.ready`."""
        try:
            for model in models:
                await self._part(model, blank(model), unwatched)
        except ModelError:
            return False
        return True

    async def close(self) -> None:
        """See `vision.models.Models.close`."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._sessions.clear()

    async def _part(self, model: ModelName, part: Pixels, watch: Watch) -> Tensor:
        with watch(model, len(part)) as begun:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._run, model, part, begun)

    def _run(self, model: ModelName, part: Pixels, begun: Begun) -> Tensor:
        begun()
        signature = SIGNATURES[model]
        session = self._session(model)
        try:
            (answer,) = session.run(
                [signature.output_name], {signature.input_name: np.ascontiguousarray(part)}
            )
        except _RUN_FAILURES as error:
            raise ModelBroken from error
        return check_answer(model, len(part), answer)

    def _session(self, model: ModelName) -> onnxruntime.InferenceSession:
        with self._loading:
            if model not in self._sessions:
                self._sessions[model] = self._load(model)
            return self._sessions[model]

    def _load(self, model: ModelName) -> onnxruntime.InferenceSession:
        file = self._repository / model / _VERSION / "model.onnx"
        if not file.is_file():
            raise ModelRefused
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            return onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
        except _LOAD_FAILURES as error:
            raise ModelRefused from error
