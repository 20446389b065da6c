"""face_recognition over files, as its own examples do it; run by the Python that it is in.

    python peer_face_recognition.py PROCESSES REFERENCES UPSAMPLED FILE...

Each process takes the next file: read, find the faces, encode them, and measure the distance of
each to the references, of which the first is of whoever is in the first file. Prints one JSON
object. It knows nothing of this project.
"""

import json
import multiprocessing
import sys
import time

import face_recognition  # type: ignore[import-not-found] # it is in an environment of its own
import numpy as np

_TOLERANCE = 0.6
"""The library's own."""
_DIMENSIONS = 128
_LENGTH = 1.4
"""Of its encodings."""

references = np.empty((0, _DIMENSIONS))
upsampled = 1


def begin(known: np.ndarray, upsample: int) -> None:
    """Give a process what it compares with."""
    global references, upsampled
    references, upsampled = known, upsample


def look(file: str) -> tuple[int, bool]:
    """Return how many faces a file shows, and whether the first of the references is among them."""
    picture = face_recognition.load_image_file(file)
    places = face_recognition.face_locations(picture, upsampled)
    found = False
    for face in face_recognition.face_encodings(picture, places):
        distances = face_recognition.face_distance(references, face)
        found |= bool(distances.argmin() == 0 and distances[0] <= _TOLERANCE)
    return len(places), found


def known_people(file: str, count: int) -> np.ndarray:
    """Return whoever is in the file, and others."""
    (one, *_) = face_recognition.face_encodings(face_recognition.load_image_file(file))
    others = np.random.default_rng(1).standard_normal((count - 1, _DIMENSIONS))
    others *= _LENGTH / np.linalg.norm(others, axis=1, keepdims=True)
    return np.vstack([one, others])


def main() -> None:
    """Look at all files, and print how long that took."""
    processes, count, upsample, *files = sys.argv[1:]
    initial = known_people(files[0], int(count)), int(upsample)
    with multiprocessing.Pool(int(processes), begin, initial) as pool:
        pool.map(look, files[: int(processes)], 1)  # libraries are loaded, models too
        began = time.perf_counter()
        seen = pool.map(look, files, 1)
        seconds = time.perf_counter() - began
    told = {
        "seconds": seconds,
        "faces": sum(faces for faces, _ in seen),
        "found": sum(found for _, found in seen),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
