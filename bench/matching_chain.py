"""The bare chain in one process: decode, detect, align, embed, search and decide, nothing else.

It is what the face reader and matching do to a photograph, without message bus, database, job book
and HTTP: what the same libraries and models can do on this machine when nothing stands between.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from bench.embeddings import REPOSITORY, Vectors
from bench.load import Rate, measure
from proto.facereader import FacesRead
from services.facereader.reading import FaceReader
from services.matching.deciding import Decided, Face, Rules, faces_decided
from services.matching.searching import References, as_rows
from vision.connect import connect
from vision.limits import Limits
from vision.modelcard import embedder_card
from vision.models import Models

CALLERS = (2, 4, 8)
THRESHOLD = 0.85


@dataclass(frozen=True, slots=True)
class Chain:
    """How fast the chain went."""

    per_second: float
    """Files, at the best number of callers, wherever models ran."""
    on_triton: float
    """Likewise, on Triton."""
    processor_ms: float
    """For one file, with onnxruntime in this process, which then does everything."""


async def embedded(photograph: bytes) -> Vectors:
    """Return the embedding [1, d] of the largest face."""
    models = connect(None, REPOSITORY)
    read = await _reader(models).read(photograph)
    await models.close()
    return as_rows([read.faces[0].embedding], read.embedder.dimensions)


async def best_chain(
    files: Sequence[Path], calls: int, references: References, triton_url: str
) -> Chain:
    """Run the chain over files, on Triton and with onnxruntime in here."""
    on_triton = await _chain(files, calls, references, triton_url)
    taken = time.process_time()
    alone = await _chain(files, calls, references, None)
    taken = time.process_time() - taken
    # each caller, up to four, makes a call before it is measured
    made = sum(calls + min(rate.callers, 4) for rate in alone)
    best = _best(on_triton)
    return Chain(max(best, _best(alone)), best, 1e3 * taken / made)


def decided(read: FacesRead, references: References, rules: Rules) -> list[Decided]:
    """Search for the faces of a photograph, and decide whose they are."""
    found = references.nearest(
        as_rows([face.embedding for face in read.faces], read.embedder.dimensions)
    )
    faces = [
        Face(number, frozenset(face.doubts), nearest)
        for number, (face, nearest) in enumerate(zip(read.faces, found, strict=True))
    ]
    return faces_decided(faces, rules)


async def _chain(
    files: Sequence[Path], calls: int, references: References, triton_url: str | None
) -> list[Rate]:
    models = connect(triton_url, REPOSITORY)
    reader = _reader(models)
    rules = Rules.of(THRESHOLD, reader.embedder)
    turn = cycle(files)

    async def match() -> object:
        data = await asyncio.to_thread(next(turn).read_bytes)
        return decided(await reader.read(data), references, rules)

    print(f"bare chain, models run by {models.kind}")
    rates = []
    for callers in CALLERS:
        rates.append(await measure(match, callers, calls))
        print(rates[-1], flush=True)
    await models.close()
    return rates


def _best(rates: Sequence[Rate]) -> float:
    return max(rate.per_second for rate in rates)


def _reader(models: Models) -> FaceReader:
    return FaceReader(models, embedder_card(REPOSITORY), Limits())
