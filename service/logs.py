"""Structured logs on standard error, without patient data unless the administrator opens that.

Nothing is searched for and blanked out: with ``log.phi`` off, only what is known to be harmless
passes. Of our own records that is the event and the fields of :data:`HARMLESS`, or the message
where a package below ``service`` writes it; of a library's records only where and how severe, since
pydicom's warnings quote values and pynetdicom's debug records whole datasets; of exceptions the
type and the place, and the message only where the exception is ours (their messages are free of
patient data by rule). Exceptions that nobody caught, in any thread, are logged in the same way
instead of printed.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

HARMLESS: Final = frozenset(
    {
        "event", "level", "timestamp", "logger", "pid", "process", "error", "error_type", "trace",
        "ae_title", "called_ae", "address", "host", "port", "right", "status", "role", "signal",
        "revision", "entry", "note", "object", "key", "model", "coding", "kind", "part", "frame",
        "count", "total", "bytes", "stored", "seconds", "attempt", "delay", "version", "reason",
        "journal", "indexed", "removed", "released", "mismatch", "quarantined", "duplicate",
        "delivered", "failed", "completed", "transfer_syntax", "source", "setting",
    }
)  # fmt: skip
"""Names of fields that may be logged: none can hold what a dataset says of a person. UIDs of
studies, series and instances are not among them (PS3.15 E.1.1 counts them as identifying)."""

_OURS: Final = ("codec", "config", "dicom", "models", "service")


def configure(
    level: str = "info", form: Literal["json", "console"] = "json", phi: bool = False
) -> None:
    """Set up structlog, the standard library's logging and the hooks of uncaught exceptions.

    It holds for this process and those forked from it.

    Args:
        level: the least severe level that is written.
        form: ``json`` for one object a line, ``console`` for people.
        phi: let every field and every library's message through.
    """
    shared = _shared(phi)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(level.upper())
    handler.setFormatter(_formatter(shared, form, phi))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.captureWarnings(True)
    # What logging prints of its own faults quotes the record.
    logging.raiseExceptions = phi
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread
    sys.unraisablehook = _log_unraisable


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    structlog.get_logger().critical("uncaught fault", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(caught: threading.ExceptHookArgs) -> None:
    if caught.exc_type is not SystemExit:  # That ends a thread in silence, as ever.
        _log_uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)


def _log_unraisable(caught: sys.UnraisableHookArgs) -> None:
    """Log what a finalizer raised: nobody can catch that."""
    _log_uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)


def _shared(phi: bool) -> list[Processor]:
    exceptions: Processor = structlog.processors.format_exc_info if phi else _withhold_exception
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        exceptions,
        *([] if phi else [_only_harmless]),
    ]


def _formatter(shared: Sequence[Processor], form: str, phi: bool) -> logging.Formatter:
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    foreign: list[Processor] = [] if phi else [_withhold_message]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*foreign, *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )


def _only_harmless(_: WrappedLogger, __: str, fields: EventDict) -> EventDict:
    return {name: _held(name, value) for name, value in fields.items()}


def _held(name: str, value: object) -> object:
    return value if name in HARMLESS or name.startswith("_") else "[withheld]"


def _withhold_message(_: WrappedLogger, __: str, fields: EventDict) -> EventDict:
    record: logging.LogRecord = fields["_record"]
    if record.name.split(".")[0] in _OURS:
        return fields
    fields["event"] = "message of a library, withheld"
    fields["logger"] = f"{record.name} {record.module}:{record.lineno}"
    return fields


def _withhold_exception(_: WrappedLogger, __: str, fields: EventDict) -> EventDict:
    caught = fields.pop("exc_info", None)
    if caught is True:
        caught = sys.exc_info()
    error = caught[1] if isinstance(caught, tuple) else caught
    if isinstance(error, BaseException):
        fields.update(describe(error))
    return fields


def describe(error: BaseException) -> dict[str, object]:
    """Give what may be logged of an exception: its type, the place, our own message."""
    kind = type(error)
    frames = traceback.extract_tb(error.__traceback__)
    described: dict[str, object] = {
        "error_type": f"{kind.__module__}.{kind.__qualname__}",
        "trace": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if kind.__module__.split(".")[0] in _OURS:
        described["error"] = str(error)
    return described
