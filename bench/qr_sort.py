"""Reading cards back: photographs of 12 megapixels a second, next to the decoder alone.

A shoot is read from JPEG files, as the service does it: a draft of each file, a look at two sizes,
and a thorough look where there is no card, measured on its own. Beside it the symbol reader gets
the same copies as ready pixels, and all pixels, and the JPEG decoder its files. Everything runs on
as many threads as there are cores, in one run.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import cv2
import numpy as np
import zxingcpp
from zxingcpp import BarcodeFormat, BarcodeFormats, TextMode

from bench.photographs import photographs
from services.cardreader.decoding import SIDES, find_in_file
from vision.decode import decode
from vision.draft import draft
from vision.encode import encode_jpeg
from vision.picture import Pixels
from vision.resize import reduce_to

Item = TypeVar("Item")

THREADS = len(os.sched_getaffinity(0))
SHOTS = 24
CARD_EVERY = 6
"""A card and five photographs to a person."""
ROUNDS = 3
"""The best counts: the machine may have other things to do."""
TEXT = "DR1:ADNZ4AANBZTV7FCTKRKS2MBQGAYTEMYLMB25VUJJORPQ"
FORMATS = BarcodeFormats((BarcodeFormat.QRCodeModel2, BarcodeFormat.DataMatrix))
_QUIET_MODULES = 4


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    cv2.setNumThreads(1)  # as the service does
    plain = decode(photographs()["12MP"]).pixels
    held = [with_card(plain, 17.0 * number) for number in range(SHOTS // CARD_EVERY)]
    card_files = [encode_jpeg(pixels, quality=90) for pixels in held]
    bare_file = encode_jpeg(plain, quality=90)
    files = [
        card_files[number // CARD_EVERY] if number % CARD_EVERY == 0 else bare_file
        for number in range(SHOTS)
    ]
    cards = sum([found.text for found in find_in_file(file)] == [TEXT] for file in files)
    megapixels, size = plain.shape[0] * plain.shape[1] / 1e6, len(bare_file) / 1e6
    print(f"{SHOTS} photographs of {megapixels:.1f} megapixels, {size:.1f} MB, {cards} cards read")

    whole = [grey(plain), grey(held[0])]
    copies = [[reduce_to(pixels, side).pixels for side in SIDES] for pixels in whole]
    rates = {
        "read": rate(find_in_file, files),
        "thorough": rate(lambda file: find_in_file(file, thorough=True), [bare_file] * SHOTS),
        "draft": rate(lambda file: draft(file, SIDES[-1]), files),
        "full_decode": rate(decode, files),
        "decoder": rate(lambda sizes: [read(pixels) for pixels in sizes], copies * (SHOTS // 2)),
        "decoder_full_size": rate(read, whole * (SHOTS // 2)),
    }
    for name, per_second in rates.items():
        print(f"{name:18} {per_second:7.1f} photographs/s on {THREADS} threads")
    result: dict[str, object] = {f"{name}_per_s": round(each, 1) for name, each in rates.items()}
    result["ratio"] = round(rates["read"] / rates["decoder"], 3)
    result["cards_read"] = cards
    result["cards"] = len(card_files)
    print(json.dumps(result))


def rate(work: Callable[[Item], object], items: Sequence[Item]) -> float:
    """Return how many items a second all threads get done, in the best of the rounds."""
    best = float("inf")
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in range(ROUNDS):
            start = time.perf_counter()
            for _ in threads.map(work, items):
                pass
            best = min(best, time.perf_counter() - start)
    return len(items) / best


def read(pixels: Pixels) -> object:
    """Let the symbol reader look once, with the settings of the service."""
    return zxingcpp.read_barcodes(pixels, FORMATS, try_invert=False, text_mode=TextMode.Plain)


def grey(pixels: Pixels) -> Pixels:
    """Return [height, width]."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def with_card(pixels: Pixels, degrees: float) -> Pixels:
    """Return a copy in which somebody holds a card of a tenth of the width."""
    code = zxingcpp.create_barcode(TEXT, BarcodeFormat.QRCode, ec_level="M")
    bare = np.asarray(code.to_image(1, add_quiet_zones=False), np.uint8)
    modules = np.pad(bare, _QUIET_MODULES, constant_values=255)
    height, width = pixels.shape[:2]
    scale = width / 10 / bare.shape[0]
    centre = modules.shape[0] / 2
    place = cv2.getRotationMatrix2D((centre, centre), degrees, scale)
    place[:, 2] += (width * 0.4 - centre, height * 0.8 - centre)
    size, flags = (width, height), cv2.INTER_NEAREST
    ink = cv2.warpAffine(modules, place, size, flags=flags)
    paper = cv2.warpAffine(np.full_like(modules, 255), place, size, flags=flags)
    drawn = cv2.GaussianBlur(20 + ink * np.float32(0.84), (0, 0), 1.5)
    return np.where(paper[:, :, None] > 0, drawn[:, :, None], pixels).astype(np.uint8)


if __name__ == "__main__":
    main()
