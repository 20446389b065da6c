"""Another background behind a portrait: a colour, or none."""

import asyncio

from proto.presets import Background
from vision.matte import matte, onto, with_alpha
from vision.models import Models
from vision.picture import Pixels


async def replaced(models: Models, pixels: Pixels, background: Background) -> Pixels:
    """Cut the person out and put them in front of a background.

    Work on pixels runs in the event loop's default executor.

    Args:
        models: Where to run the matte.
        pixels: uint8 [height, width, 3] sRGB.
        background: "#RRGGBB", or "transparent".

    Returns:
        uint8 [height, width, 3], or [height, width, 4] with straight alpha if transparent.

    Raises:
        ModelError: See `Models.infer`.
    """
    alpha = await matte(models, pixels)
    if background == "transparent":
        return await asyncio.to_thread(with_alpha, pixels, alpha)
    red, green, blue = bytes.fromhex(background.removeprefix("#"))
    return await asyncio.to_thread(onto, pixels, alpha, (red, green, blue))
