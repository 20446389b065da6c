"""Forms with thousands of files, read from the disk while they are sent."""

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

Json: TypeAlias = Any
"""Whatever an answer holds. A benchmark takes out of it what it measures by, and ends with a
traceback where that is not there; what answers must look like is the affair of the tests."""


_CHUNK_BYTES = 1 << 20


def form(files: Sequence[Path], **fields: str) -> tuple[AsyncIterator[bytes], dict[str, str]]:
    """Return a body with the fields and a `file[]` part for each file, and its headers.

    aiohttp's own would hold all its files open at once.
    """
    boundary = uuid4().hex
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return _streamed(_written(files, fields, boundary)), headers


async def _streamed(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _written(files: Sequence[Path], fields: dict[str, str], boundary: str) -> Iterator[bytes]:
    start = f"--{boundary}\r\nContent-Disposition: form-data; "
    for field, value in fields.items():
        yield f'{start}name="{field}"\r\n\r\n{value}\r\n'.encode()
    for number, file in enumerate(files):
        name = f'name="file[]"; filename="{number}-{file.name}"'
        yield f"{start}{name}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
        with file.open("rb") as stream:
            while piece := stream.read(_CHUNK_BYTES):
                yield piece
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()
