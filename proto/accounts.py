"""What accounts answers: who may call, as whom, how often, and what for."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from proto.ids import AccountId, ApiKeyId, UserId
from proto.message import Message, Request
from proto.plans import Plan, PlanName, RateLimit

Email = Annotated[
    str, Meta(min_length=3, max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$")
]
Password = Annotated[str, Meta(max_length=200)]
"""Refused with a sentence when it is shorter than 10 characters or known from leaks."""

# what is no address at all need not be told apart from one that is unknown, but for what
# PostgreSQL cannot hold
TypedEmail = Annotated[str, Meta(max_length=254, pattern=r"^[^\x00]*$")]

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")]
Secret = Annotated[str, Meta(min_length=1, max_length=16_384, pattern=r"^[\x20-\x7e]*$")]

Role = Literal["owner", "member", "read_only"]
"""An owner may do everything; a member everything but administer the account; read_only, look."""

Scope = Literal["facecrop", "qr", "matching", "images", "shoots", "jobs", "wallet:read"]
"""What an API key may be used for; to administer the account takes a person who logged in."""


class Account(Message):
    """Someone who pays with a wallet."""

    id: AccountId
    email: str
    """Of the person who opened it."""
    name: str
    plan: PlanName


class CreateAccount(Request[Account], subject="accounts.create"):
    """Open an account and make its first owner, for the operator. Raises EmailTaken."""

    email: Email
    password: Password
    name: Annotated[str, Meta(max_length=100, pattern=r"^[^\x00-\x1f]*$")] = ""
    plan: PlanName | None = None
    """The DEFAULT_PLAN of the service if left out."""


class FindAccount(Request[Account], subject="accounts.find"):
    """Look up the account that the person with this address opened. Raises NotFound."""

    email: Email


class GetAccount(Request[Account], subject="accounts.get"):
    """Look an account up by its id. Raises NotFound."""

    account: AccountId


class ChangePlan(Request[Account], subject="accounts.change-plan"):
    """Put an account on another plan, for the operator. Raises NotFound."""

    account: AccountId
    plan: PlanName


class LiftLimit(Request[Account], subject="accounts.lift-limit"):
    """Give one key, or an account, another rate limit than its plan's. Raises NotFound."""

    account: AccountId
    api_key: ApiKeyId | None = None
    """The account's people and its total, if left out."""
    per_minute: Annotated[int, Meta(ge=0, le=1_000_000)] | None
    """Requests a minute; 0 for no limit, None for the plan's again."""


class Plans(Message):
    """Every plan there is."""

    plans: list[Plan]


class GetPlans(Request[Plans], subject="accounts.plans"):
    """Ask for the plans, cheapest first."""


# Calling


class Caller(Message):
    """Who sent a request, and what they may do."""

    account: AccountId
    user: UserId | None = None
    """The person who logged in; None for a key, a service, or another issuer's token."""
    role: Role = "member"
    plan: Plan
    api_key: ApiKeyId | None = None
    scopes: list[Scope] | None = None
    """None: everything the role may do."""
    credit_cap: int | None = None
    """Tokens that the key may spend in all, those held included."""
    session: UUID | None = None
    """The login that the access token belongs to."""
    limits: list[RateLimit]
    """How the rate limits stand after this request; empty when there are none."""


class Authenticate(Request[Caller], subject="accounts.authenticate"):
    """Ask who sent this, and whether they may call now; counts against their rate limits.

    Takes access tokens of ours and of registered issuers, and API keys of both kinds.
    Raises NotAuthenticated, RateLimited.
    """

    credential: Secret


# Logging in


class Session(Message):
    """What a person holds who has logged in."""

    account: AccountId
    access_token: str
    """A signed JWT."""
    expires_in: int
    """Seconds that the access token is good for."""
    refresh_token: str
    """Buys the next session, once."""
    refresh_expires_in: int


class Register(Request[Session], subject="accounts.register"):
    """Open an account and log in. Raises EmailTaken, InvalidRequest for a weak password."""

    email: Email
    password: Password
    name: Annotated[str, Meta(max_length=100, pattern=r"^[^\x00-\x1f]*$")] = ""
    address: str = ""
    """Where the request came from, for throttling."""


class Login(Request[Session], subject="accounts.login"):
    """Exchange e-mail and password for a session. Raises NotAuthenticated, RateLimited."""

    email: TypedEmail
    password: Password
    account: AccountId | None = None
    """As a member of which account; the one that the person opened, or joined first."""
    address: str = ""
    """Where the request came from, for throttling."""


class Refresh(Request[Session], subject="accounts.refresh"):
    """Exchange a refresh token for the next session. Raises NotAuthenticated.

    A token that was exchanged before ends every session that came of the same login.
    """

    refresh_token: Secret


class Done(Message):
    """It is as was asked."""


class Logout(Request[Done], subject="accounts.logout"):
    """End a login: its refresh token and its access tokens are good for nothing from now on."""

    session: UUID
    user: UserId


class ChangePassword(Request[Session], subject="accounts.change-password"):
    """Give a person another password; ends all their logins and begins one.

    Raises NotAuthenticated when the old password is wrong, InvalidRequest, RateLimited.
    """

    account: AccountId
    user: UserId
    old_password: Password
    new_password: Password
    address: str = ""


class SigningKey(Message):
    """The public half of a key that signs access tokens (an Ed25519 JWK, RFC 8037)."""

    kid: str
    x: str
    """The public key, base64url without padding."""


class SigningKeys(Message):
    """Every key whose tokens are still accepted, newest first."""

    keys: list[SigningKey]


class GetSigningKeys(Request[SigningKeys], subject="accounts.signing-keys"):
    """Ask for the public keys, so that others can verify our tokens."""


class RotateSigningKey(Request[SigningKeys], subject="accounts.rotate-signing-key"):
    """Sign with a new key from now on; the old ones verify until their tokens have expired."""


# People


class Member(Message):
    """A person in an account."""

    user: UserId
    email: str
    role: Role
    since: datetime


class Members(Message):
    """The people of an account, those who came first at the top."""

    members: list[Member]


class GetMembers(Request[Members], subject="accounts.members"):
    """Ask for the people of an account."""

    account: AccountId


class Invitation(Message):
    """Lets one person join an account, once."""

    token: str
    """Shown this once; whoever invites hands it over."""
    email: str
    role: Role
    expires_at: datetime


class Invite(Request[Invitation], subject="accounts.invite"):
    """Invite a person. Raises PlanForbids when the plan has no more room."""

    account: AccountId
    email: Email
    role: Role


class AcceptInvitation(Request[Session], subject="accounts.accept-invitation"):
    """Join the account; the password is that of the person, or the one they wish for if new here.

    Raises NotAuthenticated for an unknown or used token or a wrong password, InvalidRequest.
    """

    token: Secret
    password: Password
    address: str = ""


class ChangeRole(Request[Members], subject="accounts.change-role"):
    """Give a member another role. Raises NotFound, LastOwner."""

    account: AccountId
    user: UserId
    role: Role


class RemoveMember(Request[Members], subject="accounts.remove-member"):
    """Take a person out of an account; their tokens for it stop working.

    Raises NotFound, LastOwner.
    """

    account: AccountId
    user: UserId


# API keys


ApiKeyKind = Literal["mk_live", "stu"]
CreditCap = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class ApiKey(Message):
    """A key of an account, without its secret."""

    id: ApiKeyId
    kind: ApiKeyKind
    name: str
    start: str
    """How the key begins, to know it by: mk_live_<id> or stu_ and eight characters."""
    scopes: list[Scope] | None
    """None: every scope."""
    credit_cap: int | None
    """Tokens that it may spend in all; None for no cap."""
    created_at: datetime
    last_used_at: datetime | None
    """To the minute."""
    per_minute: int | None = None
    """The rate limit that the operator gave it; None for the plan's, 0 for none."""


class NewApiKey(Message):
    """A key that was just made; its secret is not kept and cannot be shown again."""

    api_key: ApiKey
    key: str


class CreateApiKey(Request[NewApiKey], subject="accounts.create-api-key"):
    """Make a key. Raises PlanForbids when the plan has no API."""

    account: AccountId
    kind: ApiKeyKind
    name: Name
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=20)] | None = None
    credit_cap: CreditCap | None = None


class ApiKeys(Message):
    """Every key that works, newest first."""

    api_keys: list[ApiKey]


class GetApiKeys(Request[ApiKeys], subject="accounts.api-keys"):
    """Ask for the keys of an account."""

    account: AccountId


class UpdateApiKey(Request[ApiKey], subject="accounts.update-api-key"):
    """Give a key another name and cap; both are set. Raises NotFound."""

    account: AccountId
    api_key: ApiKeyId
    name: Name
    credit_cap: CreditCap | None


class RotateApiKey(Request[NewApiKey], subject="accounts.rotate-api-key"):
    """Give a key another secret; the old one works on for a while. Raises NotFound."""

    account: AccountId
    api_key: ApiKeyId
    overlap_seconds: Annotated[int, Meta(ge=0, le=2_592_000)] = 86_400


class RevokeApiKey(Request[Done], subject="accounts.revoke-api-key"):
    """End a key: no request with it is let in from now on. Raises NotFound."""

    account: AccountId
    api_key: ApiKeyId


# Other issuers


class Issuer(Message):
    """Somebody else who signs tokens that are taken here, all for one account."""

    issuer: str
    """As in the claim `iss`."""
    jwks_url: str
    audience: str
    """As in the claim `aud`."""
    account: AccountId


class AddIssuer(Request[Issuer], subject="accounts.add-issuer"):
    """Take the tokens of an issuer, or change how, for the operator. Raises NotFound."""

    issuer: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x20]*$")]
    jwks_url: Annotated[
        str, Meta(min_length=1, max_length=4096, pattern=r"^https?://[^\x00-\x20]*$")
    ]
    audience: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x20]*$")]
    account: AccountId


class Issuers(Message):
    """Every other issuer whose tokens are taken."""

    issuers: list[Issuer]


class GetIssuers(Request[Issuers], subject="accounts.issuers"):
    """Ask whose tokens are taken, for the operator."""


class RemoveIssuer(Request[Done], subject="accounts.remove-issuer"):
    """Take no more tokens of an issuer. Raises NotFound."""

    issuer: str


# Services


ServiceName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,49}$")]


class ServiceKey(Message):
    """The X-API-Key of an internal caller, shown this once."""

    name: str
    key: str


class IssueServiceKey(Request[ServiceKey], subject="accounts.issue-service-key"):
    """Make an internal caller's key, for the operator; the ones it had stop working."""

    name: ServiceName


class ServiceCaller(Message):
    """The internal caller whose key it is."""

    name: str


class CheckServiceKey(Request[ServiceCaller], subject="accounts.check-service-key"):
    """Ask whose X-API-Key this is. Raises NotAuthenticated."""

    key: Secret


class Outbound(Message):
    """Where a service of ours is reached from outside its own bus, and with which X-API-Key."""

    service: str
    base_url: str
    key: str


class SetOutbound(Request[Done], subject="accounts.set-outbound"):
    """Store where an engine is and the key to use, for the operator."""

    service: ServiceName
    base_url: Annotated[
        str, Meta(min_length=1, max_length=500, pattern=r"^(https?|nats|tls)://[^\x00-\x20]*$")
    ]
    key: Secret


class GetOutbound(Request[Outbound], subject="accounts.outbound"):
    """Ask where an engine is and which key to use. Raises NotFound when nothing was stored."""

    service: ServiceName
