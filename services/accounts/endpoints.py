"""The messages about people, their accounts and their logins."""

from kit.endpoints import answers
from proto.accounts.login import (
    ChangePassword,
    GetSigningKeys,
    Login,
    Logout,
    Refresh,
    Register,
    RotateSigningKey,
    Session,
    SigningKeys,
)
from proto.accounts.opening import (
    Account,
    ChangePlan,
    CreateAccount,
    FindAccount,
    GetAccount,
    GetPlans,
    Plans,
)
from proto.accounts.people import (
    AcceptInvitation,
    ChangeRole,
    GetMembers,
    Invitation,
    Invite,
    Members,
    RemoveMember,
)
from proto.accounts.words import Done
from services.accounts import plans
from services.accounts.members import Membership
from services.accounts.people import People
from services.accounts.sessions import Sessions
from services.accounts.signing import Signer


class PeopleEndpoints:
    """Answers over people, accounts, members and logins."""

    def __init__(
        self,
        people: People,
        membership: Membership,
        sessions: Sessions,
        signer: Signer,
        book: plans.Plans,
    ) -> None:
        self._people = people
        self._membership = membership
        self._sessions = sessions
        self._signer = signer
        self._book = book

    @answers
    async def create(self, request: CreateAccount) -> Account:
        """Open an account, for the operator."""
        return await self._people.create(request)

    @answers
    async def find(self, request: FindAccount) -> Account:
        """Look an account up by its address."""
        return await self._people.find(request.email)

    @answers
    async def get(self, request: GetAccount) -> Account:
        """Look an account up by its id."""
        return await self._people.get(request.account)

    @answers
    async def change_plan(self, request: ChangePlan) -> Account:
        """Put an account on another plan."""
        return await self._people.change_plan(request.account, request.plan)

    @answers
    async def plans(self, _: GetPlans) -> Plans:
        """Show the plan book."""
        return Plans(plans=self._book.all)

    @answers
    async def register(self, request: Register) -> Session:
        """Open an account and log in."""
        return await self._people.register(request)

    @answers
    async def login(self, request: Login) -> Session:
        """Let a person in."""
        return await self._people.login(request)

    @answers
    async def refresh(self, request: Refresh) -> Session:
        """Carry a login on."""
        return await self._sessions.refresh(request.refresh_token)

    @answers
    async def logout(self, request: Logout) -> Done:
        """End a login."""
        await self._sessions.end(request.session, request.user)
        return Done()

    @answers
    async def change_password(self, request: ChangePassword) -> Session:
        """Change a password."""
        return await self._people.change_password(request)

    @answers
    async def signing_keys(self, _: GetSigningKeys) -> SigningKeys:
        """Hand out the public keys."""
        return await self._signer.public_keys()

    @answers
    async def rotate_signing_key(self, _: RotateSigningKey) -> SigningKeys:
        """Sign with another key."""
        await self._signer.rotate()
        return await self._signer.public_keys()

    @answers
    async def members(self, request: GetMembers) -> Members:
        """List the people of an account."""
        return await self._membership.members(request.account)

    @answers
    async def invite(self, request: Invite) -> Invitation:
        """Invite a person."""
        return await self._membership.invite(request)

    @answers
    async def accept_invitation(self, request: AcceptInvitation) -> Session:
        """Let an invited person join."""
        return await self._membership.accept(request)

    @answers
    async def change_role(self, request: ChangeRole) -> Members:
        """Give a member another role."""
        return await self._membership.change_role(request)

    @answers
    async def remove_member(self, request: RemoveMember) -> Members:
        """Take a member out."""
        return await self._membership.remove(request)
