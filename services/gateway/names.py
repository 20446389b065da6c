"""File names: from what a client calls a file to what we call the files made from it."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from kit.letters import in_ascii

_LONGEST_SHOWN = 255
_LONGEST_STEM = 60


def of_url(url: str) -> str:
    """Return the last part of a URL's path, as a file name to show."""
    try:
        return shown(unquote(urlsplit(url).path))
    except ValueError:
        return "photo"


def shown(name: str) -> str:
    """Return a client's file name without folders and control characters, to show it back."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    clean = "".join(letter for letter in last if letter.isprintable())
    return clean[:_LONGEST_SHOWN] or "photo"


def stems(names: Iterable[str]) -> list[str]:
    """Return for each file name a first part for output names: ASCII, safe, unique in the list."""
    taken: set[str] = set()
    counts: Counter[str] = Counter()
    return [_unique(_stem(name), taken, counts) for name in names]


def _stem(name: str) -> str:
    plain = in_ascii(PurePosixPath(shown(name)).stem)
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", plain).strip("-_")
    return safe[:_LONGEST_STEM] or "photo"


def _unique(stem: str, taken: set[str], counts: Counter[str]) -> str:
    """Number what is taken; `counts` says how far, so that thousands of one name take no longer."""
    candidate, same = stem, stem.lower()
    while candidate.lower() in taken:
        counts[same] += 1
        candidate = f"{stem}-{counts[same] + 1}"
    taken.add(candidate.lower())
    return candidate
