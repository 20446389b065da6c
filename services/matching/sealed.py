"""What an embedding is sealed for: put into another row, or said to be another's, it stays shut."""

from uuid import UUID, uuid5

from proto.agencies import ReferenceId
from proto.ids import AccountId


def of_reference(account: AccountId, reference: ReferenceId, embedder: str) -> UUID:
    """Return what the embedding of a reference, made by an embedder, is bound to."""
    return uuid5(account, f"reference {reference} of {embedder}")
