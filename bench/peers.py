"""Other people's programs to measure against, each in a virtual environment of its own."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from cli import ports
from cli.home import PROJECT
from cli.processes import Program
from cli.progress import Progress
from cli.services import answers
from cli.supervisor import Supervisor

FOLDER = PROJECT / ".bench"
"""What is installed and written here stays for the next run."""

THUMBOR = "7.8.0"
_THUMBOR = (
    f"thumbor=={THUMBOR}",
    "opencv-python-headless<5",  # the next has no cascades, which the face detector is made of
)
_THUMBOR_SETTINGS = """
LOADER = "thumbor.loaders.file_loader"
FILE_LOADER_ROOT_PATH = {photographs!r}
STORAGE = "thumbor.storages.no_storage"
RESULT_STORAGE = None
DETECTORS = ["thumbor.detectors.face_detector"]
ALLOW_UNSAFE_URL = True
"""


@asynccontextmanager
async def thumbor(photographs: Path, processes: int) -> AsyncIterator[list[str]]:
    """Run thumbor over a folder of photographs, without any cache; yield each process's address.

    Raises StartFailed.
    """
    python = _environment("thumbor", _THUMBOR)
    settings = FOLDER / "thumbor.conf"
    settings.write_text(_THUMBOR_SETTINGS.format(photographs=str(photographs)))
    programs = [_thumbor(python, settings, port) for port in ports.free(processes)]
    supervisor = Supervisor(Progress(), on_change=lambda: None)
    try:
        await supervisor.start(list(programs))
        yield [f"http://127.0.0.1:{program.command[-1]}" for program in programs]
    finally:
        await supervisor.stop()


def _thumbor(python: Path, settings: Path, port: int) -> Program:
    options = ("--ip", "127.0.0.1", "--conf", str(settings), "--port", str(port))
    return Program(
        name=f"thumbor {port}",
        command=(str(python), "-m", "thumbor.server", *options),
        environment={},
        folder=FOLDER,
        log=FOLDER / "thumbor.log",
        ready=partial(answers, f"http://127.0.0.1:{port}/healthcheck"),
    )


def _environment(name: str, packages: tuple[str, ...]) -> Path:
    """Make a virtual environment unless it is there with these packages; return its Python."""
    folder = FOLDER / name
    stamp, python = folder / "stamp", folder / "bin" / "python"
    wanted = "\n".join((str(folder), *packages))
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {name}", flush=True)
        uv = str(Path(sys.executable).with_name("uv"))
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        _run(uv, "pip", "install", "--quiet", "--python", str(python), *packages)
        stamp.write_text(wanted)
    return python


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
