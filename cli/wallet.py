"""What an operator asks of the wallet."""

from uuid import UUID

from kit.bus import Bus
from proto.accounts import FindAccount
from proto.ids import AccountId
from proto.wallet import Balance, Reconciliation, TopUp


async def topup(bus: Bus, account: AccountId, tokens: int, key: str, reason: str) -> Balance:
    """Add tokens to an account; a second time with the same key adds nothing."""
    return await bus.request(TopUp(account=account, tokens=tokens, key=key, reason=reason))


async def account_named(bus: Bus, name: str) -> AccountId:
    """Return the account that an operator means by its id or its e-mail address.

    Raises NotFound for an address that has none; an id is taken as it is.
    """
    try:
        return AccountId(UUID(name))
    except ValueError:
        return (await bus.request(FindAccount(email=name))).id


def differences(books: Reconciliation) -> list[str]:
    """Return a sentence for everything in the books that does not add up."""
    found = [
        f"Account {line.account} shows {_written(line.cached)},"
        f" its entries make {_written(line.recomputed)}."
        for line in books.discrepancies
    ]
    if books.sum_of_all_places:
        found.append(f"Over all accounts and the house {books.sum_of_all_places} tokens are left.")
    return found


def _written(balance: Balance) -> str:
    return f"{balance.available} available and {balance.held} held"
