"""A Dockerfile as a list of instructions, as far as ours go."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CONTINUED = re.compile(r"\\\n")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction."""

    word: str
    """In capitals."""
    rest: str


@dataclass(frozen=True, slots=True)
class Copy:
    """What one COPY takes from the project's folder, and where it goes."""

    sources: tuple[str, ...]
    target: str


def stages(path: Path) -> list[list[Instruction]]:
    """Return the instructions of each stage, FROM first."""
    found: list[list[Instruction]] = []
    for instruction in _instructions(path.read_text()):
        if instruction.word == "FROM":
            found.append([])
        found[-1].append(instruction)
    return found


def copies(stage: list[Instruction]) -> list[Copy]:
    """Return what a stage takes from the project's folder, in order."""
    lines = [shlex.split(each.rest) for each in stage if each.word == "COPY"]
    return [
        Copy(tuple(sources), target)
        for *sources, target in lines
        if not any(word.startswith("--from=") for word in sources)
    ]


def runs(stage: list[Instruction]) -> list[str]:
    """Return the commands that a stage runs, each on one line."""
    return [each.rest for each in stage if each.word == "RUN"]


def _instructions(text: str) -> Iterator[Instruction]:
    without = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in _CONTINUED.sub(" ", without).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield Instruction(word.upper(), re.sub(r"\s+", " ", rest).strip())
