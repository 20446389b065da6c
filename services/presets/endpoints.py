"""The messages that presets answers."""

from kit.endpoints import answers
from proto.errors import InvalidRequest, NameTaken
from proto.presets import (
    CreatePreset,
    DeletePreset,
    GetPreset,
    GetPresets,
    Preset,
    PresetDeleted,
    PresetList,
    PresetName,
    ReplacePreset,
)
from services.presets.drafts import complete
from services.presets.icps import icps
from services.presets.store import Store


class Endpoints:
    """Answers from the ICPs and from the presets in one database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @answers
    async def preset(self, request: GetPreset) -> Preset:
        """Show one preset."""
        # an ICP takes no database, so that it is there when the database is not
        return icps().get(request.name) or await self._store.get(request.account, request.name)

    @answers
    async def presets(self, request: GetPresets) -> PresetList:
        """List what an account may use."""
        return PresetList(presets=[*icps().values(), *await self._store.all(request.account)])

    @answers
    async def create(self, request: CreatePreset) -> Preset:
        """Add a preset."""
        if request.name in icps():
            raise NameTaken(f"{request.name} is one of the four ICPs; choose another name")
        preset = complete(request)
        await self._store.add(request.account, preset)
        return preset

    @answers
    async def replace(self, request: ReplacePreset) -> Preset:
        """Put another preset in the place of one."""
        _check_not_icp(request.name)
        preset = complete(request)
        await self._store.replace(request.account, preset)
        return preset

    @answers
    async def delete(self, request: DeletePreset) -> PresetDeleted:
        """Remove a preset."""
        _check_not_icp(request.name)
        await self._store.delete(request.account, request.name)
        return PresetDeleted()


def _check_not_icp(name: PresetName) -> None:
    if name in icps():
        raise InvalidRequest("the four ICPs cannot be changed; make one of your own")
