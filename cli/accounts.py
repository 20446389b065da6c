"""What an operator asks of the accounts service."""

from kit.bus import Bus
from proto.accounts import Account, ChangePlan, CreateAccount, FindAccount, LiftLimit
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


async def find_or_create(bus: Bus, email: str, password: str, tokens: int) -> Account:
    """Return the account of this address, opened on the first call; tokens are given once."""
    try:
        return await create(bus, email, password, tokens)
    except EmailTaken:
        account = await bus.request(FindAccount(email=email))
        # a start that was broken off may have opened it and given nothing
        await _give_first_tokens(bus, account.id, tokens)
        return account


async def set_up(bus: Bus, account: AccountId, *, plan: PlanName, per_minute: int) -> None:
    """Give an account a plan and a rate limit; 0 for none."""
    await bus.request(ChangePlan(account=account, plan=plan))
    await bus.request(LiftLimit(account=account, per_minute=per_minute))


async def _give_first_tokens(bus: Bus, account: AccountId, tokens: int) -> None:
    top_up = TopUp(account=account, tokens=tokens, key="first tokens", reason="first tokens")
    await bus.request(top_up)
