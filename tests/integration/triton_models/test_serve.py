"""The embedded Triton as it is run and watched: what it answers, and what it survives."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from cli import ports
from triton_models import wheel
from vision.connect import connect
from vision.models import SIGNATURES, ModelName, Models

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-triton" / "bin" / "python"
LOADED = [name for name in ModelName if name != ModelName.UPSCALER]

if reason := wheel.unfit(PYTHON):
    pytest.skip(reason, allow_module_level=True)


class Running:
    """`python -m triton_models.serve`, with only the small models unless told otherwise."""

    def __init__(self, home: Path, *models: str) -> None:
        self.home = home
        self.http, self.grpc, metrics = ports.free(3)
        command = [sys.executable, "-m", "triton_models.serve", f"--home={home}"]
        command += [f"--http-port={self.http}", f"--grpc-port={self.grpc}"]
        command += [f"--metrics-port={metrics}", *(f"--model={name}" for name in models)]
        self.log = home / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        self.until(lambda: '"ready"' in self.log.read_text(), "it does not get ready")

    def until(self, holds: Callable[[], bool], otherwise: str, seconds: float = 40.0) -> None:
        give_up = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < give_up, f"{otherwise}:\n{self.log.read_text()}"
            time.sleep(0.05)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def stubs(self, model: str) -> list[psutil.Process]:
        found = []
        for process in self.family():
            try:
                if any(f"/{model}/" in word for word in process.cmdline()):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return found

    def shared_memory(self) -> list[Path]:
        return list(wheel._SHARED_MEMORY.glob(f"{wheel._shared_memory_prefix(self.home)}*"))


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="darkroom-triton-") as folder:
        yield Path(folder)


@pytest.fixture
def small(home: Path) -> Iterator[Running]:
    running = Running(home, "person_matte", "face_detector")
    yield running
    running.process.send_signal(signal.SIGTERM)
    running.process.wait(20)


def picture(model: ModelName, items: int) -> NDArray[np.uint8]:
    shape = SIGNATURES[model].input_shape
    return np.random.default_rng(7).integers(0, 256, (items, *shape), np.uint8)


@pytest.fixture
async def both(triton_url: str) -> AsyncIterator[tuple[Models, Models]]:
    repository = ROOT / "triton_models" / "repository"
    served, here = connect(triton_url, repository), connect(None, repository)
    yield served, here
    await served.close()
    await here.close()


@pytest.mark.parametrize("model", LOADED)
async def test_triton_answers_what_onnxruntime_answers(
    both: tuple[Models, Models], model: ModelName
) -> None:
    batch = picture(model, 3)
    served, here = [await models.infer(model, batch) for models in both]
    assert served.shape == here.shape
    apart = np.abs(served.astype(float) - here.astype(float)).max()
    assert apart <= (1 if served.dtype == np.uint8 else 1e-4)


async def test_requests_that_arrive_together_share_batches(
    small: Running, aiohttp_session: aiohttp.ClientSession
) -> None:
    models = connect(f"127.0.0.1:{small.grpc}", ROOT / "triton_models" / "repository")
    batch = picture(ModelName.PERSON_MATTE, 1)
    await asyncio.gather(*(models.infer(ModelName.PERSON_MATTE, batch) for _ in range(60)))
    await models.close()
    url = f"http://127.0.0.1:{small.http}/v2/models/person_matte/stats"
    give_up = time.monotonic() + 20
    while True:  # Triton answers first and counts afterwards
        async with aiohttp_session.get(url) as answer:
            stats = json.loads(await answer.text())["model_stats"][0]
        if int(stats["inference_count"]) >= 60:
            break
        assert time.monotonic() < give_up, stats
        await asyncio.sleep(0.05)
    assert int(stats["execution_count"]) < int(stats["inference_count"])


@pytest.fixture
async def aiohttp_session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize("model", ["person_matte", "face_detector"])
async def test_a_model_whose_process_is_killed_answers_again(small: Running, model: str) -> None:
    victim = small.stubs(model)[0]
    victim.kill()
    small.until(lambda: f'"reload", "model": "{model}"' in small.log.read_text(), "no reload")
    models = connect(f"127.0.0.1:{small.grpc}", ROOT / "triton_models" / "repository")
    name = ModelName(model)
    give_up = time.monotonic() + 40
    while not await models.ready([name]):
        assert time.monotonic() < give_up, small.log.read_text()
        await asyncio.sleep(0.05)
    answers = [await models.infer(name, picture(name, 1)) for _ in range(4)]
    await models.close()
    assert len(answers) == 4
    assert victim.pid not in [process.pid for process in small.stubs(model)]


def test_a_server_that_is_killed_is_started_again(small: Running) -> None:
    server = next(p for p in small.family() if p.name() == "tritonserver")
    server.kill()
    small.until(lambda: small.log.read_text().count('"ready"') >= 2, "it does not come back")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_leaves_nothing(home: Path, how: signal.Signals) -> None:
    running = Running(home, "person_matte")
    family = running.family()
    assert len(family) >= 2
    assert running.shared_memory()
    running.process.send_signal(how)
    assert running.process.wait(20) == 0
    assert [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []
    assert running.shared_memory() == []


def test_killed_it_leaves_no_server_behind(home: Path) -> None:
    running = Running(home, "person_matte")
    family = running.family()
    running.process.kill()
    running.process.wait()
    running.until(lambda: not any(_lives(process) for process in family), "still there", 20)
    wheel.remove_leaked_memory(home)
    assert running.shared_memory() == []


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_an_environment_without_the_wheel_is_told(tmp_path: Path) -> None:
    told = wheel.unfit(Path(sys.executable))
    assert told is not None
    assert "./just setup" in told
    assert wheel.unfit(tmp_path / "no-python") is not None


def test_an_unfit_machine_ends_it_with_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "triton_models.serve", f"--home={tmp_path}"]
    command += [f"--python={tmp_path}/python", "--http-port=1", "--grpc-port=2", "--metrics-port=3"]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=os.environ, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("triton: the embedded Triton is not installed")
    assert "Traceback" not in ended.stderr
