"""The message that the engine answers: one photograph, one portrait."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from kit.endpoints import answers
from kit.fetching import Fetcher, FetchError
from kit.storage import ObjectNotFound, Storage
from proto.errors import InvalidRequest, Unavailable
from proto.facecrop import CropFace, FaceBox, Flag, Portrait, Rejected, StoredPhoto
from proto.ids import StorageKey
from services.facecrop import portrait
from services.facecrop.framing import Frame, frame, main_face
from services.facecrop.presets import Preset, presets
from vision.decode import decode
from vision.errors import ModelError, PictureError
from vision.faces import Face, detect
from vision.limits import Limits
from vision.models import Models
from vision.picture import Picture, Pixels
from vision.upscale import Upscaler, upscale

Result = TypeVar("Result")


class Endpoints:
    """Crops photographs with one set of models; heavy work runs in `threads`."""

    def __init__(
        self,
        storage: Storage,
        fetcher: Fetcher,
        models: Models,
        upscaler: Upscaler,
        limits: Limits,
        threads: Executor,
    ) -> None:
        self._storage = storage
        self._fetcher = fetcher
        self._models = models
        self._upscaler = upscaler
        self._limits = limits
        self._threads = threads

    @answers
    async def crop_face(self, request: CropFace) -> Portrait | Rejected:
        """Read, detect, frame, cut, sharpen if asked, store."""
        if not request.outputs.startswith(f"outputs/{request.account}/"):
            raise InvalidRequest("outputs must lie in the account's own folder")
        try:
            picture = await self._off_loop(decode, await self._bytes(request), self._limits)
            faces = await detect(self._models, picture.pixels)
            if not faces:
                return Rejected(code="NO_FACE", message="No face was found in this photo.")
            return await self._portrait(request, picture, main_face(faces))
        except (PictureError, FetchError) as error:
            return Rejected(code=error.code, message=str(error))
        except ModelError as error:
            raise Unavailable(str(error)) from error

    async def _bytes(self, request: CropFace) -> bytes:
        if isinstance(request.photo, StoredPhoto):
            if not request.photo.key.startswith(f"uploads/{request.account}/"):
                raise InvalidRequest("the photo must lie in the account's own folder")
            try:
                return await self._storage.get(request.photo.key, self._limits.most_bytes)
            except ObjectNotFound as error:
                raise InvalidRequest("the uploaded photo is not there any more") from error
        return await self._fetcher.fetch(request.photo.url, self._limits.most_bytes)

    async def _portrait(self, request: CropFace, picture: Picture, face: Face) -> Portrait:
        preset = presets()[request.icp_type]
        place = frame(face, preset, picture.width, picture.height)
        crop = await self._off_loop(portrait.cut, picture, place)
        flags = _flags(place, crop, preset)
        if request.enhance:
            crop = await self._sharpened(crop, preset)
        files = await self._off_loop(portrait.files, crop, preset.medium)
        original = StorageKey(f"{request.outputs}/{request.stem}_orig.jpg")
        medium = StorageKey(f"{request.outputs}/{request.stem}_md.jpg")
        await self._storage.put(original, files.original, "image/jpeg")
        await self._storage.put(medium, files.medium, "image/jpeg")
        return Portrait(face_box=_box(face, picture), original=original, medium=medium, flags=flags)

    async def _sharpened(self, crop: Pixels, preset: Preset) -> Pixels:
        small = await self._off_loop(portrait.sharpening_input, crop, preset.full)
        large = await upscale(self._models, small, self._upscaler)
        return await self._off_loop(portrait.resized, large, preset.full)

    async def _off_loop(self, step: Callable[..., Result], *arguments: object) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, step, *arguments)


def _flags(place: Frame, crop: Pixels, preset: Preset) -> list[Flag]:
    told: dict[Flag, bool] = {
        "shrunk": place.shrunk,
        "padded": place.padded,
        "upscaled": crop.shape[1] < preset.medium[0],
    }
    return [flag for flag, applies in told.items() if applies]


def _box(face: Face, picture: Picture) -> FaceBox:
    """Return the part of the face's box that lies in the picture."""
    box = face.box.clipped(picture.width, picture.height)
    return FaceBox(x=round(box.x), y=round(box.y), w=round(box.width), h=round(box.height))
