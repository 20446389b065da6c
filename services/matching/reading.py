"""Asking the face reader: what a photograph shows, and what makes embeddings at the moment.

What it answers is checked before anybody is compared with it. A vector of another length or with
numbers that are none is a fault of the models, and must never look like a stranger or like a match.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import numpy as np

from kit.bus import Bus
from proto.agencies import AgencyId
from proto.errors import DeadlineExceeded, Internal, NotAuthenticated, Unavailable
from proto.facereader import Embedder, FacesRead, GetEmbedder, ReadFaces
from proto.ids import AccountId, StorageKey
from proto.photos import Rejected, RemotePhoto, StoredPhoto
from services.matching.searching import as_vector

READ_SECONDS = 60.0
"""For one photograph, fetching it included."""
STORED_SECONDS = 20.0
"""For one that lies in storage. The largest group takes two; a face reader that was killed in the
middle says nothing, and what it was asked is asked again when this is over."""

_EMBEDDER_SECONDS = 3.0
_FRESH_SECONDS = 15.0
_AWAY_SECONDS = 3.0
_MOST_SUSPECTS = 1_000
_FLOAT_BYTES = 4
_MOST_OFF_UNIT = 1e-3


class Untrustworthy(Exception):
    """The face reader answered with numbers that nothing can be compared with."""


class TookTooLong(Exception):
    """The face reader did not answer; perhaps it is this photograph that kills it."""


class Reader:
    """The face reader, as this service asks it.

    A photograph that was not answered in time is suspected: the next time it is sent alone, so that
    it harms only itself, and others that were under way with it are found innocent.
    """

    def __init__(self, bus: Bus, api_key: str) -> None:
        self._bus = bus
        self._api_key = api_key
        self._embedder: Embedder | None = None
        self._known_until = self._away_until = float("-inf")
        self._suspects: set[StoredPhoto | RemotePhoto] = set()
        self._door = asyncio.Lock()
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    async def faces(
        self, account: AccountId, photo: StoredPhoto | RemotePhoto, keep: StorageKey | None
    ) -> FacesRead | Rejected:
        """Return the faces of a photograph.

        Raises Unavailable, InvalidRequest for a photograph that is not there, TookTooLong and
        Untrustworthy.
        """
        request = ReadFaces(account=account, photo=photo, keep=keep)
        async with self._admitted(photo):
            try:
                seconds = STORED_SECONDS if isinstance(photo, StoredPhoto) else READ_SECONDS
                answer = await self._bus.request(request, seconds, self._api_key)
            except NotAuthenticated as error:
                raise Unavailable(f"the face reader does not take our key: {error}") from error
            except DeadlineExceeded as error:
                self._suspect(photo)
                raise TookTooLong(str(error)) from error
        self._suspects.discard(photo)
        if isinstance(answer, FacesRead):
            _check(answer)
            self._note(answer.embedder)
        return answer

    async def embedder(self) -> Embedder:
        """Return what makes embeddings, as of the last seconds. Raises Unavailable."""
        if self._embedder is None or asyncio.get_running_loop().time() > self._known_until:
            try:
                found = await self._bus.request(GetEmbedder(), _EMBEDDER_SECONDS, self._api_key)
            except (NotAuthenticated, Internal) as error:
                raise Unavailable(f"the face reader does not answer: {error}") from error
            _check_embedder(found)
            return self._note(found)
        return self._embedder

    async def version_if_known(self) -> str | None:
        """Return the version of the present embedder, as last known; None before that.

        While the face reader is away it is not asked again for some seconds.
        """
        now = asyncio.get_running_loop().time()
        if now > self._away_until:
            try:
                return (await self.embedder()).version
            except (Unavailable, Untrustworthy):
                self._away_until = now + _AWAY_SECONDS
        return self._embedder.version if self._embedder else None

    @asynccontextmanager
    async def _admitted(self, photo: StoredPhoto | RemotePhoto) -> AsyncIterator[None]:
        """Let photographs in; a suspect one when the others are out, who then wait for it."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._door)
            if photo in self._suspects:
                await self._empty.wait()
            else:
                await stack.aclose()
            self._inside += 1
            self._empty.clear()
            try:
                yield
            finally:
                self._inside -= 1
                if not self._inside:
                    self._empty.set()

    def _suspect(self, photo: StoredPhoto | RemotePhoto) -> None:
        if len(self._suspects) < _MOST_SUSPECTS:
            self._suspects.add(photo)

    def _note(self, embedder: Embedder) -> Embedder:
        self._embedder = embedder
        self._known_until = asyncio.get_running_loop().time() + _FRESH_SECONDS
        return embedder


def source(key: str, url: str) -> StoredPhoto | RemotePhoto:
    """Return where a photograph is read from: storage, or its URL until it was fetched."""
    return StoredPhoto(key=StorageKey(key)) if key else RemotePhoto(url=url)


def key_to_keep(account: AccountId, agency: AgencyId) -> StorageKey:
    """Return where a photograph may lie that is about to be fetched."""
    return StorageKey(f"photos/{account}/{agency}/{uuid4()}/fetched")


def _check(read: FacesRead) -> None:
    """Raise Untrustworthy unless every embedding is a unit vector of the embedder's length."""
    _check_embedder(read.embedder)
    for face in read.faces:
        if len(face.embedding) != _FLOAT_BYTES * read.embedder.dimensions:
            raise Untrustworthy("an embedding has another length than the embedder says")
        length = float(np.linalg.norm(as_vector(face.embedding).astype(np.float64)))
        # not a number is not within bounds either
        if not abs(length - 1.0) <= _MOST_OFF_UNIT:
            raise Untrustworthy("an embedding is not of unit length")


def _check_embedder(embedder: Embedder) -> None:
    scale = embedder.midpoint, embedder.slope
    if not (embedder.dimensions > 0 and np.isfinite(scale).all() and embedder.slope > 0):
        raise Untrustworthy("the embedder's calibration makes no sense")
