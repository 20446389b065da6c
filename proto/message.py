"""What a message is: a frozen struct; a request also knows its subject and its reply."""

from typing import Any, ClassVar, Generic, TypeVar, dataclass_transform, get_args

import msgspec

Reply = TypeVar("Reply")


class MessageMeta(msgspec.StructMeta):
    """Makes every message frozen and keyword-only, and lets a request name its subject."""

    subject: str
    reply: type[Any]

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        subject: str = "",
        **config: Any,  # noqa: ANN401 - msgspec's own options
    ) -> "MessageMeta":
        """Create the class; `subject` is the NATS subject that the request is sent on."""
        config = {"frozen": True, "kw_only": True, **config}
        cls = super().__new__(mcls, name, bases, namespace, **config)
        if subject:
            cls.subject = subject
            cls.reply = get_args(namespace["__orig_bases__"][0])[0]
        return cls


@dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
class Message(msgspec.Struct, metaclass=MessageMeta):
    """A value that travels: frozen, compared by content, encoded as MessagePack."""


class Request(Message, Generic[Reply]):
    """A question: `class Reserve(Request[Reservation], subject="wallet.reserve")`."""

    subject: ClassVar[str]
    """Where it is sent; the first part is the service that answers."""
    reply: ClassVar[type[Any]]
    """The type of the answer."""
