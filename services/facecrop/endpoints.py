"""The message that the engine answers: one photograph, one portrait."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from kit.endpoints import answers
from kit.fetching import Fetcher, FetchError
from kit.storage import ObjectNotFound, Storage
from proto.errors import Broken, InvalidRequest, Unavailable
from proto.facecrop import CropFace, FaceBox, Portrait
from proto.ids import StorageKey
from proto.photos import Rejected, StoredPhoto
from proto.presets import Preset, Size
from services.facecrop import portrait, receipt
from services.facecrop.backgrounds import replaced
from services.facecrop.files import FILE_TYPES, encoded
from services.facecrop.framing import Frame, frame, in_view, main_face
from vision.decode import decode
from vision.errors import ModelError, ModelUnavailable, PictureError
from vision.faces import Face, detect, look_again
from vision.geometry import Box
from vision.limits import Limits
from vision.models import Models
from vision.picture import Picture, Pixels
from vision.upscale import Upscaler, upscale

Result = TypeVar("Result")

MOST_FACES = 50
"""That are told of, the largest."""


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
        """Read, detect, frame, cut, sharpen and free from its background if asked, store."""
        if not request.outputs.startswith(f"outputs/{request.account}/"):
            raise InvalidRequest("outputs must lie in the account's own folder")
        if request.preset.background == "transparent" and request.preset.format == "jpeg":
            raise InvalidRequest("a JPEG cannot be transparent")
        try:
            picture = await self._off_loop(decode, await self._bytes(request), self._limits)
            found = await detect(self._models, picture.pixels)
            faces = in_view(found, picture.width, picture.height, MOST_FACES)
            if not faces:
                return Rejected(code="NO_FACE", message="No face was found in this photo.")
            return await self._portrait(request, picture, faces)
        except (PictureError, FetchError) as error:
            return Rejected(code=error.code, message=str(error))
        except ModelUnavailable as error:
            raise Unavailable(str(error)) from error
        except ModelError as error:
            raise Broken(str(error)) from error

    async def _bytes(self, request: CropFace) -> bytes:
        if isinstance(request.photo, StoredPhoto):
            own = f"uploads/{request.account}/", f"photos/{request.account}/"
            if not request.photo.key.startswith(own):
                raise InvalidRequest("the photo must lie in the account's own folder")
            try:
                return await self._storage.get(request.photo.key, self._limits.most_bytes)
            except ObjectNotFound as error:
                raise InvalidRequest("the uploaded photo is not there any more") from error
        return await self._fetcher.fetch(request.photo.url, self._limits.most_bytes)

    async def _portrait(
        self, request: CropFace, picture: Picture, faces: list[tuple[Face, Box]]
    ) -> Portrait:
        preset = request.preset
        face, boxes, chosen = await self._main_face(picture, faces)
        place = frame(face, preset, picture.width, picture.height, request.auto_rotate)
        crop, look = await self._off_loop(_first_step, picture, place, face)
        cut = portrait.size_of(crop)
        if request.enhance:
            crop = await self._sharpened(crop, preset)
        if preset.background:
            crop = await replaced(self._models, crop, preset.background)
        medium = await self._off_loop(portrait.resized, crop, preset.medium)
        stance, files = await asyncio.gather(
            receipt.seen(self._models, face, place, medium[..., :3]),
            self._encoded(preset, crop, medium),
        )
        original, small, *more = await self._stored(request, files)
        drawn = receipt.files(place, cut, portrait.size_of(crop), preset)
        measured = receipt.receipt(stance, place, preset, look, drawn)
        return Portrait(
            face_box=_told(boxes[chosen]),
            faces=[_told(box) for box in boxes],
            face_index=chosen,
            original=original,
            medium=small,
            more=dict(zip(preset.sizes, more, strict=True)),
            flags=receipt.flags(drawn),
            warnings=receipt.warnings(face, picture, measured, look, preset, request.enhance),
            receipt=measured,
        )

    async def _main_face(
        self, picture: Picture, faces: list[tuple[Face, Box]]
    ) -> tuple[Face, list[Box], int]:
        """Return the face that the portrait is of, all boxes, and which of them is its.

        It is looked at once more, which places it better, and what is not seen then is not counted
        among the faces; unless none is, when the first look has to do.
        """
        left = list(faces)
        while left:
            boxes = [box for _, box in left]
            chosen = main_face(boxes, picture.width, picture.height)
            face = left[chosen][0]
            again = await look_again(self._models, picture.pixels, face.box, face.roll)
            if again is not None:
                return again, boxes, chosen
            del left[chosen]
        boxes = [box for _, box in faces]
        chosen = main_face(boxes, picture.width, picture.height)
        return faces[chosen][0], boxes, chosen

    async def _sharpened(self, crop: Pixels, preset: Preset) -> Pixels:
        small = await self._off_loop(portrait.sharpening_input, crop, preset.full)
        large = await upscale(self._models, small, self._upscaler)
        return await self._off_loop(portrait.resized, large, preset.full)

    async def _encoded(self, preset: Preset, crop: Pixels, medium: Pixels) -> dict[str, bytes]:
        """Return the files by the endings of their names: the crop, medium, the further sizes."""
        drawings: list[tuple[str, Pixels, Size | None]] = [
            ("orig", crop, None),
            ("md", medium, None),
            *((name, crop, size) for name, size in preset.sizes.items()),
        ]
        files = await asyncio.gather(
            *(self._off_loop(encoded, pixels, preset, size) for _, pixels, size in drawings)
        )
        return dict(zip((name for name, _, _ in drawings), files, strict=True))

    async def _stored(self, request: CropFace, files: dict[str, bytes]) -> list[StorageKey]:
        """Write the files and return their keys; all writing has ended when one has failed."""
        kind = FILE_TYPES[request.preset.format]
        keys = [
            StorageKey(f"{request.outputs}/{request.stem}_{name}.{kind.ending}") for name in files
        ]
        outcomes = await asyncio.gather(
            *(
                self._storage.put(key, data, kind.content_type)
                for key, data in zip(keys, files.values(), strict=True)
            ),
            return_exceptions=True,
        )
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
        return keys

    async def _off_loop(self, step: Callable[..., Result], *arguments: object) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, step, *arguments)


def _first_step(picture: Picture, place: Frame, face: Face) -> tuple[Pixels, receipt.Looks]:
    """Cut, and judge the face, in one go of a thread."""
    return portrait.cut(picture, place), receipt.looks(picture, face.box)


def _told(box: Box) -> FaceBox:
    return FaceBox(x=round(box.x), y=round(box.y), w=round(box.width), h=round(box.height))
