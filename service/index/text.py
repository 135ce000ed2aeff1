"""Text as columns keep it: the same order and equality in every database."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import String, TypeDecorator
from sqlalchemy.engine import Dialect

from dicom.matching import fold

# Neither SQLite's UTF-8 nor PostgreSQL take NUL and halves of surrogate pairs; \ escapes them.
_UNSTORABLE: Final = re.compile("[\\\\\0\ud800-\udfff]")
_ESCAPED: Final = re.compile(r"\\u([0-9a-f]{4})")


def plain_text() -> String:
    """Give the type of text columns: compared by code point, whatever the database's locale."""
    return String().with_variant(String(collation="C"), "postgresql")


class OpaqueText(TypeDecorator[str]):
    """Text that may hold any character, as UIDs and AE titles do.

    What a database refuses is escaped: values without backslash, NUL or surrogate stay as they are.
    """

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Compare by code point on PostgreSQL too."""
        return dialect.type_descriptor(plain_text())

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Escape."""
        if value is None:
            return None
        return _UNSTORABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Take the escapes out again."""
        if value is None or "\\" not in value:
            return value
        return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value)


def folded(value: str) -> str | None:
    """Fold a value for a column: NFC, caseless, without NUL; None where SQL could not tell.

    Parts of a text fold to parts of the folded text, so that patterns can be folded too. Where
    canonical composition would join characters across such a border, SQL cannot tell.
    """
    caseless = value.casefold()
    if not storable(value) or not (value.isascii() or caseless == fold(value)):
        return None
    return caseless


def storable(value: str) -> bool:
    """Whether every database takes the text as it is."""
    return _UNSTORABLE.search(value) is None
