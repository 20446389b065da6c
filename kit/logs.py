"""Logs: one JSON object a line on standard error, each with the correlation id of its call."""

import logging
import sys

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import EventDict

from kit.context import correlation_id, traceparent


def _without_content(record: logging.LogRecord) -> bool:
    """Keep what a stranger sent as HTTP, which may be a token, out of the log."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.msg, record.args, record.exc_info = "malformed HTTP request", (), None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def configure(service: str, level: str = "INFO") -> None:
    """Send structlog's and the standard library's records through one JSON renderer."""

    def add_service(_: object, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        if correlation := correlation_id.get():
            event["correlation_id"] = correlation
        if trace := traceparent.get():
            event["trace_id"] = trace[3:35]
        return event

    shared: list[structlog.typing.Processor] = [
        add_service,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.getLogger("aiohttp.server").addFilter(_without_content)
    # aiohttp's access log repeats what the metrics count and would write signed URLs down
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
