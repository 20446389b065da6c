"""The messages that the face reader answers: one photograph, its faces; and what embeds them."""

from collections.abc import Mapping

from kit.endpoints import answers
from kit.fetching import Fetcher, FetchError
from kit.storage import ObjectNotFound, ObjectTooLarge, Storage, is_key
from proto.errors import Broken, InvalidRequest, Unavailable
from proto.facereader import Embedder, FacesRead, GetEmbedder, ReadFaces
from proto.ids import AccountId, StorageKey
from proto.photos import Rejected, RemotePhoto
from services.facereader.reading import FaceReader
from vision.errors import ModelError, ModelUnavailable, PictureError, PictureTooLarge
from vision.formats.sniff import sniff
from vision.picture import Format

CONTENT_TYPES: Mapping[Format, str] = {
    Format.JPEG: "image/jpeg",
    Format.PNG: "image/png",
    Format.WEBP: "image/webp",
    Format.HEIF: "image/heif",
    Format.TIFF: "image/tiff",
    Format.GIF: "image/gif",
}
"""By what a file is, and not by what its server says."""


class Endpoints:
    """Reads photographs of accounts with one reader."""

    def __init__(self, storage: Storage, fetcher: Fetcher, reader: FaceReader) -> None:
        self._storage = storage
        self._fetcher = fetcher
        self._reader = reader

    @answers
    async def read_faces(self, request: ReadFaces) -> FacesRead | Rejected:
        """Fetch, decode, store what was fetched and is to be kept, then look for faces."""
        if request.keep is not None:
            _check_own(request.account, request.keep)
        try:
            data = await self._bytes(request)
            opened = await self._reader.open(data)
            if isinstance(request.photo, RemotePhoto) and request.keep is not None:
                await self._storage.put(request.keep, data, CONTENT_TYPES[sniff(data)])
            return await self._reader.faces(opened)
        except (PictureError, FetchError) as error:
            return Rejected(code=error.code, message=str(error))
        except ModelUnavailable as error:
            raise Unavailable(str(error)) from error
        except ModelError as error:
            raise Broken(str(error)) from error

    @answers
    async def get_embedder(self, _: GetEmbedder) -> Embedder:
        """Tell what the embedder's card says."""
        return self._reader.embedder

    async def _bytes(self, request: ReadFaces) -> bytes:
        photo, most = request.photo, self._reader.limits.most_bytes
        if isinstance(photo, RemotePhoto):
            return await self._fetcher.fetch(photo.url, most)
        _check_own(request.account, photo.key)
        try:
            return await self._storage.get(photo.key, most)
        except ObjectNotFound as error:
            raise InvalidRequest("the photo is not there any more") from error
        except ObjectTooLarge as error:
            raise PictureTooLarge(f"The file is larger than {most:,} bytes.") from error


def _check_own(account: AccountId, key: StorageKey) -> None:
    """Raise InvalidRequest unless the key is one of the account's photographs."""
    if not key.startswith(f"photos/{account}/") or not is_key(key):
        raise InvalidRequest("the photo must lie in the account's own folder")
