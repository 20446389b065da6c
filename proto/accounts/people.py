"""The people of an account, and inviting others."""

from datetime import datetime

from proto.accounts.login import Session
from proto.accounts.words import Email, Password, Role, Secret
from proto.ids import AccountId, UserId
from proto.message import Message, Request


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
