"""docs/operations.md says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

from service.errors import TABLE

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def test_the_table_of_exit_codes_is_that_of_the_program() -> None:
    expected = [
        f"| {told.exit_code} | {told.message} | {'yes' if told.retryable else 'no'} |"
        for told in sorted(TABLE.values(), key=lambda told: told.exit_code)
    ]
    assert re.findall(r"^\| \d+ \|.*\|$", OPERATIONS, re.MULTILINE) == expected


def test_exit_codes_are_unique() -> None:
    codes = [told.exit_code for told in TABLE.values()]
    assert len(set(codes)) == len(codes)
