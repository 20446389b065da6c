"""What a caller may do: by role for people, by scope for keys."""

from proto.accounts.calling import Caller
from proto.accounts.words import Role
from proto.errors import NotAllowed
from services.gateway.operations import Operation

_RANK: dict[Role, int] = {"read_only": 0, "member": 1, "owner": 2}


def check(caller: Caller, operation: Operation) -> None:
    """Raise NotAllowed unless the caller may use the operation."""
    if caller.api_key is not None or caller.scopes is not None:
        if not operation.scopes:
            raise NotAllowed("an API key cannot do this; log in and send an access token")
        if caller.scopes is not None and not set(caller.scopes) & set(operation.scopes):
            raise NotAllowed(f"this API key lacks the scope {' or '.join(operation.scopes)}")
    elif _RANK[caller.role] < _RANK[operation.role]:
        raise NotAllowed(f"this takes a member who is {_called(operation.role)}")


def _called(role: Role) -> str:
    return "an owner" if role == "owner" else "more than read-only"
