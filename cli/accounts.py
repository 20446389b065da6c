"""What an operator asks of the accounts service."""

from kit.bus import Bus
from proto.accounts.opening import Account, CreateAccount, FindAccount, LiftLimit
from proto.errors import EmailTaken
from proto.ids import AccountId
from proto.plans import PlanName
from proto.wallet import TopUp

_SLOW_SECONDS = 15.0
"""Passwords are hashed slowly."""


async def create(
    bus: Bus,
    email: str,
    password: str,
    tokens: int,
    name: str = "",
    plan: PlanName | None = None,
) -> Account:
    """Open an account and give it tokens to begin with. Raises EmailTaken, InvalidRequest."""
    opening = CreateAccount(email=email, password=password, name=name, plan=plan)
    account = await bus.request(opening, _SLOW_SECONDS)
    if tokens:
        await _give_first_tokens(bus, account.id, tokens)
    return account


async def open_demo(bus: Bus, email: str, password: str, tokens: int) -> Account:
    """Return the account for trying things out, opened on the first call with tokens given once.

    It may do everything and has no rate limit, unless the operator has changed that since.
    """
    try:
        account = await create(bus, email, password, 0, plan="business")
        await bus.request(LiftLimit(account=account.id, per_minute=0))
    except EmailTaken:
        account = await bus.request(FindAccount(email=email))
    # a start that was broken off may have opened it and given nothing
    await _give_first_tokens(bus, account.id, tokens)
    return account


async def _give_first_tokens(bus: Bus, account: AccountId, tokens: int) -> None:
    top_up = TopUp(account=account, tokens=tokens, key="first tokens", reason="first tokens")
    await bus.request(top_up)
