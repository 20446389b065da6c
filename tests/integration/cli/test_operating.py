"""What an operator asks of the running stack."""

from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.running import RunningStack


@pytest.fixture
def email() -> str:
    return f"{uuid4().hex}@example.com"


def test_an_account_is_opened_with_its_tokens(stack: RunningStack, email: str) -> None:
    made = stack.run("account", "create", email, "--password=long enough", "--tokens=7")
    assert made.returncode == 0
    words = made.stdout.split()
    assert str(UUID(words[2])) == words[2]
    assert made.stdout.endswith(f"for {email} with 7 tokens.\n")
    assert stack.run("wallet", "topup", email, "3").stdout.endswith("has 10 tokens.\n")


def test_a_password_is_made_up_if_none_is_given(stack: RunningStack, email: str) -> None:
    made = stack.run("account", "create", email)
    password = made.stdout.rpartition("Its password is ")[2].strip()
    assert len(password) >= 16


def test_an_address_has_one_account(stack: RunningStack, email: str) -> None:
    assert stack.run("account", "create", email).returncode == 0
    again = stack.run("account", "create", email)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == f"There is an account for {email} already.\n"


def test_a_wallet_is_topped_up_by_the_id_of_its_account(stack: RunningStack, email: str) -> None:
    account = stack.run("account", "create", email).stdout.split()[2]
    topped = stack.run("wallet", "topup", account, "5", "--reason=bought")
    assert topped.stdout == f"Account {account} has 5 tokens.\n"


def test_a_top_up_with_the_same_key_adds_nothing(stack: RunningStack, email: str) -> None:
    stack.run("account", "create", email)
    for _ in range(2):
        topped = stack.run("wallet", "topup", email, "5", "--key=invoice 12")
        assert topped.stdout.endswith("has 5 tokens.\n")


def test_nobody_is_topped_up_who_is_not_there(stack: RunningStack, email: str) -> None:
    topped = stack.run("wallet", "topup", email, "5")
    assert topped.returncode == 1
    assert topped.stderr == f"There is no account for {email}.\n"


async def test_reconciling_fails_on_a_balance_that_is_wrong_and_names_it(
    stack: RunningStack, email: str
) -> None:
    account = stack.run("account", "create", email, "--tokens=5").stdout.split()[2]
    assert stack.run("wallet", "reconcile").stdout.endswith("the books add up.\n")
    change = "UPDATE wallet.accounts SET available = available + $2 WHERE id = $1"
    connection = await asyncpg.connect(stack.links.database_url)
    try:
        await connection.execute(change, UUID(account), 1)
        wrong = stack.run("wallet", "reconcile")
        assert wrong.returncode == 1
        assert wrong.stderr.startswith(f"Account {account} shows 6 available and 0 held")
    finally:
        await connection.execute(change, UUID(account), -1)
        await connection.close()
    assert stack.run("wallet", "reconcile").returncode == 0
