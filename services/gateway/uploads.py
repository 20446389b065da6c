"""Multipart uploads: file parts stream into storage, fields are read, limits hold on the way."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec
from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from kit.storage import ObjectTooLarge, Storage
from proto.ids import StorageKey
from services.gateway.names import shown
from services.gateway.problems import Problem
from services.gateway.receiving import receiving
from services.gateway.settings import Settings

_FIELD_BYTES = 1_000
_MOST_FIELDS = 50


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file part, stored."""

    filename: str
    key: StorageKey
    sha256: bytes
    size: int
    """In bytes."""


@dataclass(slots=True)
class Upload:
    """What came in one form."""

    files: list[UploadedFile] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    size: int = 0
    """Bytes of all files."""

    @property
    def sha256(self) -> bytes:
        """A digest of all that was sent, however the form was written down."""
        facts = [*sorted(self.fields.items()), *((f.filename, f.sha256) for f in self.files)]
        return hashlib.sha256(msgspec.msgpack.encode(facts)).digest()


async def receive(
    request: web.Request, storage: Storage, folder: StorageKey, settings: Settings
) -> Upload:
    """Store every `file[]` part under `folder` and return them with the other fields.

    The caller removes the folder, whatever comes of this. Raises Problem: 415 for another body
    than multipart, 413 for one over a limit, 422 for too many files, 400 for a broken one.
    """
    if not request.content_type.startswith("multipart/form-data"):
        raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", "send a form as multipart/form-data")
    if (request.content_length or 0) > settings.max_upload_bytes:
        raise _too_large(settings)
    upload = Upload()
    try:
        with receiving(request):
            reader = await request.multipart()
            async for part in reader:
                if not isinstance(part, BodyPartReader):
                    raise Problem(400, "MALFORMED_FORM", "a part of the form is itself a multipart")
                await _take(part, upload, storage, folder, settings)
    except ObjectTooLarge as error:
        raise _too_large(settings) from error
    except (ConnectionError, web.RequestPayloadError) as error:
        raise Problem(400, "BODY_INCOMPLETE", "the body ended before it was whole") from error
    except (ValueError, RuntimeError, EOFError, HttpProcessingError) as error:
        raise Problem(400, "MALFORMED_FORM", "the form is not valid multipart/form-data") from error
    return upload


async def _take(
    part: BodyPartReader, upload: Upload, storage: Storage, folder: StorageKey, settings: Settings
) -> None:
    if part.name in ("file[]", "file"):
        if len(upload.files) == settings.max_files:
            raise Problem(
                422, "TOO_MANY_FILES", f"send at most {settings.max_files} files in one request"
            )
        key = StorageKey(f"{folder}/{len(upload.files)}")
        room = settings.max_upload_bytes - upload.size
        digest = hashlib.sha256()
        size = await storage.put_stream(
            key, _digested(part, digest), max_bytes=min(settings.max_file_bytes, room)
        )
        upload.size += size
        filename = shown(part.filename or "")
        upload.files.append(UploadedFile(filename, key, digest.digest(), size))
    elif part.name:
        if len(upload.fields) == _MOST_FIELDS:
            raise Problem(422, "INVALID_REQUEST", "the form has too many fields")
        upload.fields[part.name] = await _text(part)


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(256 * 1024):
        yield chunk


async def _digested(part: BodyPartReader, digest: "hashlib._Hash") -> AsyncIterator[bytes]:
    async for chunk in _chunks(part):
        digest.update(chunk)
        yield chunk


async def _text(part: BodyPartReader) -> str:
    data = b""
    async for chunk in _chunks(part):
        data += chunk
        if len(data) > _FIELD_BYTES:
            raise Problem(422, "INVALID_REQUEST", f"the field {part.name} is too long")
    return data.decode("utf-8", "replace").strip()


def _too_large(settings: Settings) -> Problem:
    return Problem(
        413,
        "BODY_TOO_LARGE",
        f"a file may have {settings.max_file_bytes:,} bytes, "
        f"all files of a request {settings.max_upload_bytes:,}",
    )
