"""An onnxruntime backend for the embedded Triton, which comes without the native one.

Triton takes a folder that holds only this file as a backend written in Python. It answers the very
configurations that the native backend answers in production: concatenate, run, split. It runs in
the environment of the embedded server, not in that of the services.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton

_MODEL_FILE = "model.onnx"

_AT_ONCE = 4
"""Items of a batch given to onnxruntime at a time. What a larger batch needs falls out of the
processor's caches: 15 tiles of the face detector take 22.5 ms at once and 9.5 ms by fours. It also
bounds what onnxruntime's arena, which never gives memory back, can grow to."""


class TritonPythonModel:
    """One instance of one model; Triton starts each in a process of its own."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the model's newest file."""
        config = json.loads(args["model_config"])
        self._input = config["input"][0]["name"]
        self._output = config["output"][0]["name"]
        folder = Path(args["model_repository"]) / args["model_version"]
        options = onnxruntime.SessionOptions()
        # instances share the cores: one thread each, and none that spins while it waits
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            folder / _MODEL_FILE, options, providers=["CPUExecutionProvider"]
        )
        self._shape = tuple(self._session.get_inputs()[0].shape[1:])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the requests of one batch, in order; a bad one does not spoil the others."""
        answers: list[Any] = [None] * len(requests)
        batches: dict[int, Any] = {}
        for index, request in enumerate(requests):
            if request.is_cancelled():
                answers[index] = _refused("cancelled", triton.TritonError.CANCELLED)
                continue
            tensor = triton.get_input_tensor_by_name(request, self._input).as_numpy()
            if tensor.shape[1:] == self._shape:
                batches[index] = tensor
            else:
                message = f"{self._input} must be [n, {self._shape}], not {tensor.shape}"
                answers[index] = _refused(message, triton.TritonError.INVALID_ARG)
        if batches:
            self._run(batches, answers)
        return answers

    def _run(self, batches: dict[int, Any], answers: list[Any]) -> None:
        joined = np.concatenate(list(batches.values()))
        parts = [joined[start : start + _AT_ONCE] for start in range(0, len(joined), _AT_ONCE)]
        answered = [self._session.run([self._output], {self._input: part})[0] for part in parts]
        results = np.concatenate(answered)
        ends = np.cumsum([len(batch) for batch in batches.values()])
        for index, part in zip(batches, np.split(results, ends[:-1]), strict=True):
            tensor = triton.Tensor(self._output, np.ascontiguousarray(part))
            answers[index] = triton.InferenceResponse([tensor])


def _refused(message: str, code: int) -> Any:  # noqa: ANN401 - Triton's types exist only inside it
    return triton.InferenceResponse(error=triton.TritonError(message, code))
