"""Storage: an object is written, read and removed again, as a service would do it."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from cli.doctoring.findings import Finding
from cli.doctoring.patient import Patient
from kit.storage import Storage, StorageError
from proto.errors import Unavailable
from proto.ids import StorageKey

_CONTENT = b"darkroom doctor"
_OF_CLOUDS = ("AWS_", "GOOGLE_", "AZURE_")
_AREA = "connections"


async def look(patient: Patient) -> AsyncIterator[Finding]:
    """Look at every storage that services are told."""
    if not patient.storage_urls:
        yield Finding(_AREA, "storage", "skipped", "no STORAGE_URL is set here")
    for url in patient.storage_urls:
        with _credentials(patient.storage_environment):
            yield await _tried(url)


async def _tried(url: str) -> Finding:
    parts = urlsplit(url)
    place = f"{parts.scheme or 'file'}://{parts.hostname or ''}{parts.path}"
    local = parts.scheme in ("", "file")
    if local and not await asyncio.to_thread(Path(unquote(parts.path)).is_dir):
        fix = "Make it, for the user who runs the services; or mount what should lie there."
        return Finding(_AREA, "storage", "fix", f"{place} is not there", fix)
    key = StorageKey(f"doctor/{uuid4().hex}")
    step = "opened"
    try:
        async with Storage.open(url) as storage:
            step = "written to"
            await storage.put(key, _CONTENT, "text/plain")
            step = "read"
            read = await storage.get(key, len(_CONTENT))
            step = "cleared up"
            await storage.delete_folder(StorageKey("doctor"))
    except (StorageError, Unavailable, OSError, ValueError) as error:
        cause = type(error.__cause__ or error).__name__
        said = f"{place} cannot be {step} ({cause})"
        fix = (
            "Give the user who runs the services the folder, and room on its disk."
            if local
            else "Correct STORAGE_URL and its credentials; they need get, put, list and delete."
        )
        return Finding(_AREA, "storage", "fix", said, fix)
    if read != _CONTENT:
        said = f"{place} gives back something else than was written"
        return Finding(_AREA, "storage", "fix", said, "Use another storage: this one is damaged.")
    return Finding(_AREA, "storage", "ok", f"{place} is written, read and cleared")


@contextmanager
def _credentials(environment: Mapping[str, str]) -> Iterator[None]:
    """Take the credentials of clouds from where the services have them, while the body runs."""
    theirs = {name: value for name, value in environment.items() if name.startswith(_OF_CLOUDS)}
    ours = {name: os.environ.get(name) for name in theirs}
    os.environ.update(theirs)
    try:
        yield
    finally:
        for name, value in ours.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
