"""The messages about those who call: admission, API keys, other issuers, services."""

from kit.endpoints import answers
from proto.accounts.apikeys import (
    ApiKey,
    ApiKeys,
    CreateApiKey,
    GetApiKeys,
    NewApiKey,
    RevokeApiKey,
    RotateApiKey,
    UpdateApiKey,
)
from proto.accounts.calling import Authenticate, Caller
from proto.accounts.issuers import AddIssuer, GetIssuers, Issuer, RemoveIssuer
from proto.accounts.issuers import Issuers as IssuerList
from proto.accounts.opening import Account, LiftLimit
from proto.accounts.services import (
    CheckServiceKey,
    GetOutbound,
    IssueServiceKey,
    Outbound,
    ServiceCaller,
    ServiceKey,
    SetOutbound,
)
from proto.accounts.words import Done
from services.accounts.admission import Admission
from services.accounts.apikeys import Keyring
from services.accounts.issuers import Issuers
from services.accounts.people import People
from services.accounts.servicekeys import ServiceKeys


class CallerEndpoints:
    """Answers over keys, tokens and rate limits."""

    def __init__(
        self,
        admission: Admission,
        keyring: Keyring,
        issuers: Issuers,
        service_keys: ServiceKeys,
        people: People,
    ) -> None:
        self._admission = admission
        self._keyring = keyring
        self._issuers = issuers
        self._service_keys = service_keys
        self._people = people

    @answers
    async def authenticate(self, request: Authenticate) -> Caller:
        """Tell who calls, and count the request."""
        return await self._admission.admit(request.credential)

    @answers
    async def lift_limit(self, request: LiftLimit) -> Account:
        """Give a key or an account another rate limit."""
        await self._keyring.limit(request.account, request.api_key, request.per_minute)
        return await self._people.get(request.account)

    @answers
    async def create_api_key(self, request: CreateApiKey) -> NewApiKey:
        """Make a key."""
        return await self._keyring.create(request)

    @answers
    async def api_keys(self, request: GetApiKeys) -> ApiKeys:
        """List an account's keys."""
        return await self._keyring.all(request.account)

    @answers
    async def update_api_key(self, request: UpdateApiKey) -> ApiKey:
        """Give a key another name and cap."""
        return await self._keyring.update(request)

    @answers
    async def rotate_api_key(self, request: RotateApiKey) -> NewApiKey:
        """Give a key another secret."""
        return await self._keyring.rotate(request)

    @answers
    async def revoke_api_key(self, request: RevokeApiKey) -> Done:
        """End a key."""
        await self._keyring.revoke(request.account, request.api_key)
        return Done()

    @answers
    async def add_issuer(self, request: AddIssuer) -> Issuer:
        """Take the tokens of another issuer."""
        return await self._issuers.add(request)

    @answers
    async def issuers(self, _: GetIssuers) -> IssuerList:
        """List the other issuers."""
        return IssuerList(issuers=await self._issuers.all())

    @answers
    async def remove_issuer(self, request: RemoveIssuer) -> Done:
        """Take no more tokens of an issuer."""
        await self._issuers.remove(request.issuer)
        return Done()

    @answers
    async def issue_service_key(self, request: IssueServiceKey) -> ServiceKey:
        """Make an internal caller's key."""
        return await self._service_keys.issue(request.name)

    @answers
    async def check_service_key(self, request: CheckServiceKey) -> ServiceCaller:
        """Tell whose key it is."""
        return await self._service_keys.check(request.key)

    @answers
    async def set_outbound(self, request: SetOutbound) -> Done:
        """Store where an engine is, and the key for it."""
        await self._service_keys.set_outbound(request)
        return Done()

    @answers
    async def outbound(self, request: GetOutbound) -> Outbound:
        """Tell where an engine is, and the key for it."""
        return await self._service_keys.outbound(request.service)
