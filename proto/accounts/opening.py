"""Accounts and their plans."""

from typing import Annotated

from msgspec import Meta

from proto.accounts.words import Email, Password
from proto.ids import AccountId, ApiKeyId
from proto.message import Message, Request
from proto.plans import Plan, PlanName


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
