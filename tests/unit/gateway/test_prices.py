from pathlib import Path

import pytest

from services.gateway.prices import BadPriceBook, read


def test_the_standard_book_has_the_contracts_prices() -> None:
    book = read("")
    assert (book["face_crop"].tokens, book["face_crop_enhanced"].tokens) == (2, 6)


def test_an_operators_book_replaces_single_prices(tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    own.write_text('[face_crop]\ntokens = 3\nunit = "image"\n')
    book = read(str(own))
    assert (book["face_crop"].tokens, book["face_crop_enhanced"].tokens) == (3, 6)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[face_crop]\ntokens = -1\nunit = 'image'", "tokens"),
        ("[face_crop]\ntokens = 'two'\nunit = 'image'", "tokens"),
        ("[face_corp]\ntokens = 1\nunit = 'image'", "face_corp"),
        ("not toml", "prices.toml"),
    ],
)
def test_a_wrong_book_is_told_at_the_start(tmp_path: Path, text: str, told: str) -> None:
    own = tmp_path / "prices.toml"
    own.write_text(text)
    with pytest.raises(BadPriceBook, match=told):
        read(str(own))


def test_a_missing_book_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadPriceBook, match="nowhere"):
        read(str(tmp_path / "nowhere.toml"))
