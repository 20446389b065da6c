"""A private nats-server with JetStream, on which a service may say only what is its business."""

import asyncio
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from cli.errors import ProgramMissing
from cli.home import Home
from cli.processes import Program
from proto.accounts.issuers import AddIssuer, GetIssuers, RemoveIssuer
from proto.accounts.login import RotateSigningKey
from proto.accounts.opening import ChangePlan, CreateAccount, FindAccount, LiftLimit
from proto.accounts.services import CheckServiceKey, IssueServiceKey, SetOutbound
from proto.cardreader import KIND as CARD_READ
from proto.events import STREAM, LowBalance
from proto.facecrop import KIND as FACE_CROP
from proto.facereader import GetEmbedder, ReadFaces
from proto.ids import JobId
from proto.jobs import STREAM as WORK
from proto.jobs import (
    AddItems,
    CancelJob,
    CreateJob,
    FinishItem,
    GetEnded,
    GetItems,
    GetJob,
    GetJobs,
    JobCompleted,
    JobFailed,
    RegisterKind,
    StartJob,
    TakeItem,
    progress_subject,
    work_subject,
)
from proto.matching.agencies import GALLERY_GONE
from proto.matching.matches import MATCH_KIND
from proto.matching.references import REFERENCE_KIND
from proto.qr import KIND as QR_SHEET
from proto.qr import GetSorted
from proto.wallet import Attach, Grant, Reconcile, Refund, Release, Settle

OPERATOR = "operator"
"""May say everything: for whoever runs the stack."""

PROGRESS = progress_subject(JobId(UUID(int=0))).rpartition(".")[0] + ".*"
"""Where it is said of any job that something of it has ended."""

_STREAM_OF_EVENTS = (f"$JS.API.STREAM.INFO.{STREAM}", f"$JS.API.STREAM.CREATE.{STREAM}")


def _works_on(kind: str) -> tuple[str, ...]:
    """Return what an engine says to work through the items of jobs of one kind."""
    return (
        RegisterKind.subject,
        TakeItem.subject,
        FinishItem.subject,
        f"$JS.API.CONSUMER.INFO.{WORK}.{kind}",
        f"$JS.API.CONSUMER.MSG.NEXT.{WORK}.{kind}",
        f"$JS.ACK.{WORK}.{kind}.>",
    )


_KEEPS_JOBS = tuple(
    message.subject
    for message in (
        CreateJob,
        AddItems,
        StartJob,
        GetJob,
        GetJobs,
        CancelJob,
        GetItems,
        GetEnded,
    )
)
"""What whoever sells work says to the job book; to take and finish items is for engines."""

MAY_SAY: Mapping[str, tuple[str, ...]] = {
    "accounts": (),
    "wallet": (LowBalance.subject(), *_STREAM_OF_EVENTS),
    "webhooks": (
        *_STREAM_OF_EVENTS,
        f"$JS.API.CONSUMER.INFO.{STREAM}.webhooks",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.webhooks",
        f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.webhooks",
        f"$JS.ACK.{STREAM}.webhooks.>",
    ),
    "presets": (),
    "jobs": (
        Attach.subject,
        Settle.subject,
        Refund.subject,
        Release.subject,
        JobCompleted.subject(),
        JobFailed.subject(),
        PROGRESS,
        work_subject("*"),
        *_STREAM_OF_EVENTS,
        f"$JS.API.STREAM.INFO.{WORK}",
        f"$JS.API.STREAM.CREATE.{WORK}",
        f"$JS.API.CONSUMER.INFO.{WORK}.*",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{WORK}.*",
        f"$JS.API.CONSUMER.DELETE.{WORK}.*",
    ),
    "qr": (GetJob.subject, GetItems.subject, *_works_on(QR_SHEET)),
    "facecrop": (CheckServiceKey.subject, *_works_on(FACE_CROP)),
    "cardreader": (CheckServiceKey.subject, *_works_on(CARD_READ)),
    "facereader": (CheckServiceKey.subject,),
    "matching": (
        ReadFaces.subject,
        GetEmbedder.subject,
        GetJob.subject,
        GetSorted.subject,
        *_works_on(MATCH_KIND),
        *_works_on(REFERENCE_KIND),
        GALLERY_GONE,
    ),
    "gateway": (
        "accounts.>",
        "wallet.>",
        "presets.>",
        *_KEEPS_JOBS,
        "qr.>",
        "facecrop.>",
        "cardreader.>",
        "matching.>",
        "webhooks.>",
    ),
}
"""What each service says, besides answering what it is asked itself.

Those that read strangers' pictures must not be able to top up a wallet.
"""

MAY_NOT_SAY: Mapping[str, tuple[str, ...]] = {"gateway": (Attach.subject,)}
"""What a service never says, of what the patterns above would let it."""

MAY_HEAR: Mapping[str, tuple[str, ...]] = {"gateway": (PROGRESS,)}
"""What a service listens to besides its own subjects."""

ONLY_ASKS = ("gateway",)
"""Who is asked nothing over the bus."""

OPERATORS_ONLY: tuple[str, ...] = tuple(
    message.subject
    for message in (
        CreateAccount,
        FindAccount,
        ChangePlan,
        LiftLimit,
        RotateSigningKey,
        AddIssuer,
        GetIssuers,
        RemoveIssuer,
        IssueServiceKey,
        SetOutbound,
        Grant,
        Reconcile,
    )
)
"""What no service may ask: the gateway, which faces the world, is no operator."""


@dataclass(frozen=True, slots=True)
class Nats:
    """The server of one home."""

    home: Home
    port: int

    def url(self, user: str = OPERATOR) -> str:
        """Return where it is, with name and password of a user: a service or the operator."""
        return f"nats://{user}:{self._password(user)}@127.0.0.1:{self.port}"

    def program(self) -> Program:
        """Return how it is run; writes its configuration. Raises ProgramMissing."""
        folder = self.home.folder / "nats"
        folder.mkdir(mode=0o700, exist_ok=True)
        file = folder / "nats.conf"
        file.touch(mode=0o600)
        file.write_text(json.dumps(self._configuration(folder), indent=2) + "\n")
        return Program(
            name="nats",
            command=(_binary(), "--config", str(file)),
            environment={},
            folder=folder,
            log=self.home.logs / "nats.log",
            ready=self._accepts,
        )

    def _configuration(self, folder: Path) -> dict[str, object]:
        """Return the configuration; the server reads JSON as a form of its own language."""
        users: list[dict[str, object]] = [{"user": OPERATOR, "password": self._password(OPERATOR)}]
        users += [
            {
                "user": service,
                "password": self._password(service),
                "permissions": permissions(service),
            }
            for service in MAY_SAY
        ]
        return {
            "server_name": "darkroom",
            "listen": f"127.0.0.1:{self.port}",
            "jetstream": {"store_dir": str(folder)},
            "authorization": {"users": users},
        }

    def _password(self, user: str) -> str:
        return self.home.secret(f"nats {user}")

    async def _accepts(self) -> bool:
        """Whether the server greets, with JetStream on."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            greeting = await reader.readline()
            writer.close()
            await writer.wait_closed()
        except OSError:
            return False
        kind, _, facts = greeting.partition(b" ")
        return kind == b"INFO" and bool(json.loads(facts).get("jetstream"))


def permissions(service: str) -> dict[str, object]:
    """Return what a service may say and hear, as nats-server is told it."""
    return {
        "publish": {
            "allow": list(MAY_SAY[service]),
            "deny": [*OPERATORS_ONLY, *MAY_NOT_SAY.get(service, ())],
        },
        "subscribe": [*own_subjects(service), *MAY_HEAR.get(service, ())],
        "allow_responses": {"max": 1, "expires": "10m"},
    }


def own_subjects(service: str) -> tuple[str, ...]:
    """Return what is a service's own to hear: questions, who is there, answers to itself."""
    answers = f"_INBOX.{service}.>"
    if service in ONLY_ASKS:
        return (answers,)
    # as kit.discovery writes them
    there = ("$SRV.*", f"$SRV.*.{service}", f"$SRV.*.{service}.*")
    return (f"{service}.>", *there, answers)


def _binary() -> str:
    # Debian installs it where only root's PATH looks
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    found = shutil.which("nats-server", path=path)
    if found is None:
        raise ProgramMissing("nats-server is not installed; run ./just setup.")
    return found
