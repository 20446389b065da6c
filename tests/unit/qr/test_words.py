"""What the words of messages let pass."""

import msgspec
import pytest

from proto.qr import Name, Reference, StudentId, Subject

NOTHING = [" ", "\u00a0", "\u3000", "\u200b", "\u202e", "\u2066", "\u3164", "\ufe0f", " \u200d "]


@pytest.mark.parametrize("word", [Name, Reference, StudentId])
@pytest.mark.parametrize("nothing", NOTHING)
def test_words_of_which_nothing_is_seen_are_refused(word: object, nothing: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(nothing, word)
    for seen in (f"{nothing}a", f"名{nothing}", f"{nothing}-{nothing}"):
        assert msgspec.convert(seen, word) == seen


def test_lines_may_be_empty() -> None:
    asked = {"student_id": "1", "name": "Ann", "class_name": "", "lines": ["", " "]}
    assert msgspec.convert(asked, Subject).lines == ["", " "]
