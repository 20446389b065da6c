"""What an operator asks of the running stack."""

from uuid import UUID, uuid4

import asyncpg
import pytest

from kit.bus import Bus
from proto.accounts.apikeys import CreateApiKey
from proto.facecrop import KIND
from proto.ids import AccountId, JobId, StorageKey
from proto.jobs import AddItems, CreateJob, NewItem, StartJob
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


def test_an_account_goes_on_another_plan(stack: RunningStack, email: str) -> None:
    made = stack.run("account", "create", email, "--plan=team", "--name=Studio")
    account = made.stdout.split()[2]
    changed = stack.run("account", "plan", email, "business")
    assert changed.stdout == f"Account {account} is on the plan business.\n"


def test_a_limit_is_set_lifted_and_put_back(stack: RunningStack, email: str) -> None:
    stack.run("account", "create", email)
    for wish, told in (
        ("30", "may send 30 requests a minute.\n"),
        ("none", "has no rate limit.\n"),
        ("plan", "has the rate limit of its plan.\n"),
    ):
        assert stack.run("account", "limit", email, wish).stdout.endswith(told)
    missing = stack.run("account", "limit", email, "5", f"--api-key={uuid4()}")
    assert missing.stderr == "There is no such API key in this account.\n"


async def test_keys_are_listed_without_their_secrets(stack: RunningStack, email: str) -> None:
    account = stack.run("account", "create", email).stdout.split()[2]
    assert stack.run("account", "keys", email).stdout.endswith("has no API keys.\n")
    bus = await Bus.connect(stack.nats_url, "test")
    owner = AccountId(UUID(account))
    made = await bus.request(CreateApiKey(account=owner, kind="mk_live", name="the press"))
    await bus.close()
    listed = stack.run("account", "keys", email).stdout
    assert str(made.api_key.id) in listed
    assert "the press" in listed
    assert made.key.partition(".")[2] not in listed


def test_granted_tokens_are_told_apart(stack: RunningStack, email: str) -> None:
    stack.run("account", "create", email, "--tokens=5")
    for _ in range(2):
        granted = stack.run("wallet", "grant", email, "7", "--days=3", "--key=welcome")
        assert "has 12 tokens, 7 of them granted; these lapse at the end of 20" in granted.stdout


def test_a_statement_is_shown_as_a_table(stack: RunningStack, email: str) -> None:
    assert stack.run("account", "create", email).returncode == 0
    assert stack.run("wallet", "statement", email).stdout.endswith("has no transactions.\n")
    stack.run("wallet", "topup", email, "5", "--reason=invoice 7")
    header, line = stack.run("wallet", "statement", email).stdout.splitlines()
    assert header.split() == [
        "ID",
        "WHEN",
        "WHAT",
        "STATE",
        "UNITS",
        "RESERVED",
        "CONSUMED",
        "REFUNDED",
        "ADDED",
    ]
    assert line.startswith("TX-")
    assert line.split()[3:] == ["invoice", "7", "added", "5"]


def test_reconciling_shows_what_the_house_has_taken_and_given(stack: RunningStack) -> None:
    *house, end = stack.run("wallet", "reconcile").stdout.splitlines()
    assert end.endswith("the books add up.")
    assert {line.split()[0] for line in house} >= {"house:top_ups"}


def test_issuers_are_added_listed_and_removed(stack: RunningStack, email: str) -> None:
    stack.run("account", "create", email)
    issuer = f"https://{uuid4().hex}.example"
    wanted = ("issuer", "add", issuer, f"http://127.0.0.1:{stack.fetch_port}/jwks", "shop", email)
    assert "are taken for account" in stack.run(*wanted).stdout
    assert issuer in stack.run("issuer", "list").stdout
    assert stack.run("issuer", "remove", issuer).returncode == 0
    assert issuer not in stack.run("issuer", "list").stdout
    again = stack.run("issuer", "remove", issuer)
    assert (again.returncode, again.stderr) == (1, f"There is no issuer {issuer}.\n")
    inside = stack.run("issuer", "add", issuer, "http://169.254.169.254/", "shop", email)
    assert inside.returncode == 1
    assert inside.stderr.startswith("The key set cannot be fetched")


def test_another_key_signs_and_those_before_verify(stack: RunningStack) -> None:
    first, *_ = stack.run("keys", "rotate").stdout.split()
    lines = stack.run("keys", "rotate").stdout.splitlines()
    assert lines[0].endswith("signs")
    assert any(line.startswith(first) and "verifies" in line for line in lines[1:])


def test_a_services_key_is_shown_once_and_ours_is_stored(stack: RunningStack) -> None:
    issued = stack.run("service", "issue-key", "printcart").stdout.splitlines()
    assert issued[0].endswith("shown this once:")
    assert issued[1].startswith("dsk_")
    stored = stack.run("service", "set-outbound", "headshot", "nats://headshot", issued[1])
    assert stored.stdout.startswith("headshot is called at nats://headshot")
    assert issued[1] not in stored.stdout


async def test_jobs_are_listed_and_cancelled(stack: RunningStack, email: str) -> None:
    account = AccountId(UUID(stack.run("account", "create", email).stdout.split()[2]))
    assert stack.run("jobs", "list", email).stdout == f"Account {account} has no jobs.\n"
    job = JobId(uuid4())
    bus = await Bus.connect(stack.nats_url, "test")
    draft = CreateJob(
        account=account,
        job=job,
        kind=KIND,
        hold=0,
        unit_tokens=0,
        total=1,
        outputs=StorageKey(f"outputs/{account}/{job}"),
    )
    await bus.request(draft)
    # no engine can read this, so it fails; whether before or after it is cancelled
    items = [NewItem(number=0, name="a.jpg", work=b"")]
    await bus.request(AddItems(account=account, job=job, items=items))
    await bus.request(StartJob(account=account, job=job))
    await bus.close()
    cancelled = stack.run("jobs", "cancel", email, str(job))
    assert cancelled.stdout.startswith(f"{job} is ")
    heading, line = stack.run("jobs", "list", email).stdout.splitlines()
    assert heading.split()[:4] == ["TASK", "WHEN", "WHAT", "STATUS"]
    assert line.split()[0] == str(job)
    assert "face_crop" in line


def test_a_job_that_is_not_there_cannot_be_cancelled(stack: RunningStack, email: str) -> None:
    stack.run("account", "create", email)
    missing = stack.run("jobs", "cancel", email, str(uuid4()))
    assert (missing.returncode, missing.stderr) == (1, "There is no such job.\n")
