"""The Triton that comes inside the nvidia-pytriton wheel: does it fit here, and how is it started.

The wheel is frozen at Triton 2.51 and made for its own Python API; only its server binary, its
Python backend and the stubs for each Python version are used.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_BACKENDS = Path(__file__).parent / "embedded" / "backends"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Triton keeps tensors, not a temporary file

_DESCRIBE = """
import importlib.util, json, sysconfig
spec = importlib.util.find_spec("pytriton")
numpy = importlib.util.find_spec("numpy")
if numpy:
    from importlib.metadata import version
print(json.dumps({
    "wheel": spec and spec.submodule_search_locations[0],
    "python": sysconfig.get_python_version(),
    "libraries": sysconfig.get_config_var("LIBDIR") or "",
    "numpy": version("numpy") if numpy else "",
    "onnxruntime": importlib.util.find_spec("onnxruntime") is not None,
}))
"""


@dataclass(frozen=True, slots=True)
class Installed:
    """What the virtual environment of the embedded server holds."""

    wheel: Path
    python: str
    """Its version, as 3.11."""
    libraries: str
    """Where its libpython may lie."""
    numpy: str
    onnxruntime: bool

    @property
    def server(self) -> Path:
        """The tritonserver binary."""
        return self.wheel / "tritonserver" / "bin" / "tritonserver"

    @property
    def stub(self) -> Path:
        """The process in which a Python-based backend runs."""
        stubs = self.wheel / "tritonserver" / "python_backend_stubs"
        return stubs / self.python / "triton_python_backend_stub"


def unfit(python: Path) -> str | None:
    """Return why the wheel cannot serve here and what would help, in a sentence; None if it can."""
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"):
        return f"the embedded Triton runs on Linux x86-64 and aarch64, not on {platform.platform()}"
    installed = _installed(python)
    if installed is None:
        return f"the embedded Triton is not installed for {python}; run ./just setup"
    if not installed.stub.exists():
        return f"the embedded Triton has no stub for Python {installed.python}; use 3.11 or 3.12"
    if installed.numpy.partition(".")[0] != "1" or not installed.onnxruntime:
        return "the embedded Triton needs numpy 1 and onnxruntime of its own; run ./just setup"
    if missing := _missing_libraries(installed):
        debian = f"on Debian with apt-get install libpython{installed.python}"
        return f"the embedded Triton misses {missing}; install it, {debian}"
    return None


def command(python: Path, repository: Path, home: Path) -> list[str]:
    """Return how the server is started, without its ports and models."""
    installed = _installed(python)
    assert installed is not None  # noqa: S101 - `unfit` was asked before
    return [
        str(installed.server),
        f"--model-repository={repository}",
        f"--backend-directory={_runtime(installed, home)}",
        f"--backend-config=python,shm-region-prefix-name={_shared_memory_prefix(home)}",
        "--model-control-mode=explicit",
        "--disable-auto-complete-config",
        "--http-address=127.0.0.1",
        "--grpc-address=127.0.0.1",
        "--metrics-address=127.0.0.1",
        # counting what a machine without a GPU does not have costs half a second now and then
        "--allow-gpu-metrics=false",
        "--allow-cpu-metrics=false",
        "--log-info=false",
    ]


def environment(python: Path) -> dict[str, str]:
    """Return the environment in which the stub finds its Python and that Python's packages."""
    installed = _installed(python)
    assert installed is not None  # noqa: S101 - `unfit` was asked before
    return {
        **os.environ,
        "PATH": f"{python.parent}:{os.environ.get('PATH', os.defpath)}",
        "LD_LIBRARY_PATH": _library_path(installed),
        "OMP_NUM_THREADS": "1",
    }


def remove_leaked_memory(home: Path) -> None:
    """Remove shared memory that a killed server left behind."""
    for region in _SHARED_MEMORY.glob(f"{_shared_memory_prefix(home)}*"):
        region.unlink(missing_ok=True)


def _shared_memory_prefix(home: Path) -> str:
    return f"darkroom_{hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:12]}_"


def _runtime(installed: Installed, home: Path) -> Path:
    """Make the folder of backends: the wheel's Python backend with its stub, and our own.

    The Python backend looks for the stub beside itself, and the wheel keeps it elsewhere.
    """
    folder = home.resolve() / "backends"
    shutil.rmtree(folder, ignore_errors=True)
    # copies: Triton refuses a backend whose files lie elsewhere, behind links
    shutil.copytree(installed.wheel / "tritonserver" / "backends" / "python", folder / "python")
    # but a link to the stub, which finds its libraries from where it lies
    (folder / "python" / installed.stub.name).symlink_to(installed.stub)
    shutil.copytree(_BACKENDS, folder, dirs_exist_ok=True)
    return folder


@cache
def _installed(python: Path) -> Installed | None:
    try:
        told = subprocess.run([python, "-c", _DESCRIBE], capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    described = json.loads(told.stdout)
    if not described["wheel"]:
        return None
    return Installed(**{**described, "wheel": Path(described["wheel"])})


def _missing_libraries(installed: Installed) -> str:
    found = subprocess.run(
        ["ldd", str(installed.stub)],
        env={**os.environ, "LD_LIBRARY_PATH": _library_path(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    missing = [line.split()[0] for line in found.stdout.splitlines() if "not found" in line]
    return ", ".join(sorted(set(missing)))


def _library_path(installed: Installed) -> str:
    return ":".join(filter(None, [installed.libraries, os.environ.get("LD_LIBRARY_PATH", "")]))
