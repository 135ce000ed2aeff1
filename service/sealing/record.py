"""Records as JSON, the way they stand in sealed parts (docs/format.md, "Record")."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from service.errors import Undecodable
from service.records import Received

_BYTES = frozenset(field.name for field in fields(Received) if field.type == "bytes")
_NUMBERS = frozenset(field.name for field in fields(Received) if field.type == "int")
_NAMES = frozenset(field.name for field in fields(Received))


def to_json(record: Mapping[str, object]) -> bytes:
    """Write a record without a superfluous byte, in ASCII."""
    return json.dumps(record, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def from_json(text: bytes) -> dict[str, Any]:
    """Read a record.

    Raises:
        Undecodable: it is not a JSON object.
    """
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise Undecodable("a sealed record is not JSON") from fault
    if not isinstance(record, dict):
        raise Undecodable("a sealed record is not a JSON object")
    return record


def from_received(received: Received) -> dict[str, object]:
    """Turn a reception into a record; bytes become base64 without padding, ``prefix`` stays out."""
    values = {name: getattr(received, name) for name in Received.__slots__ if name != "prefix"}
    return {name: _text(value) if name in _BYTES else value for name, value in values.items()}


def to_received(record: Mapping[str, Any], prefix: bytes = b"") -> Received:
    """Turn a record back into a reception.

    Raises:
        Undecodable: a field is missing or has another type.
    """
    try:
        values = {name: _value(name, record[name]) for name in _NAMES - {"prefix"}}
    except (KeyError, TypeError, ValueError) as fault:
        raise Undecodable("a sealed record lacks a field, or has one of another type") from fault
    return Received(**values, prefix=prefix)


def _text(value: bytes) -> str:
    return b64encode(value).decode("ascii").rstrip("=")


def _value(name: str, value: object) -> Any:
    if name in _NUMBERS:
        if type(value) is not int:
            raise TypeError(name)
        return value
    if not isinstance(value, str):
        raise TypeError(name)
    return b64decode(value + "=" * (-len(value) % 4), validate=True) if name in _BYTES else value
