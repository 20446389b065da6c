import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.renaming import DEFAULT, BadPattern, Photograph, Renaming


def photograph(
    filename: str = "IMG_1.JPG", student_id: str = "S1", name: str = "An Nguyen", of: str = "5A"
) -> Photograph:
    return Photograph(filename, student_id, name, of)


def test_a_photograph_is_called_by_the_pattern_and_keeps_its_ending() -> None:
    naming = Renaming()
    assert naming.name(photograph()) == "5A/S1_An Nguyen_1.jpg"
    assert naming.name(photograph("b.heic")) == "5A/S1_An Nguyen_2.heic"
    assert naming.name(photograph(student_id="S2", name="Bo")) == "5A/S2_Bo_1.jpg"


@pytest.mark.parametrize(
    ("pattern", "filename", "called"),
    [
        ("{n}", "a.png", "1.png"),
        ("all/{filename}", "Klasse 5.TIFF", "all/Klasse 5.tiff"),
        ("{class}/{class}/{n}.png", "a.webp", "5A/5A/1.webp"),
        # one that has no ending takes the pattern's, and a JPEG is the likeliest
        ("{n}.png", "scan", "1.png"),
        ("{n}", "page.html", "1.jpg"),
        ("{n}.tar", "a.jpg", "1.tar.jpg"),
    ],
)
def test_patterns(pattern: str, filename: str, called: str) -> None:
    assert Renaming(pattern).name(photograph(filename)) == called


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "x" * 201,
        "{school}/{n}",
        "{n",
        "n}",
        "{}",
        "{{n}}",
        "/{n}",
        "a//{n}",
        "../{n}",
        "./{n}",
        "{n}/",
        "a\\{n}",
        "a\n{n}",
        "a\0{n}",
        "{n}\u202e",
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        Renaming(pattern)


def test_the_longest_pattern_is_taken() -> None:
    assert Renaming("x" * 200).name(photograph()) == "x" * 120 + ".jpg"


@pytest.mark.parametrize(
    ("name", "of", "called"),
    [
        ("../../etc/passwd", "..", "S1_..-..-etc-passwd_1.jpg"),
        ("a/b\\c", "5/A", "5-A/S1_a-b-c_1.jpg"),
        ("An\u202egpj", "5A", "5A/S1_An gpj_1.jpg"),
        ("x", "CON", "_CON/S1_x_1.jpg"),
        ("x", "com1.txt", "_com1.txt/S1_x_1.jpg"),
        ("x", "a.jpg", "a.jpg_/S1_x_1.jpg"),
        ("x", "...", "S1_x_1.jpg"),
        ("x", "", "S1_x_1.jpg"),
        ('<b>"?*|', " 5A. ", "5A/S1_-b-_1.jpg"),
        ("Ho\u0302\u0300 雪", "5A", "5A/S1_H\u1ed3 雪_1.jpg"),
        ("~x", "~root", "~root/S1_~x_1.jpg"),
    ],
)
def test_names_are_made_safe(name: str, of: str, called: str) -> None:
    assert Renaming().name(photograph(name=name, of=of)) == called


def test_a_pattern_that_tells_nobody_apart_numbers_them() -> None:
    naming = Renaming("{class}/photo")
    names = [naming.name(photograph(of=of)) for of in ("5A", "5a", "5A", "5B")]
    assert names == ["5A/photo.jpg", "5a/photo-2.jpg", "5A/photo-3.jpg", "5B/photo.jpg"]
    # whatever the endings: on some systems they are one file with two faces
    assert naming.name(photograph("a.png")) == "5A/photo-4.png"


_TEXT = st.text(max_size=300)


@given(
    pattern=st.sampled_from([DEFAULT, "{name}/{class}", "{class}/{filename}", "{name}"]),
    people=st.lists(st.tuples(_TEXT, _TEXT, _TEXT, _TEXT), max_size=12),
)
def test_whatever_people_are_called_every_name_is_safe_and_none_comes_twice(
    pattern: str, people: list[tuple[str, str, str, str]]
) -> None:
    naming = Renaming(pattern)
    names = [naming.name(Photograph(*person)) for person in people]
    assert len({name.casefold() for name in names}) == len(names)
    files = {name.casefold() for name in names}
    for name in names:
        assert name.isprintable() or any(joiner in name for joiner in "\u200c\u200d")
        assert unicodedata.is_normalized("NFC", name)
        for part in name.split("/"):
            assert part not in ("", ".", "..")
            assert len(part.encode()) <= 255
            assert not set(part) & set('<>:"\\|?*')
            assert part == part.strip(" ")
            assert not part.endswith(".")
            assert not PureWindowsPath(part).is_reserved()
        folders = [str(folder).casefold() for folder in PurePosixPath(name).parents]
        assert not files & set(folders)
