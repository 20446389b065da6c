"""The model repository in object storage: put there once, taken by every Triton that starts."""

import hashlib
import os
from pathlib import Path

import msgspec

from cli.errors import CommandFailed
from cli.home import PROJECT
from kit.storage import ObjectNotFound, Storage
from proto.ids import StorageKey

REPOSITORY = PROJECT / "triton_models" / "repository"

_INDEX = StorageKey("index.json")
_LARGEST_BYTES = 4_000_000_000


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the repository."""

    path: str
    """Below the repository, as `face_detector/1/model.onnx`."""
    bytes: int
    sha256: str


async def publish(url: str, repository: Path = REPOSITORY) -> str:
    """Send the repository; the list of its files goes last, so that it is there whole or not.

    Raises CommandFailed when a model has not been built.
    """
    listed = _described(repository)
    async with Storage.open(url) as storage:
        for file in listed:
            data = (repository / file.path).read_bytes()
            await storage.put(_key(file), data, "application/octet-stream")
        await storage.put(_INDEX, msgspec.json.encode(listed), "application/json")
    return f"{len(listed)} files, {sum(file.bytes for file in listed):,} bytes, are at {url}"


async def fetch(url: str, into: Path) -> str:
    """Take the repository into a folder; what is there already and whole is kept.

    Raises CommandFailed when nothing was published, or something came that was not.
    """
    async with Storage.open(url) as storage:
        try:
            index = await storage.get(_INDEX, max_bytes=1_000_000)
        except ObjectNotFound:
            raise CommandFailed(f"There are no models at {url}: publish them first.") from None
        listed = msgspec.json.decode(index, type=list[File])
        for file in listed:
            await _fetch(storage, file, into)
    return f"{len(listed)} files are in {into}"


async def _fetch(storage: Storage, file: File, into: Path) -> None:
    target = _target(into, file)
    if target.exists() and _checksum(target.read_bytes()) == file.sha256:
        return
    try:
        data = await storage.get(_key(file), max_bytes=_LARGEST_BYTES)
    except ObjectNotFound:
        raise CommandFailed(f"{file.path} is listed and not there; publish it again.") from None
    if _checksum(data) != file.sha256:
        raise CommandFailed(f"{file.path} is not what was published; publish it again.")
    target.parent.mkdir(parents=True, exist_ok=True)
    arriving = target.with_name(f"{target.name}.arriving")
    arriving.write_bytes(data)
    os.replace(arriving, target)  # noqa: PTH105 - in one step: Triton never sees half a model


def _target(into: Path, file: File) -> Path:
    """Return where a file goes; the list comes from a store that others may write to."""
    target = (into / file.path).resolve()
    if not target.is_relative_to(into.resolve()):
        raise CommandFailed(f"{file.path} would lie outside of {into}.")
    return target


def _described(repository: Path) -> list[File]:
    """Return every file of a repository. Raises CommandFailed when a model has not been built."""
    for configuration in repository.glob("*/config.pbtxt"):
        if not list(configuration.parent.glob("*/model.*")):
            raise CommandFailed(f"Not built yet: {configuration.parent.name}; run ./just models.")
    return [
        File(
            path=path.relative_to(repository).as_posix(),
            bytes=path.stat().st_size,
            sha256=_checksum(path.read_bytes()),
        )
        for path in sorted(repository.rglob("*"))
        if path.is_file()
    ]


def _key(file: File) -> StorageKey:
    """Return where a file lies: by its content, so that two versions never mix."""
    return StorageKey(f"{file.sha256}/{file.path}")


def _checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
