"""The messages that the card reader answers: one photograph, its cards; one logo, made safe."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple, TypeVar

import msgspec

from kit.aside import Aside
from kit.endpoints import answers
from kit.fetching import Fetcher, FetchError
from kit.storage import ObjectNotFound, ObjectTooLarge, Storage
from proto.cardreader import CARD_MARK, CardsRead, Logo, ReadCards, ReadLogo, Symbol
from proto.errors import Broken, InvalidRequest, Unavailable
from proto.photos import Rejected, StoredPhoto
from services.cardreader import decoding, logos, looks
from vision.draft import draft
from vision.errors import ModelError, ModelUnavailable, PictureError, PictureTooLarge
from vision.faces import detect
from vision.limits import Limits
from vision.models import Models
from vision.picture import Pixels
from vision.taken import Facts, facts

Result = TypeVar("Result")

MOST_TEXT = 1_000
"""Characters of a symbol that are told; the longest card has 852."""


class Endpoints:
    """Reads photographs with one set of models.

    Pictures are decoded and encoded in `threads`, and searched for symbols in processes `aside`.
    """

    def __init__(
        self,
        storage: Storage,
        fetcher: Fetcher,
        models: Models,
        limits: Limits,
        threads: Executor,
        aside: Aside,
    ) -> None:
        self._storage = storage
        self._fetcher = fetcher
        self._models = models
        self._limits = limits
        self._threads = threads
        self._aside = aside

    @answers
    async def read_cards(self, request: ReadCards) -> CardsRead | Rejected:
        """Look for cards; where there is none for a face; where there is none either, harder."""
        try:
            read = await self._cards(await self._bytes(request))
        except (PictureError, FetchError) as error:
            return Rejected(code=error.code, message=str(error))
        except ModelUnavailable as error:
            raise Unavailable(str(error)) from error
        except ModelError as error:
            raise Broken(str(error)) from error
        except BrokenProcessPool as error:
            raise Unavailable("the process that searched the photo died") from error
        return msgspec.structs.replace(read, file_id=request.file_id)

    @answers
    async def read_logo(self, request: ReadLogo) -> Logo | Rejected:
        """Fetch, decode, reduce and write anew."""
        if not request.output.startswith(f"outputs/{request.account}/"):
            raise InvalidRequest("the output must lie in the account's own folder")
        try:
            data = await self._fetcher.fetch(request.url, logos.MOST_BYTES)
            logo = await self._off_loop(logos.redrawn, data, self._limits.most_pixels)
        except (PictureError, FetchError) as error:
            return Rejected(code=error.code, message=str(error))
        await self._storage.put(request.output, logo, "image/png")
        return Logo(key=request.output)

    async def _cards(self, data: bytes) -> CardsRead:
        look = await self._off_loop(_first_look, data, self._limits)
        found, has_face = await looks.quick(self._aside, look.grey), None
        if not any(symbol.text.startswith(CARD_MARK) for symbol in found):
            has_face = bool(await detect(self._models, look.pixels))
            if not has_face and not found:
                found = await looks.thorough(self._aside, data, self._limits)
        return CardsRead(
            symbols=[_told(symbol) for symbol in found],
            has_face=has_face,
            captured_at=look.facts.captured_at,
            camera_is_certain=look.facts.camera_is_certain,
            camera=look.facts.camera,
        )

    async def _bytes(self, request: ReadCards) -> bytes:
        photo, most = request.photo, self._limits.most_bytes
        if not isinstance(photo, StoredPhoto):
            return await self._fetcher.fetch(photo.url, most)
        account = request.account
        own = (f"uploads/{account}/", f"outputs/{account}/", f"photos/{account}/")
        if not photo.key.startswith(own):
            raise InvalidRequest("the photo must lie in the account's own folder")
        try:
            return await self._storage.get(photo.key, most)
        except ObjectNotFound as error:
            raise InvalidRequest("the photo is not there any more") from error
        except ObjectTooLarge as error:
            raise PictureTooLarge(f"The file is larger than {most:,} bytes.") from error

    async def _off_loop(self, step: Callable[..., Result], *arguments: object) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, step, *arguments)


class _Look(NamedTuple):
    """What every photograph is made ready for."""

    pixels: Pixels
    """A draft, in which faces are sought."""
    grey: decoding.Grey
    """The same, in which symbols are sought."""
    facts: Facts


def _first_look(data: bytes, limits: Limits) -> _Look:
    pixels = draft(data, decoding.SIDES[-1], limits)
    return _Look(pixels, decoding.grey(pixels), facts(data))


def _told(found: decoding.Symbol) -> Symbol:
    return Symbol(
        text=found.text[:MOST_TEXT],
        format="qr" if found.format == "qr" else "datamatrix",
        corners=[(float(x), float(y)) for x, y in found.corners],
    )
