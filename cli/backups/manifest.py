"""What belongs to a backup: a folder of files, and a list of them with their checksums."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from cli.backups.errors import BackupFailed, Damaged
from kit.discovery import VERSION

NAME = "manifest.json"
DATABASE = "database.dump"
"""What pg_dump wrote, in its custom format."""

_PIECE_BYTES = 1 << 20


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a backup."""

    name: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that is whole; it is written last."""

    taken_at: datetime
    version: str
    """Of the Darkroom that took it."""
    files: list[File]

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files)


def new_folder(folder: Path) -> None:
    """Make a folder for a backup, closed to others. Raises BackupFailed if there is one in it."""
    if folder.exists() and any(folder.iterdir()):
        raise BackupFailed(f"{folder} is not empty.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write(folder: Path) -> Manifest:
    """List the files of a folder, and keep the list beside them. Raises Damaged if it is empty."""
    files = [
        File(name=path.name, bytes=path.stat().st_size, sha256=checksum(path))
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != NAME
    ]
    if not files:
        raise Damaged(f"There is nothing in {folder}.")
    manifest = Manifest(taken_at=datetime.now(UTC), version=VERSION, files=files)
    readable = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    (folder / NAME).write_bytes(readable + b"\n")
    return manifest


def read(folder: Path) -> Manifest:
    """Return the list, every file of it compared. Raises Damaged."""
    try:
        manifest = decode((folder / NAME).read_bytes())
    except FileNotFoundError:
        raise Damaged(f"{folder} is no backup: it has no {NAME}.") from None
    for file in manifest.files:
        path = folder / file.name
        if not path.is_file():
            raise Damaged(f"{file.name} is not there.")
        if checksum(path) != file.sha256:
            raise Damaged(f"{file.name} is not what was backed up.")
    return manifest


def decode(data: bytes) -> Manifest:
    """Return a list as it was written. Raises Damaged."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Damaged(f"{NAME} cannot be read: {error}.") from error
    # names come from a store that others may write to, and become paths
    if odd := [file.name for file in manifest.files if Path(file.name).name != file.name]:
        raise Damaged(f"{NAME} names {odd[0]!r}, which is no file of a backup.")
    return manifest


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, read a piece at a time."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
