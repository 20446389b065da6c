"""Accounts over a real PostgreSQL, twice: two replicas, each with connections of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from kit import database
from kit.database import Pool
from kit.fetching import Fetcher
from proto.accounts.login import Login, Session
from proto.accounts.opening import Account, CreateAccount
from proto.plans import PlanName
from services.accounts.app import SCHEMA, Accounts
from services.accounts.settings import Settings

PASSWORD = "correct horse battery"
SECRET = "s" * 32


@asynccontextmanager
async def replica(database_url: str, *allowed: str, **settings: object) -> AsyncIterator[Accounts]:
    """One process's worth of the service."""
    given: dict[str, Any] = {"nats_url": "", "database_url": database_url, "secret_key": [SECRET]}
    chosen = Settings(**given | settings)
    async with (
        database.connect(database_url, at_most=16) as pool,
        Fetcher(allow=allowed) as fetcher,
    ):
        accounts = Accounts(pool, fetcher, chosen)
        await accounts.signer.make_first_key()
        yield accounts


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await database.migrate(database_url, "accounts", SCHEMA)
    async with database.connect(database_url) as pool:
        yield pool


@pytest.fixture
async def accounts(pool: Pool, database_url: str) -> AsyncIterator[Accounts]:
    async with replica(database_url) as accounts:
        yield accounts


@pytest.fixture
async def other(pool: Pool, database_url: str) -> AsyncIterator[Accounts]:
    async with replica(database_url) as accounts:
        yield accounts


def new_email() -> str:
    return f"{uuid4().hex}@example.com"


async def opened(accounts: Accounts, plan: PlanName = "pro") -> Account:
    return await accounts.people.create(
        CreateAccount(email=new_email(), password=PASSWORD, plan=plan)
    )


async def logged_in(accounts: Accounts, account: Account) -> Session:
    return await accounts.people.login(Login(email=account.email, password=PASSWORD))


@pytest.fixture
async def account(accounts: Accounts) -> Account:
    return await opened(accounts)


@pytest.fixture
async def session(accounts: Accounts, account: Account) -> Session:
    return await logged_in(accounts, account)
