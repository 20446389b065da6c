from pathlib import Path

import pytest

from services.qr.drawing.errors import FontsMissing
from services.qr.drawing.fonts import FOLDER, Fonts, absent_packages, installed

WRITTEN = {
    "DejaVuSans": "Aé ễĐ ŠżŁ Ωή Щї’",
    "WenQuanYiMicroHei": "王小明 山田 たろう タロウ 김하늘",
    "NotoSansArabic-Regular": "محمد گل ی",
    "NotoSansHebrew-Regular": "שלמה",
    "NotoSansThai-Regular": "สมชายน้ำ",
    "NotoSansDevanagari-Regular": "राधिका",
}


@pytest.mark.parametrize(("name", "text"), WRITTEN.items())
def test_each_script_has_its_font(name: str, text: str) -> None:
    regular, _ = installed()
    faces = {regular.face_for(character) for character in text.replace(" ", "")}
    assert [face and face.name for face in faces] == [name]


def test_bold_covers_what_regular_covers() -> None:
    _, bold = installed()
    assert all(bold.face_for(character) for text in WRITTEN.values() for character in text)
    face = bold.face_for("A")
    assert face is not None
    assert face.name == "DejaVuSans-Bold"


def test_what_no_font_has_is_said() -> None:
    assert installed()[0].face_for("🎒") is None
    assert installed()[0].face_for("\x07") is None


def test_a_letter_and_its_mark_come_from_one_font() -> None:
    face = installed()[0].face_for("ש\u05b8")
    assert face is not None
    assert face.has("ש\u05b8")


def test_lengths_are_thousandths_whatever_the_file_counts_in() -> None:
    regular, _ = installed()
    for character, advance, top in (("A", 684, 729), ("王", 1000, 800)):
        face = regular.face_for(character)
        assert face is not None
        number = face.font.get_nominal_glyph(ord(character))
        assert face.measure(number).advance == pytest.approx(advance, abs=3)
        assert face.measure(number).top == pytest.approx(top, abs=60)


def test_packages_that_are_not_installed_are_named(tmp_path: Path) -> None:
    assert absent_packages() == ()
    (tmp_path / "dejavu").symlink_to(FOLDER / "dejavu")
    assert absent_packages(tmp_path) == ("fonts-wqy-microhei", "fonts-noto-core")
    assert Fonts(tmp_path).face_for("王") is None
    arabic = Fonts(tmp_path).face_for("م")
    assert arabic is not None
    assert arabic.name == "DejaVuSans"


def test_without_latin_letters_nothing_starts(tmp_path: Path) -> None:
    with pytest.raises(FontsMissing) as missing:
        Fonts(tmp_path)
    assert missing.value.package == "fonts-dejavu-core"
