"""This machine: Python and its packages, room on disks, fonts, and how many files may be open."""

import os
import re
import resource
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cli.doctoring.findings import Finding
from cli.doctoring.patient import Patient
from cli.home import PROJECT
from services.qr.drawing.fonts import absent_packages

LOCK = PROJECT / "requirements" / "runtime.lock"

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)([^\\\n]*)", re.MULTILINE)
_OLDEST_PYTHON = (3, 11)
_GIGABYTE = 1e9
_LITTLE_BYTES = 5e9
_TOO_FEW_BYTES = 5e8
_LITTLE_INODES = 50_000
_TOO_FEW_INODES = 1_000
_FEWEST_FILES = 1_024
_SHOWN = 4


def look(patient: Patient, lock: Path = LOCK) -> Iterator[Finding]:
    """Look at what can only be seen from here."""
    yield _python()
    yield _packages(lock)
    folders = dict(patient.folders) | {"temporary files": Path(tempfile.gettempdir())}
    for what, folder in folders.items():
        yield room(what, folder)
    yield _fonts()
    yield from _open_files(patient)


def _python() -> Finding:
    named = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _OLDEST_PYTHON:
        return Finding("versions", "python", "fix", named, "Run it with Python 3.11 or newer.")
    return Finding("versions", "python", "ok", named)


def _packages(lock: Path) -> Finding:
    """Compare what is installed with what is pinned."""
    wrong, right = [], 0
    for name, pinned, marker in _PINNED.findall(lock.read_text()):
        try:
            found = version(name)
        except PackageNotFoundError:
            if not marker.strip():
                wrong.append(f"{name} is missing")
            continue
        if found == pinned:
            right += 1
        else:
            wrong.append(f"{name} is {found}, not {pinned}")
    if not wrong:
        return Finding("versions", "packages", "ok", f"{right}, each as pinned")
    said = "; ".join(wrong[:_SHOWN])
    if len(wrong) > _SHOWN:
        said += f"; and {len(wrong) - _SHOWN} more"
    return Finding("versions", "packages", "fix", said, "Run ./just setup.")


def room(what: str, folder: Path) -> Finding:
    """Look how much more a folder can hold."""
    try:
        state = os.statvfs(folder)
    except OSError as error:
        said = f"{folder} cannot be looked at ({error.strerror})"
        return Finding("disk", what, "fix", said, "Make the folder, or mount what should be there.")
    free = state.f_bavail * state.f_frsize
    # some file systems make inodes as they need them, and say 0 of 0
    inodes = state.f_favail if state.f_files else _LITTLE_INODES
    said = f"{free / _GIGABYTE:.1f} GB free"
    if state.f_files:
        said += f", {inodes:,} inodes"
    fix = f"Make room on the disk of {folder}."
    if free < _TOO_FEW_BYTES or inodes < _TOO_FEW_INODES:
        return Finding("disk", what, "fix", said, fix)
    if free < _LITTLE_BYTES or inodes < _LITTLE_INODES:
        return Finding("disk", what, "warning", said, fix)
    return Finding("disk", what, "ok", said)


def _fonts() -> Finding:
    if absent := absent_packages():
        said = f"{', '.join(absent)} missing: names in some scripts are not printed"
        fix = f"apt-get install {' '.join(absent)}"
        return Finding("machine", "fonts", "fix", said, fix)
    return Finding("machine", "fonts", "ok", "every script that cards are printed in")


def _open_files(patient: Patient) -> Iterator[Finding]:
    limits = {
        name: limit
        for name in ("gateway", "nats")
        if name in patient.running and (limit := _limit_of(patient.running[name]))
    }
    if not limits:
        limits = {"here": resource.getrlimit(resource.RLIMIT_NOFILE)[0]}
    for name, limit in limits.items():
        said = f"{name}: {limit:,} may be open"
        if limit < _FEWEST_FILES:
            fix = "ulimit -n 65536, or LimitNOFILE= in its unit: each client needs one."
            yield Finding("machine", "open files", "fix", said, fix)
        else:
            yield Finding("machine", "open files", "ok", said)


def _limit_of(pid: int) -> int:
    try:
        limits = Path(f"/proc/{pid}/limits").read_text()
    except OSError:
        return 0
    found = re.search(r"^Max open files\s+(\d+)", limits, re.MULTILINE)
    return int(found.group(1)) if found else 0
