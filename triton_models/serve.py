"""The embedded Triton: the server of the nvidia-pytriton wheel, run and watched as a child.

`python -m triton_models.serve --home DIR --http-port … --grpc-port … --metrics-port …`

A model whose process has died keeps being called ready, by 2.51 and later, and never answers again.
So each model is asked for a real, tiny inference every few seconds; one that does not answer is
loaded anew, and if that does not help the server is started again.
"""

import argparse
import ctypes
import http.client
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from triton_models import wheel
from triton_models.watching import Action, Watch

_OK = 200
_HEAD_LENGTH = "Inference-Header-Content-Length"
"""Where the JSON of a request ends and its tensor begins (Triton's binary tensor extension)."""

_EXIT_SECONDS = 5
_LOOK_SECONDS = 0.5
_IMPATIENT_LOOK_SECONDS = 0.05
_PROBE_TIMEOUT_SECONDS = 20.0
_START_SECONDS = 60.0

DEFAULT_MODELS = ("face_detector", "face_embedder", "person_matte", "upscaler_fast")
"""What is loaded unless told otherwise: all but the upscaler that wants a GPU."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the server listens, on the loopback interface only."""

    http: int
    grpc: int
    metrics: int


class Server:
    """One tritonserver process."""

    def __init__(
        self, python: Path, repository: Path, home: Path, ports: Ports, models: list[str]
    ) -> None:
        self._python = python
        self._repository = repository
        self._home = home
        self._ports = ports
        self._models = models
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; it is ready when `answers` says so of every model."""
        wheel.remove_leaked_memory(self._home)
        command = [
            *wheel.command(self._python, self._repository, self._home),
            f"--http-port={self._ports.http}",
            f"--grpc-port={self._ports.grpc}",
            f"--metrics-port={self._ports.metrics}",
            f"--exit-timeout-secs={_EXIT_SECONDS}",
            *(f"--load-model={model}" for model in self._models),
        ]
        self._process = subprocess.Popen(
            command,
            env=wheel.environment(self._python),
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has no threads yet
            start_new_session=True,
        )

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def answers(self, model: str) -> bool:
        """Whether every instance of a model gives back an answer to one blank input.

        Triton hands requests round, so as many requests as there are instances reach each.
        """
        status, body = self._request("GET", f"/v2/models/{model}/config")
        if status != _OK:
            return False
        config = json.loads(body)
        head, tensor = _blank_request(config["input"][0])
        instances = config["instance_group"][0]["count"]
        return all(self._infer(model, head, tensor) for _ in range(instances))

    def reload(self, model: str) -> bool:
        """Load a model anew, which gives it new processes.

        Loading alone changes nothing: for Triton the model with the dead process is loaded.
        """
        self._request("POST", f"/v2/repository/models/{model}/unload", b"{}")
        status, _ = self._request("POST", f"/v2/repository/models/{model}/load", b"{}")
        return status == _OK

    def stop(self) -> None:
        """Ask the process to finish what it does and end; make it, if it will not."""
        if self._process is None:
            return
        if self.alive:
            self._process.terminate()
        try:
            self._process.wait(_EXIT_SECONDS + 2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        wheel.remove_leaked_memory(self._home)

    def _infer(self, model: str, head: bytes, tensor: bytes) -> bool:
        headers = {_HEAD_LENGTH: str(len(head))}
        status, _ = self._request("POST", f"/v2/models/{model}/infer", head + tensor, headers)
        return status == _OK

    def _request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Return status and body of the answer; status 0 when there is none."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self._ports.http, timeout=_PROBE_TIMEOUT_SECONDS
        )
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()


def main() -> int:
    """Run and watch the server until told to stop. Returns the exit code."""
    options = _options()
    if reason := wheel.unfit(options.python):
        print(f"triton: {reason}", file=sys.stderr)
        return 1
    models = options.model or list(DEFAULT_MODELS)
    ports = Ports(options.http_port, options.grpc_port, options.metrics_port)
    server = Server(options.python, options.repository.resolve(), options.home, ports, models)
    stopping = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.start()
    try:
        _watch(server, models, stopping)
    finally:
        server.stop()
    return 0


def _watch(server: Server, models: list[str], stopping: threading.Event) -> None:
    watch = Watch(models, started=time.monotonic(), start_seconds=_START_SECONDS)
    was_ready = False
    while not stopping.wait(_LOOK_SECONDS if watch.ready else _IMPATIENT_LOOK_SECONDS):
        action = _look(server, watch)
        if action is not None and not stopping.is_set():
            _log(action.kind, model=action.model, reason=action.reason)
            _do(server, watch, action, stopping)
        if watch.ready != was_ready:
            was_ready = watch.ready
            _log("ready" if was_ready else "not ready")


def _look(server: Server, watch: Watch) -> Action | None:
    """Ask the models whose turn it is, and return what to do about the first that is silent."""
    if not server.alive:
        return watch.gone()
    for model in watch.due(time.monotonic()):
        asked = time.monotonic()
        if server.answers(model):
            watch.answered(model, time.monotonic(), time.monotonic() - asked)
        elif action := watch.silent(model, time.monotonic()):
            return action
    return None


def _do(server: Server, watch: Watch, action: Action, stopping: threading.Event) -> None:
    if action.kind == "reload":
        server.reload(action.model)
        return
    server.stop()
    if not stopping.wait(action.pause_seconds):
        server.start()
        watch.restarted(time.monotonic())


def _log(event: str, **facts: str) -> None:
    print(json.dumps({"event": event, **facts}), file=sys.stderr, flush=True)


def _blank_request(tensor: dict[str, Any]) -> tuple[bytes, bytes]:
    """Return the JSON head and the bytes of a request with one black input."""
    shape = [1, *(int(side) for side in tensor["dims"])]
    size = math.prod(shape)
    described = {
        "name": tensor["name"],
        "shape": shape,
        "datatype": "UINT8",
        "parameters": {"binary_data_size": size},
    }
    head = {"inputs": [described], "parameters": {"binary_data_output": True}}
    return json.dumps(head).encode(), bytes(size)


def _die_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="triton_models.serve", description=__doc__)
    here = Path(__file__).parent
    parser.add_argument("--python", type=Path, default=here.parent / ".venv-triton/bin/python")
    parser.add_argument("--repository", type=Path, default=here / "repository")
    parser.add_argument("--home", type=Path, required=True, help="folder for what the server needs")
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--grpc-port", type=int, required=True)
    parser.add_argument("--metrics-port", type=int, required=True)
    parser.add_argument("--model", action="append", help="load only this model; may be repeated")
    return parser.parse_args()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
