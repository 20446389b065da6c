"""The models: an embedded Triton where one fits, somebody else's where one is named, or none."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cli.errors import ProgramMissing
from cli.home import PROJECT, Home
from cli.processes import Program
from cli.services import answers
from triton_models import wheel
from triton_models.serve import DEFAULT_MODELS

REPOSITORY = PROJECT / "triton_models" / "repository"
PYTHON = PROJECT / ".venv-triton" / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Triton:
    """Where the models answer."""

    url: str
    """Host and gRPC port; empty where face crops run the models in their own process."""
    programs: Sequence[Program] = field(default=())
    """What has to be run for that."""
    note: str = ""
    """What the operator should know about it."""


def find(home: Home, ports: tuple[int, int, int], caller: Mapping[str, str]) -> Triton:
    """Decide how the models are served: TRITON_URL first, then the embedded server, then without.

    The embedded server takes three ports: HTTP, gRPC, metrics. It loads the usual models and the
    one that UPSCALER names. Raises ProgramMissing when one of them has not been built.
    """
    if url := caller.get("TRITON_URL"):
        return Triton(url, note=f"The models are those of the Triton at {url}.")
    models = list(dict.fromkeys([*DEFAULT_MODELS, caller.get("UPSCALER") or "upscaler_fast"]))
    unbuilt = [name for name in models if not _model(name).exists()]
    if unbuilt:
        raise ProgramMissing(f"Not built yet: {', '.join(unbuilt)}; run ./just models.")
    if reason := wheel.unfit(PYTHON):
        return Triton("", note=f"No Triton here: {reason}; the models run in the services.")
    return _embedded(home, ports, models)


def _embedded(home: Home, ports: tuple[int, int, int], models: Sequence[str]) -> Triton:
    http, grpc, metrics = ports
    folder = home.folder / "triton"
    folder.mkdir(mode=0o700, exist_ok=True)
    program = Program(
        name="triton",
        command=(
            sys.executable,
            "-m",
            "triton_models.serve",
            f"--python={PYTHON}",
            f"--repository={REPOSITORY}",
            f"--home={folder}",
            f"--http-port={http}",
            f"--grpc-port={grpc}",
            f"--metrics-port={metrics}",
            *(f"--model={model}" for model in models),
        ),
        environment={
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "ORT_DISABLE_TELEMETRY": "1",
        },
        folder=PROJECT,
        log=home.logs / "triton.log",
        ready=partial(answers, f"http://127.0.0.1:{http}/v2/health/ready"),
    )
    return Triton(f"127.0.0.1:{grpc}", programs=(program,))


def _model(name: str) -> Path:
    return REPOSITORY / name / "1" / "model.onnx"
