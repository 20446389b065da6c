import base64
from uuid import UUID

import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from zxingcpp import BarcodeFormat

from proto.errors import InvalidRequest
from proto.ids import AccountId
from services.qr.payload import CardContent, Cards, Flaw, Kind, Unreadable, job_tag

OLD, NEW = "old" * 12, "new" * 12
OURS = AccountId(UUID(int=1))
THEIRS = AccountId(UUID(int=2))
JOB = job_tag(OURS, "JOB-2026-001")
CARD = CardContent(Kind.SUBJECT, JOB, "STU-000123")
QR_ALPHANUMERIC = set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")

PRINTABLE = st.characters(exclude_categories=["C", "Z"])
IDS = st.text(PRINTABLE, min_size=1, max_size=64)
NAMES = st.text(PRINTABLE, max_size=64)
CONTENTS = st.builds(
    CardContent, st.sampled_from(Kind), st.binary(min_size=4, max_size=4), IDS, NAMES
)


def cards(*secrets: str) -> Cards:
    return Cards(secrets or (NEW,))


@given(CONTENTS, st.uuids())
def test_a_card_says_what_was_written(content: CardContent, account: UUID) -> None:
    text = cards().write(content, AccountId(account))

    assert cards().read(text, AccountId(account)) == content
    assert set(text) <= QR_ALPHANUMERIC


@given(CONTENTS, st.data())
def test_no_character_of_a_card_can_be_another(content: CardContent, data: st.DataObject) -> None:
    text = cards().write(content, OURS)
    at = data.draw(st.integers(4, len(text) - 1))
    other = data.draw(st.sampled_from(sorted(QR_ALPHANUMERIC | {"a", "é", "="})))
    changed = text[:at] + other + text[at + 1 :]

    read = cards().read(changed, OURS)

    assert read == (content if changed == text else Unreadable(Flaw.FORGED))


@given(st.text())
def test_any_other_text_is_calmly_refused(text: str) -> None:
    assert cards().read(text, OURS) == Unreadable(Flaw.NOT_OURS)
    assert cards().read("DR1:" + text, OURS) == Unreadable(Flaw.FORGED)


@pytest.mark.parametrize("cut", [1, 2, 8, 20, 44])
def test_a_card_cut_short_or_with_more_behind_it_is_refused(cut: int) -> None:
    text = cards().write(CARD, OURS)

    assert cards().read(text[:-cut], OURS) == Unreadable(Flaw.FORGED)
    assert cards().read(text + "A" * cut, OURS) == Unreadable(Flaw.FORGED)


def test_bits_to_spare_do_not_make_a_second_text() -> None:
    text = cards().write(CardContent(Kind.SUBJECT, JOB, "STU-001"), OURS)
    spare = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    last = spare.index(text[-1])
    same_bytes = text[:-1] + spare[last | 1]

    assert same_bytes != text
    assert _bytes_of(same_bytes) == _bytes_of(text)
    assert cards().read(same_bytes, OURS) == Unreadable(Flaw.FORGED)


def _bytes_of(text: str) -> bytes:
    body = text.removeprefix("DR1:")
    return base64.b32decode(body + "=" * (-len(body) % 8))


def test_a_card_of_another_account_is_told_from_a_forged_one() -> None:
    theirs = cards().write(CARD, THEIRS)

    assert cards().read(theirs, OURS) == Unreadable(Flaw.OTHER_ACCOUNT)
    assert cards().read(theirs[:-1] + "A", OURS) == Unreadable(Flaw.FORGED)


def test_a_card_of_another_job_is_good_and_says_so() -> None:
    other = CardContent(Kind.SUBJECT, job_tag(OURS, "JOB-2026-002"), "STU-000123")

    read = cards().read(cards().write(other, OURS), OURS)

    assert read == other
    assert other.job != JOB


def test_jobs_of_one_name_in_two_accounts_are_two() -> None:
    assert job_tag(OURS, "spring") != job_tag(THEIRS, "spring")
    assert job_tag(OURS, "spring") == job_tag(OURS, "spring")


def test_the_first_secret_signs_and_every_secret_reads() -> None:
    before, during, after = cards(OLD), cards(NEW, OLD), cards(NEW)
    printed_before, printed_during = before.write(CARD, OURS), during.write(CARD, OURS)

    assert during.read(printed_before, OURS) == CARD
    assert after.read(printed_during, OURS) == CARD
    assert after.read(printed_before, OURS) == Unreadable(Flaw.FORGED)


def test_a_card_printed_again_is_the_same_card() -> None:
    assert cards().write(CARD, OURS) == cards().write(CARD, OURS)


def test_nobody_is_named_unless_asked() -> None:
    plain = cards().write(CARD, OURS)
    named = cards().write(CardContent(Kind.SUBJECT, JOB, "STU-000123", "王小明"), OURS)

    assert len(named) > len(plain)
    assert "王小明".encode() in _bytes_of(named)


@pytest.mark.parametrize("student_id", ["1", "STU-001", "STU-000123", "2026/05-17"])
def test_a_card_with_an_ordinary_id_is_a_small_symbol(student_id: str) -> None:
    text = cards().write(CardContent(Kind.SUBJECT, JOB, student_id), OURS)
    symbol = zxingcpp.create_barcode(text, BarcodeFormat.QRCode, ec_level="M")

    assert len(text) <= 48
    assert symbol.to_image(1, add_quiet_zones=False).shape[0] <= 29  # version 3


def test_the_longest_card_can_be_read() -> None:
    longest = CardContent(Kind.GROUP, JOB, "\U00020000" * 64, "\U00020001" * 64)

    text = cards().write(longest, OURS)

    assert len(text) == 852
    assert cards().read(text, OURS) == longest
    assert cards().read(text + "A", OURS) == Unreadable(Flaw.FORGED)


@pytest.mark.parametrize(
    "student_id", ["", "x" * 65, "a\nb", "a\0", "a\u200b", "\u202eabc", "\ud800", "a\u2028b"]
)
def test_an_id_that_cannot_be_printed_or_is_too_long_is_refused(student_id: str) -> None:
    with pytest.raises(InvalidRequest, match="an id on a card"):
        cards().write(CardContent(Kind.SUBJECT, JOB, student_id), OURS)


@pytest.mark.parametrize("name", ["x" * 65, "a\tb", "\ud800", "a\u2029b"])
def test_a_name_that_cannot_be_printed_or_is_too_long_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="a name in a symbol"):
        cards().write(CardContent(Kind.SUBJECT, JOB, "1", name), OURS)


def test_a_name_may_have_joiners() -> None:
    content = CardContent(Kind.SUBJECT, JOB, "1", "علی\u200cرضا")
    assert cards().read(cards().write(content, OURS), OURS) == content


@pytest.mark.parametrize("secrets", [(), ("short",), (NEW, "short")])
def test_secrets_that_could_be_guessed_are_refused(secrets: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="32 characters"):
        Cards(secrets)
