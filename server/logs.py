"""Structured logs: JSON lines in production, short lines for people elsewhere; no text of a chat, no secret."""

import logging
import re
import sys
from collections.abc import Sequence

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

KEPT_OUT = "(kept out)"
PRIVATE_KEYS = frozenset(
    {
        "api_key",
        "authorization",
        "content",
        "cookie",
        "delta",
        "password",
        "prompt",
        "secret",
        "text",
        "ticket",
        "token",
    }
)
"""Names of values that no log may hold, however they got there."""

_ROW_IN_ERROR = re.compile(r"(?<=DETAIL:)[^\n]*")
"""Postgres says which row broke a constraint, with what is in it."""

_CREDENTIALS_IN_URL = re.compile(r"(?<=://)[^/\s@]*:[^/\s@]*(?=@)")

CLIENT_FAULTS = (
    "Invalid UTF-8 sequence received from client.",
    "opening handshake failed",
    "Unsupported upgrade request.",
    "ASGI callable returned without completing handshake.",
)
"""What uvicorn and websockets report, some with a traceback, when a client sends nonsense: no fault of ours, and
anybody could fill the disk with it. The last one also follows a handshake that we refused as we should."""


TALKATIVE = ("alembic", "httpx2", "uvicorn")
"""Libraries that write at their level INFO a line or more for each connection, request or start."""


def configure_logs(*, json_lines: bool, level: int) -> None:
    """Sends all logs of this process, those of libraries included, to the error stream.

    Args:
        json_lines: one JSON object a line, for machines; else short lines.
        level: of the standard library, such as `logging.INFO`; what is below is dropped.
    """
    shared: Sequence[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso" if json_lines else "%H:%M:%S", utc=json_lines),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        keep_private,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if json_lines
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(is_our_concern)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def keep_private(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A processor of structlog: replaces private values, and passwords inside addresses."""
    for key, value in event.items():
        if key in PRIVATE_KEYS:
            event[key] = KEPT_OUT
        elif isinstance(value, str):
            event[key] = _ROW_IN_ERROR.sub(KEPT_OUT, _CREDENTIALS_IN_URL.sub(KEPT_OUT, value))
    return event


def is_our_concern(record: logging.LogRecord) -> bool:
    """A filter of the standard library: drops what only says that a client sent nonsense."""
    return not (record.name.startswith("uvicorn") and str(record.msg).startswith(CLIENT_FAULTS))
