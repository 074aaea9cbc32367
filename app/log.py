"""Logging: structlog for ours, the standard library's for the dependencies', one line an event."""

import logging
import sys

import structlog


def configure(log_format: str) -> None:
    """`text` for people, `json` for machines; to standard error."""
    renderer = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        # Plain: the rich ones print local variables, and with them whatever secret a frame holds.
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if log_format == "json" else _as_it_is,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(_no_mistake)


def _no_mistake(record: logging.LogRecord) -> bool:
    """Each queue has a worker of its own on the one broker, and Dramatiq warns as if that were a mistake."""
    return "middleware of the same type twice" not in str(record.msg)


def _as_it_is(_logger: object, _name: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    return event
