"""Why a request was refused. Raised in a service, raised again as the same class in its caller.

Refusal
├── InvalidRequest          the message makes no sense; the sender must change it
├── NotAuthenticated        who is calling is not known
├── NotAllowed              the caller is known, but may not do this
│   └── PlanForbids         the account's plan does not bring it
├── RateLimited             too many requests; there is a time to try again
├── QueueFull               too much of the account's is waiting to be worked on
├── NotFound                no such thing, or it belongs to another account
├── InsufficientTokens      the wallet cannot cover it
├── SpendCapReached         the API key may not spend that much
├── IdempotencyConflict     the key was used for something else
├── ReservationEnded        the hold was settled, refunded or has expired
├── EmailTaken              an account with this address exists
├── NameTaken               a preset of this name exists
├── ConsentMissing          nobody said that an agency's people agreed to have faces compared
├── NoReferences            an agency has no embeddings to compare with
├── ReferencesStale         an agency's embeddings are of another embedder
├── MatchRunning            a shoot is being matched already
├── LastOwner               an account cannot be left without an owner
├── Unavailable             nobody answers, or a dependency is down; safe to try again
│   ├── DeadlineExceeded    no answer within the time the caller had
│   └── Broken              a dependency answers what cannot be; trying again soon does not help
└── Internal                a fault of ours; the details are in the log of the service
"""

from dataclasses import dataclass
from typing import ClassVar

from proto.plans import RateLimit
from proto.wallet import ReservationState


@dataclass(eq=False)
class Refusal(Exception):
    """The request was not carried out; the message says why in one sentence."""

    message: str
    code: ClassVar[str] = "REFUSED"

    def __str__(self) -> str:
        return self.message


@dataclass(eq=False)
class InvalidRequest(Refusal):
    """The request makes no sense as it stands; change it before sending it again."""

    code: ClassVar[str] = "INVALID_REQUEST"


@dataclass(eq=False)
class NotAuthenticated(Refusal):
    """Who is calling is not known: a token or password is missing, wrong or expired."""

    code: ClassVar[str] = "UNAUTHENTICATED"


@dataclass(eq=False)
class NotAllowed(Refusal):
    """The caller is known, but their role or their key's scopes do not cover this."""

    code: ClassVar[str] = "FORBIDDEN"


@dataclass(eq=False)
class PlanForbids(NotAllowed):
    """The account's plan does not bring this; another plan does."""

    code: ClassVar[str] = "PLAN_FORBIDS"


@dataclass(eq=False)
class RateLimited(Refusal):
    """Too many requests; try again when `retry_after` has passed."""

    retry_after: int
    """Whole seconds."""
    limits: list[RateLimit]
    """How the limits stand."""
    code: ClassVar[str] = "RATE_LIMITED"


@dataclass(eq=False)
class QueueFull(Refusal):
    """Too much of the account's is waiting to be worked on; send more once some of it is done."""

    code: ClassVar[str] = "QUEUE_FULL"


@dataclass(eq=False)
class NotFound(Refusal):
    """There is no such thing in this account."""

    code: ClassVar[str] = "NOT_FOUND"


@dataclass(eq=False)
class InsufficientTokens(Refusal):
    """The wallet holds too little; top it up by at least `shortfall`."""

    balance: int
    """Tokens the account could still spend."""
    shortfall: int
    """Tokens missing for this request."""
    code: ClassVar[str] = "INSUFFICIENT_TOKENS"


@dataclass(eq=False)
class SpendCapReached(Refusal):
    """The API key's cap does not cover this; raise the cap or use another key."""

    cap: int
    """Tokens that the key may spend in all."""
    spent: int
    """Tokens it has spent."""
    held: int
    """Tokens set aside for requests of its that have not ended."""
    code: ClassVar[str] = "SPEND_CAP_REACHED"


@dataclass(eq=False)
class IdempotencyConflict(Refusal):
    """The idempotency key was used before, for something else; choose another."""

    code: ClassVar[str] = "IDEMPOTENCY_CONFLICT"


@dataclass(eq=False)
class ReservationEnded(Refusal):
    """The hold can no longer be changed; `state` says how it ended."""

    state: ReservationState
    code: ClassVar[str] = "RESERVATION_ENDED"


@dataclass(eq=False)
class EmailTaken(Refusal):
    """An account with this e-mail address exists; log in instead."""

    code: ClassVar[str] = "EMAIL_TAKEN"


@dataclass(eq=False)
class NameTaken(Refusal):
    """A preset of this name exists; choose another name, or replace that preset."""

    code: ClassVar[str] = "PRESET_EXISTS"


@dataclass(eq=False)
class ConsentMissing(Refusal):
    """Nobody said that an agency's people agreed to have their faces compared; say so first."""

    code: ClassVar[str] = "CONSENT_MISSING"


@dataclass(eq=False)
class NoReferences(Refusal):
    """An agency has no embeddings to compare with; build its references first."""

    code: ClassVar[str] = "NO_REFERENCES"


@dataclass(eq=False)
class ReferencesStale(Refusal):
    """An agency's embeddings are of another embedder; build its references again."""

    code: ClassVar[str] = "REFERENCES_STALE"


@dataclass(eq=False)
class MatchRunning(Refusal):
    """A shoot is being matched already; wait for that, or cancel it."""

    code: ClassVar[str] = "MATCH_RUNNING"


@dataclass(eq=False)
class LastOwner(Refusal):
    """An account cannot be left without an owner; make somebody else one first."""

    code: ClassVar[str] = "LAST_OWNER"


@dataclass(eq=False)
class Unavailable(Refusal):
    """The service, or something it needs, is not there; try again in a moment."""

    code: ClassVar[str] = "UNAVAILABLE"


@dataclass(eq=False)
class DeadlineExceeded(Unavailable):
    """No answer came within the time the caller had."""

    code: ClassVar[str] = "DEADLINE_EXCEEDED"


@dataclass(eq=False)
class Broken(Unavailable):
    """Something the service needs answers what cannot be, and will until somebody mends it."""

    code: ClassVar[str] = "BROKEN"


@dataclass(eq=False)
class Internal(Refusal):
    """A fault of ours; the log of the service has the details under the correlation id."""

    code: ClassVar[str] = "INTERNAL"


def every_refusal() -> dict[str, type[Refusal]]:
    """Return every kind of refusal by its code, as it stands in the error header."""
    found: dict[str, type[Refusal]] = {}
    waiting: list[type[Refusal]] = [Refusal]
    while waiting:
        kind = waiting.pop()
        found[kind.code] = kind
        waiting.extend(kind.__subclasses__())
    return found
