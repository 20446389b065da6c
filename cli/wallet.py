"""What an operator asks of the wallet."""

from collections.abc import Sequence
from uuid import UUID

from kit.bus import Bus
from proto.accounts.opening import FindAccount
from proto.ids import AccountId
from proto.wallet import Balance, Reconciliation, Statement, TopUp


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


def house(books: Reconciliation) -> list[str]:
    """Return a line for each account of the house: what came in, what was given out."""
    return [f"{place:>16} {tokens:>14,}" for place, tokens in sorted(books.house.items())]


def table(page: Statement) -> str:
    """Return a statement as a table, newest first."""
    rows: list[Sequence[str]] = [
        ("ID", "WHEN", "WHAT", "STATE", "UNITS", "RESERVED", "CONSUMED", "REFUNDED", "ADDED")
    ]
    rows += [
        (
            line.transaction_id,
            f"{line.created_at:%Y-%m-%d %H:%M:%S}",
            line.operation or line.kind,
            line.state,
            *(
                str(number or "")
                for number in (
                    line.units,
                    line.reserved,
                    line.consumed,
                    line.refunded,
                    line.added,
                )
            ),
        )
        for line in page.lines
    ]
    return aligned(rows, words=4)


def aligned(rows: Sequence[Sequence[str]], words: int) -> str:
    """Return rows with their columns aligned: the first `words` to the left, numbers right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _written(balance: Balance) -> str:
    return f"{balance.available} available and {balance.held} held"
