"""Matching: a shoot against 1,000 people, through the stack, bare, and with face_recognition.

All in one run on the same files, of which no two are equal, because equal ones are kept once: 1,000
portraits of 2.6 megapixels, 100 of 12, and 20 groups of twelve people. Everybody in them is the
astronaut; the others who are looked for are made up (bench/embeddings.py), some of them alike.

- the whole stack over HTTP: files are uploaded once, then a match job, from the request that begins
  it to the look, four a second, that sees it completed;
- the bare chain of bench/matching_chain.py in this process, the best of 2, 4 and 8 callers, with
  onnxruntime in this process and on the stack's Triton; `ratio` is to the faster of the two;
- face_recognition in as many processes as cores, on some of the files, as it takes seconds for one:
  as it is, and told not to double pictures before it looks for faces;
- an agency of 8,000 people with 166,000 references;
- the search alone (bench/matching_search.py), in a process of its own.

Takes some five minutes on two cores.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as matching does, before numpy is there

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import cv2
import numpy as np
import uvloop

from bench.embeddings import DIMENSIONS, Vectors, photographed, strangers
from bench.matching_chain import Chain, best_chain, embedded
from bench.matching_studio import Matched, Studio
from bench.memory import watched
from bench.peers import FACE_RECOGNITION, Looked, face_recognition
from bench.photographs import SIDE_2MP, groups, photographs, series
from bench.stack import running
from kit import database
from proto.agencies import AgencyId
from services.matching.gallery import Galleries, Whose
from services.matching.searching import References
from vision.modelcard import embedder_card

PEOPLE = 1_000
ALIKE = 10
"""Of them, who look like the one that is photographed."""
ROUNDS = 2
"""Of the stack on the 1,000 portraits; the better one counts."""
WARM_UP = 32

LARGE_PEOPLE = 8_000
LARGE_REFERENCES = 166_000
LARGE_FILES = 100
_LARGE_BYTES = 1 << 30

_WORTH_TELLING_MS = 0.05

CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Kind:
    """Photographs of one kind."""

    name: str
    files: Sequence[Path]
    calls: int
    """Of the bare chain, at each number of callers."""
    peer_files: int
    peer_files_not_upsampled: int


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast photographs of one kind went, in files a second."""

    stack: Matched
    bare: Chain
    peer: Looked
    peer_not_upsampled: Looked

    def told(self) -> dict[str, float]:
        """Return the numbers with their names."""
        rate, processor = self.stack.per_second, sum(self.stack.processor_ms.values())
        return {
            "files_per_s": round(rate, 2),
            "end_to_end_files_per_s": round(self.stack.end_to_end, 2),
            "bare_files_per_s": round(self.bare.per_second, 2),
            "ratio": round(rate / self.bare.per_second, 3),
            "bare_on_triton_files_per_s": round(self.bare.on_triton, 2),
            "ratio_on_triton": round(rate / self.bare.on_triton, 3),
            "processor_ms": round(processor, 1),
            "bare_processor_ms": round(self.bare.processor_ms, 1),
            "processor_ratio": round(self.bare.processor_ms / processor, 3),
            "peer_files_per_s": round(self.peer.per_second, 3),
            "peer_ratio": round(rate / self.peer.per_second, 1),
            "peer_not_upsampled_files_per_s": round(self.peer_not_upsampled.per_second, 3),
            "peer_not_upsampled_ratio": round(rate / self.peer_not_upsampled.per_second, 1),
        }


@dataclass(frozen=True, slots=True)
class Large:
    """What an agency of many people costs."""

    load_seconds: float
    """Reading and unsealing all references, in this process."""
    search_us: float
    """For one face."""
    first: Matched
    """With loading."""
    again: Matched
    before_mb: float
    peak_mb: float
    """The resident set of the process of matching."""


async def main() -> None:
    """Measure and print; the last line is one JSON object."""
    cv2.setNumThreads(1)  # as the engine does
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(CORES))
    print(f"load average {os.getloadavg()[0]:.2f} on {CORES} cores before anything is measured")
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-photographs-") as name:
        folder = Path(name)
        reference = folder / "reference.jpg"
        reference.write_bytes(photographs()["512"])
        kinds = (
            Kind("portraits of 2.6 MP", series(folder, 1_000, SIDE_2MP), 160, 32, 64),
            Kind("portraits of 12 MP", series(folder, 100), 60, 8, 16),
            Kind("groups of 12 MP", groups(folder, 20), 12, 6, 12),
        )
        for kind in kinds:
            size = sum(file.stat().st_size for file in kind.files) / len(kind.files)
            print(f"{len(kind.files):5} {kind.name}, {size / 1e6:.1f} MB each")
        rates, large = await measured(kinds, reference)
    search = searched()
    share = search["search_us_10k"] * rates[0].stack.per_second / CORES / 1e6
    result = {
        **rates[0].told(),
        "peer": f"face_recognition {FACE_RECOGNITION}, {CORES} processes",
        **search,
        "search_share_10k": round(share, 5),
        "portraits_12mp": rates[1].told(),
        "groups_12mp": rates[2].told(),
        "large_agency": {
            "references": LARGE_REFERENCES,
            "load_seconds": round(large.load_seconds, 2),
            "search_us": round(large.search_us),
            "first_match_files_per_s": round(large.first.per_second, 2),
            "match_files_per_s": round(large.again.per_second, 2),
            "rss_mb_before": round(large.before_mb),
            "peak_rss_mb": round(large.peak_mb),
        },
    }
    print(json.dumps(result))


async def measured(kinds: Sequence[Kind], reference: Path) -> tuple[list[Rates], Large]:
    """Measure everything that needs the stack, and the peer when that has stopped."""
    rng = np.random.default_rng(1)
    person = await embedded(await asyncio.to_thread(reference.read_bytes))
    others = photographed(strangers(PEOPLE - 1, rng, person[0], ALIKE), rng)
    references = References.of(np.vstack([person, others]), np.arange(1, PEOPLE + 1))
    stacks: list[Matched] = []
    bares: list[Chain] = []
    async with (
        running(tokens=1_000_000) as (stack, headers),
        aiohttp.ClientSession(
            stack.url, headers=headers, timeout=aiohttp.ClientTimeout(total=None)
        ) as client,
    ):
        studio = Studio(stack, client)
        agency = await filled(studio, reference, others)
        shoot, _ = await studio.shoot(agency, kinds[0].files[:WARM_UP])
        await studio.matched(agency, shoot)
        for kind in kinds:
            rounds = ROUNDS if kind is kinds[0] else 1
            stacks.append(await through_the_stack(studio, agency, kind, rounds))
            bares.append(await best_chain(kind.files, kind.calls, references, studio.triton_url))
        pid = {"matching": stack.pids["matching"]}
        large = await large_agency(studio, pid, reference, kinds[0].files[:LARGE_FILES], person)
    peers = [(as_the_peer(kind, 1), as_the_peer(kind, 0)) for kind in kinds]
    rates = [
        Rates(stack, bare, *peer) for stack, bare, peer in zip(stacks, bares, peers, strict=True)
    ]
    return rates, large


async def filled(studio: Studio, reference: Path, others: Vectors) -> AgencyId:
    """Add an agency of one person who has a photograph, and others who are made up."""
    agency = await studio.agency("Springfield Elementary")
    first, *rest = await studio.people(agency, 1 + len(others))
    await studio.made_up_references(agency, rest, others)
    await studio.reference(agency, first, reference)
    return agency


async def through_the_stack(studio: Studio, agency: AgencyId, kind: Kind, rounds: int) -> Matched:
    """Upload files once and match them; return the best round."""
    shoot, seconds = await studio.shoot(agency, kind.files)
    print(f"\n{kind.name} through the stack: uploaded in {seconds:.1f} s")
    best: Matched | None = None
    for _ in range(rounds):
        found = await studio.matched(agency, shoot, seconds)
        print(
            f"{found.per_second:7.2f} files/s, {found.end_to_end:7.2f}/s with the upload; "
            f"{found.matched} of {found.files} files matched, {found.faces} faces",
            flush=True,
        )
        shares = ", ".join(
            f"{name} {taken:.1f}"
            for name, taken in found.processor_ms.items()
            if taken >= _WORTH_TELLING_MS
        )
        print(f"processor ms a file: {shares}")
        best = found if best is None or found.per_second > best.per_second else best
    if best is None:
        raise AssertionError("there is at least one round")
    return best


async def large_agency(
    studio: Studio, pid: dict[str, int], reference: Path, files: Sequence[Path], person: Vectors
) -> Large:
    """Match a shoot against the largest agency, of which only one person has a photograph."""
    rng = np.random.default_rng(2)
    agency = await studio.agency("All schools of the county")
    first, *rest = await studio.people(agency, LARGE_PEOPLE)
    whose = np.arange(LARGE_REFERENCES - 1) % len(rest)
    people = strangers(len(rest), rng, person[0], ALIKE)
    began = time.perf_counter()
    await studio.made_up_references(
        agency, [rest[number] for number in whose], photographed(people[whose], rng)
    )
    print(f"\n{LARGE_REFERENCES:,} references written in {time.perf_counter() - began:.1f} s")
    await studio.reference(agency, first, reference)
    shoot, _ = await studio.shoot(agency, files)
    async with watched(pid) as watch:
        before = watch.sample()["matching"]
        matched = await studio.matched(agency, shoot)
        again = await studio.matched(agency, shoot)
    if (matched.matched, again.matched) != (len(files), len(files)):
        raise SystemExit("somebody was not found among many")
    load, search = await _loaded(studio, agency, person)
    peak = watch.peak_mb["matching"]
    large = Large(load, search, matched, again, before, peak)
    print(
        f"loaded in {load:.1f} s, searched in {search / 1e3:.1f} ms; {len(files)} files in "
        f"{matched.match_seconds:.1f} s, again in {again.match_seconds:.1f} s; "
        f"process of matching {before:.0f} MB before, at most {peak:.0f} MB",
        flush=True,
    )
    return large


async def _loaded(studio: Studio, agency: AgencyId, person: Vectors) -> tuple[float, float]:
    """Load an agency in this process; return seconds, and the microseconds of a search."""
    version = embedder_card(Path("triton_models/repository")).version
    whose = Whose(studio.account, agency, version, DIMENSIONS)
    async with database.connect(studio.database_url, at_most=2) as pool:
        galleries = Galleries(pool, studio.vault, _LARGE_BYTES)
        began = time.perf_counter()
        gallery = await galleries.get(whose)
        seconds = time.perf_counter() - began
        if len(gallery.references.matrix) != LARGE_REFERENCES:
            raise SystemExit("some references were not loaded")
        times = []
        for _ in range(20):
            began = time.perf_counter()
            gallery.references.nearest(person)
            times.append(time.perf_counter() - began)
        await galleries.close()
    return seconds, float(np.median(times)) * 1e6


def as_the_peer(kind: Kind, upsampled: int) -> Looked:
    """Let face_recognition look at some of the files."""
    count = kind.peer_files if upsampled else kind.peer_files_not_upsampled
    looked = face_recognition(kind.files[:count], PEOPLE, upsampled=upsampled)
    told = "as it is" if upsampled else "not upsampled"
    print(
        f"face_recognition {FACE_RECOGNITION}, {told}, {count} {kind.name}: "
        f"{looked.per_second:.2f} files/s, {looked.faces} faces, found in {looked.found}",
        flush=True,
    )
    return looked


def searched() -> dict[str, float]:
    """Let a process of its own search, as the one of matching does; return its numbers."""
    answer = subprocess.run(
        [sys.executable, "-m", "bench.matching_search"], check=True, capture_output=True, text=True
    )
    print(answer.stdout, flush=True)
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
