"""What so many images a day need: a simulation of days over the measured costs.

    ./just bench capacity

Costs are those of bench/costs.json (bench/operations.py measures them); everything else that the
result hangs on stands in `Assumptions`, where it can be changed. Days are simulated minute by
minute: callers who wait arrive one by one, jobs with all their photographs at once, both more often
at some hours than at others. Work of callers who wait is done in the minute in which it comes; work
of jobs takes what is left of the picture cores, first come, first served.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench import costs
from bench.costs import Cost, Costs
from cli.deployment import needs

Minutes: TypeAlias = NDArray[np.float64]
"""One number for each minute of the days."""

SCALES = (1e6, 1e7, 1e8)
DAYS = 3
"""The first is not counted: its queue begins empty."""

_MINUTES = 24 * 60
_SECONDS = 60
_EXTERNAL = ("postgres", "nats", "triton")
_PICTURES = ("facecrop", "cardreader", "facereader", "triton")
"""Parts whose work for jobs can wait."""
_FEWEST_REPLICAS = 2


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is not measured, and why it is taken to be so."""

    shares: Mapping[str, float] = field(
        default_factory=lambda: {
            "batch_item": 0.55,
            "face_crop": 0.15,
            "face_crop_enhanced": 0.05,
            "card_read": 0.15,
            "face_match": 0.10,
            "qr_subject": 0.10,
        }
    )
    """Units for each image of the day. Studios send shoots, so most images are items of jobs; a
    sheet is printed for one subject in ten images, and counts beside them."""
    hours: tuple[float, ...] = (
        *(0.4, 0.3, 0.3, 0.3, 0.4, 0.6, 1.2, 2.4, 4.5, 6.5, 8.0, 8.5),
        *(7.5, 7.5, 8.5, 9.0, 8.5, 7.0, 5.5, 4.5, 3.6, 2.6, 1.5, 0.9),
    )
    """Percent of the day's images in each hour: customers of a few neighbouring time zones."""
    photos_in_a_job: float = 250.0
    """On average; sizes are spread as a lognormal with a deviation of 1 in the logarithm."""
    utilisation: float = 0.6
    """Of its cores that a part may use in its busiest minute: more, and waiting times grow."""
    busiest: float = 99.9
    """The percentile of minutes that counts as the busiest: 1.4 minutes a day may be worse."""
    job_minutes: float = 15.0
    """Within which the work of 95 of 100 jobs' minutes is begun, however much comes at once."""
    downloads: float = 1.0
    """How often a finished file is fetched."""
    keep_days: float = 30.0
    gpu_cores: float = 25.0
    """Processor cores that one GPU of the class of an L4 stands for in front of these models. An
    assumption: no GPU was there to measure."""
    database_transactions: float = 7_000.0
    """A second, of one PostgreSQL: pgbench on the machine of the benchmarks, where two cores gave
    5,200 to 9,100. A server of 32 cores with fast disks does several times that."""
    stream_messages: float = 10_000.0
    """A second, kept by one JetStream stream with three copies. An assumption."""
    bus_messages: float = 200_000.0
    """Questions a second through one nats-server. An assumption; each is two messages."""
    gateway_gigabits: float = 10.0
    """A second, through one machine at the entrance; there may be several."""


@dataclass(frozen=True, slots=True)
class Load:
    """What comes in each minute, in units by operation."""

    waited_for: dict[str, Minutes]
    in_jobs: dict[str, Minutes]

    def of(self, operation: str) -> Minutes:
        """Return all units of an operation."""
        nothing = np.zeros(DAYS * _MINUTES)
        return self.waited_for.get(operation, nothing) + self.in_jobs.get(operation, nothing)


def main() -> None:
    """Simulate and print; the last line is one JSON object."""
    known, assumed = costs.read(), Assumptions()
    print(f"measured {known.measured_at} on {known.machine}, load {known.load_average}")
    results = {f"{scale:.0f}": result(known, assumed, scale) for scale in SCALES}
    for scale, found in results.items():
        _show(float(scale), found)
    print(json.dumps(results))


def result(known: Costs, assumed: Assumptions, images_a_day: float) -> dict[str, object]:
    """Return what a day of so many images needs."""
    load = simulated(assumed, images_a_day, np.random.default_rng(1))
    cores = _cores(known, assumed, load)
    picture_cores, minutes = _with_patience(known, assumed, load)
    flows = _flows(known, assumed, load)
    ceilings = {
        "PostgreSQL transactions": flows["transactions_per_s"] / assumed.database_transactions,
        "JetStream messages": flows["stream_messages_per_s"] / assumed.stream_messages,
        "bus messages": flows["bus_messages_per_s"] / assumed.bus_messages,
    }
    gigabits = max(flows["gigabits_in"], flows["gigabits_out"])
    return {
        "images_per_s_mean": round(images_a_day / _MINUTES / _SECONDS, 1),
        "images_per_s_busiest": round(_busiest(_images(load), assumed) / _SECONDS, 1),
        "cores": {part: round(number, 1) for part, number in cores.items()},
        "replicas": {part: _replicas(part, number) for part, number in cores.items()},
        "all_cores": round(sum(cores.values())),
        "picture_cores_at_once": round(sum(cores[part] for part in _PICTURES), 1),
        "picture_cores_patient": round(picture_cores, 1),
        "job_wait_p95_minutes": round(minutes, 1),
        "entrances": int(np.ceil(gigabits / assumed.utilisation / assumed.gateway_gigabits)),
        "gpus": int(np.ceil(cores["triton"] / assumed.gpu_cores)),
        **{name: round(value, 2) for name, value in flows.items()},
        # of what there is one of, and of which more cannot simply be added
        "share_of_ceiling": {name: round(share, 3) for name, share in ceilings.items()},
        "first_ceiling": max(ceilings, key=lambda name: ceilings[name]),
    }


def simulated(assumed: Assumptions, images_a_day: float, chance: np.random.Generator) -> Load:
    """Return days of requests and jobs."""
    weights = np.tile(np.repeat(np.array(assumed.hours) / sum(assumed.hours) / 60, 60), DAYS)
    waited_for, in_jobs = {}, {}
    for operation, share in assumed.shares.items():
        expected = weights * images_a_day * share
        if operation in ("batch_item", "card_read", "face_match"):
            in_jobs[operation] = _jobs(expected, assumed.photos_in_a_job, chance)
        else:
            waited_for[operation] = chance.poisson(expected).astype(np.float64)
    return Load(waited_for, in_jobs)


def _jobs(expected: Minutes, size: float, chance: np.random.Generator) -> Minutes:
    """Return photographs that come in jobs, all of a job in its minute."""
    begun = chance.poisson(expected / size)
    # a lognormal of the mean `size`
    location = np.log(size) - 0.5
    return np.array([chance.lognormal(location, 1.0, number).sum() for number in begun])


def _images(load: Load) -> Minutes:
    operations = load.waited_for.keys() | load.in_jobs.keys()
    return _sum([load.of(name) for name in sorted(operations) if name != "qr_subject"])


def _sum(minutes: Sequence[Minutes]) -> Minutes:
    total = np.zeros(DAYS * _MINUTES)
    for each in minutes:
        total += each
    return total


def _counted(minutes: Minutes) -> Minutes:
    return minutes[_MINUTES:]


def _busiest(minutes: Minutes, assumed: Assumptions) -> float:
    return float(np.percentile(_counted(minutes), assumed.busiest))


def _per_unit(known: Costs, load: Load, what: str) -> Minutes:
    """Return how much of something each minute takes, by a field of Cost."""
    return _sum([load.of(name) * getattr(cost, what) for name, cost in known.operations.items()])


def _core_minutes(known: Costs, units: Mapping[str, Minutes], part: str) -> Minutes:
    """Return how many cores are busy with a part, minute by minute."""
    total = np.zeros(DAYS * _MINUTES)
    for name, minutes in units.items():
        cost: Cost = known.operations[name]
        total += minutes * cost.cpu_ms.get(part, 0.0) / 1000 / _SECONDS
    return total


def _cores(known: Costs, assumed: Assumptions, load: Load) -> dict[str, float]:
    """Return the cores of each part, if jobs are worked on in the minute in which they come."""
    parts = list(dict.fromkeys(part for cost in known.operations.values() for part in cost.cpu_ms))
    units = {name: load.of(name) for name in known.operations}
    return {
        part: _busiest(_core_minutes(known, units, part), assumed) / assumed.utilisation
        for part in parts
    }


def _with_patience(known: Costs, assumed: Assumptions, load: Load) -> tuple[float, float]:
    """Return the fewest picture cores with which jobs are begun in time, and how long they wait."""
    now = _sum([_core_minutes(known, load.waited_for, part) for part in _PICTURES])
    later = _sum([_core_minutes(known, load.in_jobs, part) for part in _PICTURES])
    # callers who wait must find the usual slack, and over a day everything must get done
    least = max(
        _busiest(now, assumed) / assumed.utilisation,
        float(_counted(now + later).mean()) / assumed.utilisation,
    )
    cores = least
    while (waited := _wait(now, later, cores, assumed)) > assumed.job_minutes:
        cores *= 1.05
    return cores, waited


def _wait(now: Minutes, later: Minutes, cores: float, assumed: Assumptions) -> float:
    """Return how many minutes the work of jobs waits, in 95 of 100 minutes in which some comes."""
    room = np.maximum(cores * assumed.utilisation - now, 0.0)
    done = np.cumsum(room)
    waiting = 0.0
    waits = []
    for minute, (work, free) in enumerate(zip(later, room, strict=True)):
        waiting = max(0.0, waiting + work - free)
        if minute >= _MINUTES and work > 0:
            # until as much has been done as waits at the end of this minute
            over = np.searchsorted(done, done[minute] + waiting)
            waits.append(float(over - minute))
    return float(np.percentile(waits, 95)) if waits else 0.0


def _flows(known: Costs, assumed: Assumptions, load: Load) -> dict[str, float]:
    def busiest(what: str) -> float:
        return _busiest(_per_unit(known, load, what), assumed) / _SECONDS

    kept = float(_counted(_per_unit(known, load, "kept_bytes")).sum()) / (DAYS - 1)
    out = busiest("kept_bytes") * assumed.downloads
    return {
        "transactions_per_s": busiest("transactions"),
        "wal_megabytes_per_s": busiest("wal_bytes") / 1e6,
        "bus_messages_per_s": busiest("bus_messages"),
        "stream_messages_per_s": busiest("stream_messages"),
        "storage_requests_per_s": busiest("storage_requests"),
        "gigabits_in": busiest("received_bytes") * 8 / 1e9,
        "gigabits_out": out * 8 / 1e9,
        "terabytes_out_a_day": kept * assumed.downloads / 1e12,
        "terabytes_kept": kept * assumed.keep_days / 1e12,
    }


def _replicas(part: str, cores: float) -> int:
    """Return how many pods, each with the cores that the manifests give one; 0 for servers."""
    if part in _EXTERNAL:
        return 0
    each = needs.of(part).resources.most_cores
    return max(_FEWEST_REPLICAS, int(np.ceil(cores / each)))


def _show(images_a_day: float, found: Mapping[str, object]) -> None:
    print(f"\n{images_a_day:,.0f} images a day")
    for name, value in found.items():
        print(f"  {name:24} {value}")


if __name__ == "__main__":
    main()
