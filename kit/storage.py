"""Where pictures lie: a local folder, or S3, Google or Azure storage by URL, through obstore.

StorageError
├── ObjectNotFound      there is nothing under this key
├── ObjectTooLarge      more bytes than the caller allows
└── BadKey              the key would leave its folder or cannot be written as a path

Where the storage itself fails (disk full, no rights, no network), that is
`proto.errors.Unavailable`, as for every other part that a service needs.
"""

import asyncio
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import unquote, urlsplit

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store, from_url
from prometheus_client import Counter, Histogram

from kit import tracing
from kit.metrics import SECONDS, Measure
from kit.signing import Grant, Signer
from proto.errors import Unavailable
from proto.ids import StorageKey

if TYPE_CHECKING:
    from obstore import Attributes

_Store: TypeAlias = LocalStore | S3Store | GCSStore | AzureStore

log = structlog.get_logger(__name__)

OPERATIONS = Counter(
    "darkroom_storage_operations",
    "What was done with storage, by how: ok, missing, failed, or interrupted by whoever asked",
    ("operation", "outcome"),
)
OPERATION_SECONDS = Histogram(
    "darkroom_storage_operation_duration_seconds",
    "Time that storage took",
    ("operation",),
    buckets=SECONDS,
)
BYTES = Counter("darkroom_storage_bytes", "Bytes of objects that went in and out", ("direction",))

_OUTCOMES = ("ok", "missing", "failed", "interrupted")
_MEASURES = {
    operation: Measure(OPERATIONS, OPERATION_SECONDS, (operation,), _OUTCOMES)
    for operation in ("put", "put_stream", "get", "stream", "head", "delete")
}
_READ = BYTES.labels("read")
_WRITTEN = BYTES.labels("written")

_PART = re.compile(r"[^/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_STAGED = re.compile(r".*#[0-9]+", re.DOTALL)
"""Names that obstore gives, in a local folder, to files that are being written."""
_DRIVE = re.compile(r".*[A-Za-z][:|]", re.DOTALL)
"""Ends that obstore, in a local folder, takes for the drive of a Windows path."""
_LONGEST_PART = 240
"""Bytes; file systems take 255, of which the name of a staged file needs some."""
_LONGEST_KEY = 1024
"""Bytes; the limit of S3."""
_CHUNK_BYTES = 1024 * 1024


class StorageError(Exception):
    """Storage cannot do what was asked."""


class ObjectNotFound(StorageError):
    """There is nothing under this key; it was never written or has been removed."""


class ObjectTooLarge(StorageError):
    """The object has more bytes than the caller allows; nothing of it is kept."""


class BadKey(StorageError):
    """The key would leave its folder or cannot be written as a path."""


class Storage:
    """Objects by key. Writes are atomic: an object is there whole or not at all."""

    def __init__(
        self,
        store: _Store,
        root: Path | None,
        public_url: str,
        signer: Signer | None,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._root = root
        self._public_url = public_url.rstrip("/")
        self._signer = signer
        self._clock = clock

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        public_url: str = "",
        secrets: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> AsyncIterator["Storage"]:
        """Open `file:///folder` (made if missing, closed to other users) or `s3://bucket/prefix`.

        Args:
            url: Where objects lie; credentials of clouds come from the environment.
            public_url: Address of the gateway that serves a local folder.
            secrets: Sign links to a local folder; without them no links can be made. The first
                signs, all are accepted.
            clock: Seconds since the epoch, from which links to a local folder expire.

        Raises StorageError for a kind of storage that cannot give out links.
        """
        signer = Signer(secrets) if secrets else None
        parts = urlsplit(url)
        if parts.scheme in ("", "file"):
            root = _folder(unquote(parts.path))
            yield cls(LocalStore(root, automatic_cleanup=True), root, public_url, signer, clock)
        else:
            store = from_url(url)
            if not isinstance(store, S3Store | GCSStore | AzureStore):
                raise StorageError(f"{parts.scheme}:// is no storage that links can be made for")
            yield cls(store, None, public_url, signer, clock)

    @property
    def signer(self) -> Signer | None:
        """What signs links to local files; None where the object store signs its own."""
        return self._signer if self._root else None

    async def put(self, key: StorageKey, data: bytes, content_type: str) -> None:
        """Write an object."""
        with _done("put"):
            await obstore.put_async(
                self._store, _checked(key), data, attributes=self._attributes(content_type)
            )
        _WRITTEN.inc(len(data))

    async def put_stream(
        self,
        key: StorageKey,
        chunks: AsyncIterator[bytes],
        *,
        max_bytes: int,
        content_type: str = "application/octet-stream",
    ) -> int:
        """Write an object as it comes, a few megabytes at a time in memory. Returns its size.

        Raises ObjectTooLarge; then, or when `chunks` raises or this is cancelled, nothing is kept.
        """
        size = 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal size
            async for chunk in chunks:
                size += len(chunk)
                if size > max_bytes:
                    raise ObjectTooLarge(f"more than {max_bytes:,} bytes")
                yield chunk

        with _done("put_stream"):
            await obstore.put_async(
                self._store, _checked(key), counted(), attributes=self._attributes(content_type)
            )
        _WRITTEN.inc(size)
        return size

    async def get(self, key: StorageKey, max_bytes: int) -> bytes:
        """Read an object into memory. Raises ObjectNotFound, ObjectTooLarge."""
        with _done("get"):
            found = await obstore.get_async(self._store, _checked(key))
            if found.meta["size"] > max_bytes:
                raise ObjectTooLarge(f"more than {max_bytes:,} bytes")
            data = bytes(await found.bytes_async())
        _READ.inc(len(data))
        return data

    async def stream(self, key: StorageKey) -> tuple[int, AsyncIterator[bytes]]:
        """Return an object's size and its bytes piece by piece. Raises ObjectNotFound."""
        with _done("stream"):
            found = await obstore.get_async(self._store, _checked(key))

        async def pieces() -> AsyncIterator[bytes]:
            with _failures():
                async for piece in found.stream(min_chunk_size=_CHUNK_BYTES):
                    _READ.inc(len(piece))
                    yield bytes(piece)

        return found.meta["size"], pieces()

    async def size_of(self, key: StorageKey) -> int:
        """Return how many bytes an object has, without reading it. Raises ObjectNotFound."""
        with _done("head"):
            return (await obstore.head_async(self._store, _checked(key)))["size"]

    async def delete(self, key: StorageKey) -> None:
        """Remove an object; that it is not there is as good."""
        await self.delete_all([key])

    async def delete_all(self, keys: Sequence[StorageKey]) -> None:
        """Remove objects; that some are not there is as good."""
        await self._delete([_checked(key) for key in keys])

    async def delete_folder(self, folder: StorageKey) -> int:
        """Remove every object whose key starts with `folder/`. Returns how many there were."""
        keys = [key async for key, _ in self.list(folder)]
        await self._delete(keys)
        if self._root is not None:
            await asyncio.to_thread(shutil.rmtree, self._root / folder, ignore_errors=True)
        return len(keys)

    async def delete_older(self, folder: StorageKey, than: datetime) -> int:
        """Remove the objects below `folder` last written before `than`, and what is unfinished.

        Returns how many objects there were.
        """
        keys = [key async for key, written in self.list(folder) if written < than]
        await self._delete(keys)
        await self.delete_unfinished(folder, than)
        return len(keys)

    async def delete_unfinished(self, folder: StorageKey, than: datetime) -> None:
        """Clear what writers killed midway left below `folder` before `than`.

        Only a local folder has such; an object store drops them by a rule of the bucket (abort
        incomplete multipart uploads).
        """
        if self._root is not None:
            await asyncio.to_thread(_remove_unfinished, self._root / _checked(folder), than)

    async def list(self, folder: StorageKey) -> AsyncIterator[tuple[StorageKey, datetime]]:
        """Yield key and time of writing of each object below `folder`."""
        with _failures():
            async for page in obstore.list(self._store, _checked(folder)):
                for found in page:
                    yield StorageKey(found["path"]), found["last_modified"]

    async def link_to_get(self, key: StorageKey, seconds: int) -> str:
        """Return a URL that gives the object to whoever holds it, for so long.

        A browser saves it under the last part of the key; object stores cannot be told another.
        """
        return await self._link("GET", key, seconds)

    async def link_to_put(
        self, key: StorageKey, seconds: int, content_type: str, max_bytes: int
    ) -> str:
        """Return a URL by which whoever holds it may write this one object, for so long.

        Object stores bind only method, key and time; check type and size when the object is used.
        """
        return await self._link("PUT", key, seconds, content_type, max_bytes)

    async def _link(
        self, method: str, key: StorageKey, seconds: int, content_type: str = "", max_bytes: int = 0
    ) -> str:
        _checked(key)
        if isinstance(self._store, LocalStore):
            if self._signer is None:
                raise StorageError("links to local files need a signing secret")
            expires = int(self._clock()) + seconds
            return self._public_url + self._signer.link(
                Grant(method, key, expires, content_type, max_bytes)
            )
        how: Literal["GET", "PUT"] = "PUT" if method == "PUT" else "GET"
        path: str = key
        return await obstore.sign_async(
            self._store, how, path, expires_in=timedelta(seconds=seconds)
        )

    async def _delete(self, keys: Sequence[StorageKey]) -> None:
        with _done("delete"):
            try:
                await obstore.delete_async(self._store, keys)
            except FileNotFoundError:
                # those after one that is missing were perhaps not tried
                for key in keys:
                    with suppress(FileNotFoundError):
                        await obstore.delete_async(self._store, key)

    def _attributes(self, content_type: str) -> "Attributes | None":
        """Return what object stores keep beside an object; a folder has no place for it."""
        return None if self._root else {"Content-Type": content_type}


def _folder(path: str) -> Path:
    """Return the folder, made if need be and closed to other users."""
    root = Path(path)
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return root


def _remove_unfinished(folder: Path, than: datetime) -> None:
    """Remove what listing does not show: files whose writer was killed before they were whole."""
    for path in folder.rglob("*#*"):
        with suppress(FileNotFoundError):  # finished meanwhile
            written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            if _STAGED.fullmatch(path.name) and path.is_file() and written < than:
                path.unlink()


@contextmanager
def _done(operation: str) -> Iterator[None]:
    """Count, time and trace what storage does inside, and tell its failures as `_failures`."""
    started = perf_counter()
    outcome = "interrupted"
    with tracing.span(f"storage {operation}", "client"):
        try:
            with _failures():
                yield
            outcome = "ok"
        except ObjectNotFound:
            outcome = "missing"
            raise
        except Unavailable:
            outcome = "failed"
            raise
        finally:
            _MEASURES[operation].add(outcome, perf_counter() - started)


@contextmanager
def _failures() -> Iterator[None]:
    """Tell what obstore raises in words that the services know."""
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectNotFound("there is no such file") from error
    except BaseError as error:
        log.warning("storage failed", error=str(error).partition("\n")[0])
        raise Unavailable("the file storage does not work right now") from error


def is_key(text: str) -> bool:
    """Whether an object can lie under this key."""
    return all(map(_is_part, text.split("/"))) and len(text.encode()) <= _LONGEST_KEY


def _checked(key: StorageKey) -> StorageKey:
    if not is_key(key):
        raise BadKey("a storage key is a relative path without dots and control characters")
    return key


def _is_part(text: str) -> bool:
    if not _PART.fullmatch(text) or text in (".", ".."):
        return False
    if _STAGED.fullmatch(text) or _DRIVE.fullmatch(text):
        return False
    return len(text.encode()) <= _LONGEST_PART
