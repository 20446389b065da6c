"""What photographs are called in an archive: by a pattern, safe to unpack anywhere, none twice.

A pattern is a path of at most 200 characters in which `{class}`, `{student_id}`, `{name}`, `{n}`
and `{filename}` stand for what is known of a photograph. Whatever a name holds, an entry stays
inside the folder that the archive is unpacked into, and can be written by Windows, macOS and Linux.
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath

DEFAULT = "{class}/{student_id}_{name}_{n}.jpg"
LONGEST = 200
"""Characters of a pattern."""

_FIELD = re.compile(r"\{([^{}]*)\}")
_FIELDS = frozenset({"class", "student_id", "name", "n", "filename"})
_PICTURE = re.compile(r"\.(jpe?g|png|webp|heic|heif|tiff?|gif)$", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\s]+')
"""What Windows takes in no name, and what separates folders; white space becomes one space."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\..*)?$", re.I)
"""Names of devices of Windows, whatever follows a dot."""
_LONGEST_PART = 120
"""Bytes of a folder or file name, without its ending; file systems take 255."""


class BadPattern(ValueError):
    """A pattern that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Photograph:
    """What is known of a photograph of somebody."""

    filename: str
    student_id: str
    name: str
    class_name: str


class Renaming:
    """Names the photographs of one archive."""

    def __init__(self, pattern: str = DEFAULT) -> None:
        """Take a pattern. Raises BadPattern."""
        if not pattern or len(pattern) > LONGEST:
            raise BadPattern(f"a pattern has 1 to {LONGEST} characters")
        unknown = {field for field in _FIELD.findall(pattern) if field not in _FIELDS}
        if unknown or "{" in _FIELD.sub("", pattern) or "}" in _FIELD.sub("", pattern):
            known = ", ".join(f"{{{field}}}" for field in sorted(_FIELDS))
            raise BadPattern(f"a pattern is made of {known} and text")
        if "\\" in pattern or not pattern.isprintable():
            raise BadPattern("folders of a pattern are separated by /")
        # photographs keep their own endings, where they have any
        ending = _PICTURE.search(pattern)
        self._ending = ending[0].lower() if ending else ".jpg"
        self._parts = _PICTURE.sub("", pattern).split("/")
        if any(part in ("", ".", "..") for part in self._parts):
            raise BadPattern("no folder of a pattern may be empty, . or ..")
        self._of_person: Counter[str] = Counter()
        self._taken: set[str] = set()
        self._numbers: Counter[str] = Counter()

    def name(self, photograph: Photograph) -> str:
        """Return what a photograph is called; no two are called the same."""
        self._of_person[photograph.student_id] += 1
        values = {
            "class": photograph.class_name,
            "student_id": photograph.student_id,
            "name": photograph.name,
            "n": str(self._of_person[photograph.student_id]),
            "filename": PurePosixPath(photograph.filename).stem,
        }
        filled = [_FIELD.sub(lambda field: values[field[1]], part) for part in self._parts]
        *folders, last = [_safe(part) for part in filled]
        # somebody without a class is not in a folder of nobody
        path = "/".join([*map(_folder, filter(None, folders)), last or "photo"])
        ending = _PICTURE.search(photograph.filename)
        return self._unique(path) + (ending[0].lower() if ending else self._ending)

    def _unique(self, path: str) -> str:
        """Number what is taken, also for file systems that know no small letters."""
        candidate, same = path, _folded(path)
        while _folded(candidate) in self._taken:
            self._numbers[same] += 1
            candidate = f"{path}-{self._numbers[same] + 1}"
        self._taken.add(_folded(candidate))
        return candidate


def _safe(text: str) -> str:
    """Return a folder or file name that any system takes; "" where nothing is left of it."""
    plain = "".join(
        letter if letter.isprintable() or letter in "\u200c\u200d" else " "
        for letter in unicodedata.normalize("NFC", text)
    )
    words = _FORBIDDEN.sub(lambda found: " " if found[0].isspace() else "-", plain)
    # Windows drops dots and spaces at the end, others hide what begins with a dot
    name = _shortened(words.strip(" .")).rstrip(" .")
    return f"_{name}" if _RESERVED.match(name) else name


def _shortened(name: str) -> str:
    return name.encode()[:_LONGEST_PART].decode("utf-8", "ignore")


def _folder(name: str) -> str:
    """Return a name for a folder that no photograph has."""
    return f"{name}_" if _PICTURE.search(name) else name


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path.casefold())
