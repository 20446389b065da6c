"""Accounts that were opened before people were told apart from them."""

from pathlib import Path
from uuid import uuid4

import asyncpg
from argon2 import PasswordHasher

from kit import database
from proto.accounts.calling import Authenticate
from proto.accounts.login import Login
from proto.accounts.opening import FindAccount
from services.accounts.app import SCHEMA
from tests.integration.accounts.conftest import PASSWORD, replica


async def test_an_account_of_before_becomes_its_own_first_owner(
    database_url: str, tmp_path: Path
) -> None:
    first = SCHEMA / "0001_accounts.sql"
    (tmp_path / first.name).write_text(first.read_text())
    await database.migrate(database_url, "accounts", tmp_path)
    account, key = uuid4(), b"k" * 32
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO accounts.accounts (id, email, password_hash) VALUES ($1, $2, $3)",
        account,
        "studio@example.com",
        PasswordHasher().hash(PASSWORD),
    )
    await connection.execute(
        "INSERT INTO accounts.signing_keys (kid, private_key) VALUES ('old', $1)", key
    )
    await connection.close()
    await database.migrate(database_url, "accounts", SCHEMA)
    async with replica(database_url) as accounts:
        found = await accounts.people.find(FindAccount(email="studio@example.com"))
        assert (found.id, found.plan) == (account, "basic")
        session = await accounts.people.login(Login(email=found.email, password=PASSWORD))
        caller = await accounts.callers.authenticate(Authenticate(credential=session.access_token))
        assert (caller.account, caller.user, caller.role) == (account, account, "owner")
        assert [each.kid for each in (await accounts.signer.public_keys()).keys] == ["old"]
