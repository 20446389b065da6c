import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway import names


@pytest.mark.parametrize(
    ("given_name", "stem"),
    [
        ("student.jpg", "student"),
        ("Nguyễn Văn An.JPG", "Nguyen-Van-An"),
        ("Đặng Văn Đức.jpg", "Dang-Van-Duc"),
        ("Łukasz.jpg", "Lukasz"),
        ("Søren Weiß.jpg", "Soren-Weiss"),
        ("写真 Đức.jpg", "Duc"),
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\a b.png", "a-b"),
        (".htaccess", "htaccess"),
        ("", "photo"),
        ("写真.jpg", "photo"),
        ("😀.jpg", "photo"),
        ("-rf.jpg", "rf"),
        ("a" * 300 + ".jpg", "a" * 60),
        ("a\x00b\r\nc.jpg", "abc"),
    ],
)
def test_a_file_name_becomes_a_safe_stem(given_name: str, stem: str) -> None:
    assert names.stems([given_name]) == [stem]


def test_names_without_latin_letters_are_numbered() -> None:
    assert names.stems(["写真.jpg", "Иван.jpg"]) == ["photo", "photo-2"]


def test_stems_of_one_request_stay_apart_on_every_file_system() -> None:
    assert names.stems(["a.jpg", "A.png", "a.jpg", "a-2.jpg"]) == ["a", "A-2", "a-3", "a-2-2"]


@given(st.lists(st.text(max_size=80), max_size=8))
def test_any_names_become_unique_path_parts(given_names: list[str]) -> None:
    stems = names.stems(given_names)
    assert len({stem.lower() for stem in stems}) == len(given_names)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", stem) for stem in stems)


@given(st.text(max_size=400))
def test_a_name_shown_back_has_no_folder_and_no_control_characters(text: str) -> None:
    name = names.shown(text)
    assert name
    assert name.isprintable()
    assert Path(name).name in (name, "")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.com/a/student.jpg?size=1", "student.jpg"),
        ("https://example.com/a%20b.jpg", "a b.jpg"),
        ("https://example.com", "photo"),
        ("http://[broken", "photo"),
    ],
)
def test_a_url_is_named_after_its_last_part(url: str, name: str) -> None:
    assert names.of_url(url) == name
