"""Shoots, and the photographs in them."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from proto.agencies import (
    MOST_IN_MESSAGE,
    File,
    FileId,
    IcpType,
    NewFile,
    Shoot,
    ShootId,
    ShootState,
    Title,
)
from proto.matching.asking import AboutAgency, Done, Limit, Position
from proto.message import Message, Request


class CreateShoot(Request[Shoot], AboutAgency, subject="matching.create-shoot"):
    """Add a shoot."""

    name: Title
    icp_type: IcpType
    state: ShootState = "draft"


class AboutShoot(AboutAgency):
    """Names a shoot, and who asks."""

    shoot: ShootId


class GetShoot(Request[Shoot], AboutShoot, subject="matching.shoot"):
    """Show a shoot."""


class ShootList(Message):
    """Shoots, by id."""

    shoots: list[Shoot]


class GetShoots(Request[ShootList], AboutAgency, subject="matching.shoots"):
    """List an agency's shoots."""

    archived: bool = False


class ChangeShoot(Request[Shoot], AboutShoot, subject="matching.change-shoot"):
    """Change what is given."""

    name: Title | UnsetType = UNSET
    icp_type: IcpType | UnsetType = UNSET
    state: ShootState | UnsetType = UNSET


class EraseShoot(Request[Done], AboutShoot, subject="matching.erase-shoot"):
    """Remove a shoot with its photographs and what was found in them."""


class FilePage(Message):
    """Files of a shoot, by id."""

    files: list[File]
    next_after: int | None


class AddFiles(Request[FilePage], AboutShoot, subject="matching.add-files"):
    """Add photographs; they must lie in `photos/<account>/`. Raises InvalidRequest when full.

    Answers one for each, in their order; one with the content or the URL of a file that the shoot
    has already as that file. Raises InvalidRequest also where the agency or shoot is archived.
    """

    files: Annotated[list[NewFile], Meta(min_length=1, max_length=MOST_IN_MESSAGE)]


class GetFiles(Request[FilePage], AboutShoot, subject="matching.files"):
    """List the photographs of a shoot."""

    after: Position = 0
    limit: Limit = 200


class EraseFiles(Request[Done], AboutShoot, subject="matching.erase-files"):
    """Remove photographs, and what was found in them. Raises NotFound unless all are there."""

    files: Annotated[list[FileId], Meta(min_length=1, max_length=MOST_IN_MESSAGE)]
