"""One item of a job: the same work as for a caller who waits, told in the job book's words."""

import msgspec

from kit.bus import decoder
from proto.cardreader import CARD_MARK, CardsRead, ReadCards, Symbol
from proto.errors import InvalidRequest
from proto.jobs import MOST_RESULT_BYTES, Failed, Succeeded
from proto.photos import Rejected
from services.cardreader.endpoints import Endpoints

_LIST_BYTES = 3
"""For the length of a list of up to 65,535, in MessagePack."""


async def work(endpoints: Endpoints, data: bytes) -> Succeeded | Failed:
    """Read the photograph that a ReadCards in MessagePack asks for.

    Raises InvalidRequest when it is no ReadCards or its photo is gone, Unavailable when models or
    storage are away, and Broken when models answer what cannot be.
    """
    try:
        request = decoder(ReadCards).decode(data)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"this is no photo to read: {error}") from error
    answer = await endpoints.read_cards(request)
    if isinstance(answer, Rejected):
        return Failed(code=answer.code, message=answer.message)
    return Succeeded(result=msgspec.msgpack.encode(fitting(answer)))


def fitting(answer: CardsRead) -> CardsRead:
    """Leave out symbols that the job book has no room for.

    Cards come first; of these there is room for as many as are ever read, long as they may be.
    """
    bare = msgspec.structs.replace(answer, symbols=[])
    room = MOST_RESULT_BYTES - len(msgspec.msgpack.encode(bare)) - _LIST_BYTES
    kept: list[tuple[int, Symbol]] = []
    for place, symbol in sorted(enumerate(answer.symbols), key=_cards_first):
        size = len(msgspec.msgpack.encode(symbol))
        if size <= room:
            kept.append((place, symbol))
            room -= size
    in_order = sorted(kept, key=lambda pair: pair[0])
    return msgspec.structs.replace(bare, symbols=[symbol for _, symbol in in_order])


def _cards_first(numbered: tuple[int, Symbol]) -> bool:
    return not numbered[1].text.startswith(CARD_MARK)
