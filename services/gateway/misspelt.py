"""Fields that a client has misspelt, in requests that otherwise let unknown fields pass.

The published dialect ignores what it does not know, and its clients may send more than that. But a
wish that is nearly spelt right must not be dropped without a word.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

import msgspec

from services.gateway.problems import Problem

_ALIKE = 0.75
"""Of difflib's ratio, from 0 to 1: `enhanced`, `autoRotate` and `background_color` are so near."""
_NAME = "_name"
"""May be left out by mistake: `class`."""
_ITSELF = frozenset({"taskid"})
"""By their letters: names that the dialect has elsewhere, and so mean what they say."""
_LONGEST = 40
_MOST = 50
"""Unknown names that are looked at: somebody may send a million of them."""


def check(sent: Iterable[str], kind: type[msgspec.Struct]) -> None:
    """Raise Problem for a name that is nearly one of the fields of `kind`, but none of them.

    Whoever sends that field, too, did not misspell it: the other is something else.
    """
    names = list(sent)
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    given = known.intersection(names)
    by_letters = {_letters(name): name for name in known}
    by_letters |= {_letters(name.removesuffix(_NAME)): name for name in known}
    unknown = (name for name in names if name not in known and len(name) <= _LONGEST)
    for name in islice(unknown, _MOST):
        letters = _letters(name)
        near = [] if letters in _ITSELF else get_close_matches(letters, by_letters, 1, _ALIKE)
        if near and (meant := by_letters[near[0]]) not in given:
            sentence = f"there is no field {name!r}; did you mean {meant}?"
            raise Problem(422, "INVALID_REQUEST", sentence)


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
