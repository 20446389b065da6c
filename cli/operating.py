"""What an operator asks of the running stack: each command returns what is to be printed."""

import argparse
import secrets
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import uuid4

from cli import accounts, wallet
from cli.errors import BooksWrong
from kit.bus import Bus
from proto.accounts.apikeys import GetApiKeys
from proto.accounts.issuers import AddIssuer, GetIssuers, RemoveIssuer
from proto.accounts.login import RotateSigningKey
from proto.accounts.opening import ChangePlan, LiftLimit
from proto.accounts.services import IssueServiceKey, SetOutbound
from proto.wallet import GetStatement, Grant, Reconcile

Command: TypeAlias = Callable[[Bus, argparse.Namespace], Awaitable[str]]

_RECONCILE_SECONDS = 600.0
_LOOKUP_SECONDS = 20.0

_KNOWN_AS = {"headshot": "facecrop"}
"""Engines by the names that others have for them."""


async def create_account(bus: Bus, options: argparse.Namespace) -> str:
    """Open an account."""
    password = options.password or secrets.token_urlsafe(12)
    account = await accounts.create(
        bus, options.email, password, options.tokens, options.name, options.plan
    )
    said = f"Opened account {account.id} for {account.email} with {options.tokens} tokens."
    return said if options.password else f"{said}\nIts password is {password}"


async def change_plan(bus: Bus, options: argparse.Namespace) -> str:
    """Put an account on another plan."""
    account = await wallet.account_named(bus, options.account)
    changed = await bus.request(ChangePlan(account=account, plan=options.plan))
    return f"Account {account} is on the plan {changed.plan}."


async def limit(bus: Bus, options: argparse.Namespace) -> str:
    """Give an account or a key another rate limit."""
    account = await wallet.account_named(bus, options.account)
    lifted = LiftLimit(account=account, api_key=options.api_key, per_minute=options.per_minute)
    await bus.request(lifted)
    whose = f"API key {options.api_key}" if options.api_key else f"Account {account}"
    match options.per_minute:
        case None:
            return f"{whose} has the rate limit of its plan."
        case 0:
            return f"{whose} has no rate limit."
        case per_minute:
            return f"{whose} may send {per_minute} requests a minute."


async def api_keys(bus: Bus, options: argparse.Namespace) -> str:
    """List the API keys of an account."""
    account = await wallet.account_named(bus, options.account)
    found = (await bus.request(GetApiKeys(account=account))).api_keys
    if not found:
        return f"Account {account} has no API keys."
    rows = [("ID", "BEGINS", "NAME", "LAST USED", "CAP", "A MINUTE")]
    rows += [
        (
            str(key.id),
            key.start,
            key.name,
            f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never",
            "none" if key.credit_cap is None else str(key.credit_cap),
            {None: "plan", 0: "none"}.get(key.per_minute, str(key.per_minute)),
        )
        for key in found
    ]
    return wallet.aligned(rows, words=4)


async def top_up(bus: Bus, options: argparse.Namespace) -> str:
    """Add tokens to an account."""
    key = options.key or str(uuid4())
    account = await wallet.account_named(bus, options.account)
    balance = await wallet.topup(bus, account, options.tokens, key, options.reason)
    return f"Account {account} has {balance.available} tokens."


async def grant(bus: Bus, options: argparse.Namespace) -> str:
    """Give an account tokens that lapse."""
    account = await wallet.account_named(bus, options.account)
    # to the day, so that the same key on the same day says the same
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    lapses = today + timedelta(days=options.days + 1)
    balance = await bus.request(
        Grant(
            account=account,
            tokens=options.tokens,
            key=options.key or str(uuid4()),
            expires_at=lapses,
            reason=options.reason,
        )
    )
    return (
        f"Account {account} has {balance.available} tokens, {balance.promotional} of them granted;"
        f" these lapse at the end of {lapses - timedelta(days=1):%Y-%m-%d} (UTC)."
    )


async def statement(bus: Bus, options: argparse.Namespace) -> str:
    """Show the newest transactions of an account."""
    account = await wallet.account_named(bus, options.account)
    page = await bus.request(GetStatement(account=account, limit=options.limit))
    return wallet.table(page) if page.lines else f"Account {account} has no transactions."


async def reconcile(bus: Bus, _: argparse.Namespace) -> str:
    """Compute every balance again. Raises BooksWrong."""
    books = await bus.request(Reconcile(), _RECONCILE_SECONDS)
    if wrong := wallet.differences(books):
        raise BooksWrong("\n".join(wrong))
    end = f"{books.accounts} accounts, {books.entries} entries: the books add up."
    return "\n".join([*wallet.house(books), end])


async def add_issuer(bus: Bus, options: argparse.Namespace) -> str:
    """Take the tokens of an issuer."""
    account = await wallet.account_named(bus, options.account)
    issuer = await bus.request(
        AddIssuer(
            issuer=options.issuer,
            jwks_url=options.jwks_url,
            audience=options.audience,
            account=account,
        ),
        _LOOKUP_SECONDS,
    )
    return f"Tokens of {issuer.issuer} for {issuer.audience} are taken for account {account}."


async def issuers(bus: Bus, _: argparse.Namespace) -> str:
    """List the issuers whose tokens are taken."""
    found = (await bus.request(GetIssuers())).issuers
    if not found:
        return "No tokens but Darkroom's own are taken."
    rows = [("ISSUER", "AUDIENCE", "ACCOUNT", "KEYS")]
    rows += [(each.issuer, each.audience, str(each.account), each.jwks_url) for each in found]
    return wallet.aligned(rows, words=4)


async def remove_issuer(bus: Bus, options: argparse.Namespace) -> str:
    """Take no more tokens of an issuer."""
    await bus.request(RemoveIssuer(issuer=options.issuer))
    return f"Tokens of {options.issuer} are not taken any more."


async def rotate_keys(bus: Bus, _: argparse.Namespace) -> str:
    """Sign with a new key."""
    newest, *others = (await bus.request(RotateSigningKey())).keys
    lines = [f"{newest.kid}  signs"]
    return "\n".join(lines + [f"{key.kid}  verifies until its tokens lapse" for key in others])


async def issue_key(bus: Bus, options: argparse.Namespace) -> str:
    """Make an internal caller's key."""
    issued = await bus.request(IssueServiceKey(name=options.name))
    return f"The X-API-Key of {issued.name}, shown this once:\n{issued.key}"


async def set_outbound(bus: Bus, options: argparse.Namespace) -> str:
    """Store where an engine is, and the key for it."""
    service = _KNOWN_AS.get(options.service, options.service)
    key = sys.stdin.readline().strip() if options.key == "-" else options.key
    await bus.request(SetOutbound(service=service, base_url=options.base_url, key=key))
    return f"{options.service} is called at {options.base_url} with the key that you gave."
