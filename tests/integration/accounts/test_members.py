"""Members: invited once, with a role that counts at once, and never without an owner."""

import asyncio

import pytest

from kit.database import Pool
from proto.accounts.calling import Authenticate, Caller
from proto.accounts.login import Login, Session
from proto.accounts.opening import Account
from proto.accounts.people import (
    AcceptInvitation,
    ChangeRole,
    GetMembers,
    Invitation,
    Invite,
    Members,
    RemoveMember,
)
from proto.accounts.words import Role
from proto.errors import (
    InvalidRequest,
    LastOwner,
    NotAuthenticated,
    NotFound,
    PlanForbids,
    RateLimited,
)
from proto.ids import UserId
from services.accounts.app import Accounts
from tests.integration.accounts.conftest import PASSWORD, logged_in, new_email, opened


async def caller_of(accounts: Accounts, session: Session) -> Caller:
    return await accounts.callers.authenticate(Authenticate(credential=session.access_token))


async def invited(
    accounts: Accounts, account: Account, email: str = "", role: Role = "member"
) -> Invitation:
    return await accounts.people.invite(
        Invite(account=account.id, email=email or new_email(), role=role)
    )


async def joined(accounts: Accounts, invitation: Invitation, password: str = PASSWORD) -> Session:
    return await accounts.people.accept_invitation(
        AcceptInvitation(token=invitation.token, password=password)
    )


async def member_of(accounts: Accounts, account: Account, role: Role) -> tuple[UserId, Session]:
    session = await joined(accounts, await invited(accounts, account, role=role))
    caller = await caller_of(accounts, session)
    assert caller.user is not None
    return caller.user, session


async def test_who_is_new_joins_with_a_password_of_their_own(
    accounts: Accounts, account: Account
) -> None:
    invitation = await invited(accounts, account, role="read_only")
    caller = await caller_of(accounts, await joined(accounts, invitation))
    assert (caller.account, caller.role) == (account.id, "read_only")
    members = (await accounts.people.members(GetMembers(account=account.id))).members
    assert [(each.email, each.role) for each in members] == [
        (account.email, "owner"),
        (invitation.email, "read_only"),
    ]
    again = await accounts.people.login(Login(email=invitation.email, password=PASSWORD))
    assert again.account == account.id


async def test_who_has_an_account_joins_with_the_password_they_have(
    accounts: Accounts, account: Account
) -> None:
    theirs = await opened(accounts)
    invitation = await invited(accounts, account, theirs.email)
    with pytest.raises(NotAuthenticated):
        await joined(accounts, invitation, "not their password")
    session = await joined(accounts, invitation)
    assert session.account == account.id
    # at home unless they say otherwise
    assert (await logged_in(accounts, theirs)).account == theirs.id
    there = Login(email=theirs.email, password=PASSWORD, account=account.id)
    assert (await accounts.people.login(there)).account == account.id


async def test_nobody_logs_in_to_an_account_that_they_are_no_member_of(
    accounts: Accounts, account: Account
) -> None:
    stranger = await opened(accounts)
    with pytest.raises(NotAuthenticated):
        await accounts.people.login(
            Login(email=stranger.email, password=PASSWORD, account=account.id)
        )


async def test_an_invitation_is_good_once_even_for_two_at_the_same_time(
    accounts: Accounts, other: Accounts, account: Account
) -> None:
    invitation = await invited(accounts, account)
    outcomes = await asyncio.gather(
        *(joined(each, invitation) for each in (accounts, other)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Session) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, NotAuthenticated) for outcome in outcomes) == 1
    with pytest.raises(NotAuthenticated):
        await joined(accounts, invitation)


async def test_an_invitation_lapses_and_a_second_one_voids_the_first(
    accounts: Accounts, account: Account, pool: Pool
) -> None:
    first = await invited(accounts, account)
    second = await invited(accounts, account, first.email)
    with pytest.raises(NotAuthenticated):
        await joined(accounts, first)
    await pool.execute(
        "UPDATE accounts.invitations SET expires_at = now() WHERE email = $1", first.email
    )
    with pytest.raises(NotAuthenticated):
        await joined(accounts, second)


async def test_a_weak_password_leaves_the_invitation_good(
    accounts: Accounts, account: Account
) -> None:
    invitation = await invited(accounts, account)
    with pytest.raises(InvalidRequest):
        await joined(accounts, invitation, "short")
    await joined(accounts, invitation)


async def test_guessing_a_members_password_through_invitations_is_throttled(
    accounts: Accounts, account: Account
) -> None:
    theirs = await opened(accounts)
    invitation = await invited(accounts, account, theirs.email)
    for _ in range(5):
        with pytest.raises(NotAuthenticated):
            await joined(accounts, invitation, "a wrong password")
    with pytest.raises(RateLimited):
        await joined(accounts, invitation)


async def test_a_member_is_not_invited_again(accounts: Accounts, account: Account) -> None:
    with pytest.raises(InvalidRequest):
        await invited(accounts, account, account.email.upper())


async def test_a_plan_has_so_much_room_also_for_many_invitations_at_once(
    accounts: Accounts, other: Accounts, account: Account
) -> None:
    outcomes = await asyncio.gather(
        *(invited(each, account) for each in (accounts, other) * 5), return_exceptions=True
    )
    # Pro has five members, the owner is one
    assert sum(isinstance(outcome, Invitation) for outcome in outcomes) == 4
    assert sum(isinstance(outcome, PlanForbids) for outcome in outcomes) == 6


async def test_a_role_counts_from_the_next_request_on(
    accounts: Accounts, other: Accounts, account: Account
) -> None:
    user, session = await member_of(accounts, account, "member")
    change = ChangeRole(account=account.id, user=user, role="read_only")
    await accounts.people.change_role(change)
    assert (await caller_of(other, session)).role == "read_only"


async def test_who_is_removed_is_out_at_once(accounts: Accounts, account: Account) -> None:
    user, session = await member_of(accounts, account, "member")
    left = await accounts.people.remove_member(RemoveMember(account=account.id, user=user))
    assert [member.email for member in left.members] == [account.email]
    with pytest.raises(NotAuthenticated):
        await caller_of(accounts, session)


async def test_the_last_owner_stays(accounts: Accounts, account: Account, session: Session) -> None:
    owner = (await caller_of(accounts, session)).user
    assert owner is not None
    for request in (
        accounts.people.remove_member(RemoveMember(account=account.id, user=owner)),
        accounts.people.change_role(ChangeRole(account=account.id, user=owner, role="member")),
    ):
        with pytest.raises(LastOwner):
            await request
    assert (await caller_of(accounts, session)).role == "owner"


async def test_two_owners_who_remove_each_other_at_once_leave_one(
    accounts: Accounts, other: Accounts, account: Account, session: Session
) -> None:
    for _ in range(3):
        first = (await caller_of(accounts, session)).user
        assert first is not None
        second, _ = await member_of(accounts, account, "owner")
        outcomes = await asyncio.gather(
            accounts.people.remove_member(RemoveMember(account=account.id, user=second)),
            other.people.change_role(ChangeRole(account=account.id, user=first, role="member")),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, Members) for outcome in outcomes) == 1
        members = (await accounts.people.members(GetMembers(account=account.id))).members
        owners = [member.user for member in members if member.role == "owner"]
        assert len(owners) == 1
        if owners == [second]:
            back = ChangeRole(account=account.id, user=first, role="owner")
            await accounts.people.change_role(back)
            await accounts.people.remove_member(RemoveMember(account=account.id, user=second))


async def test_the_members_of_others_are_not_found(accounts: Accounts, account: Account) -> None:
    stranger = await opened(accounts)
    owner = (await caller_of(accounts, await logged_in(accounts, account))).user
    assert owner is not None
    for request in (
        accounts.people.remove_member(RemoveMember(account=stranger.id, user=owner)),
        accounts.people.change_role(ChangeRole(account=stranger.id, user=owner, role="member")),
    ):
        with pytest.raises(NotFound):
            await request
