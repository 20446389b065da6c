"""Who wants to hear of requests to models: nobody, unless a service says otherwise."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeAlias

Begun: TypeAlias = Callable[[], None]
"""Called when a request has waited for its turn and begins; from any thread."""


class Watch(Protocol):
    """Is told of every request: the body of the `with` waits, begins, and has an answer or fails.

    A body that raises ModelError did not get a usable answer.
    """

    def __call__(self, model: str, items: int, /) -> AbstractContextManager[Begun]:
        """Hear of a request to a model with so many items."""


@contextmanager
def unwatched(_: str, __: int, /) -> Iterator[Begun]:
    """Hear nothing."""
    yield _nothing


def _nothing() -> None:
    pass
