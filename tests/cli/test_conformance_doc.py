"""docs/conformance.md says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

from dicom.contexts import SERVICES
from dicom.syntax import (
    IMPLEMENTATION_UID,
    IMPLEMENTATION_VERSION,
    RADIOLITH_SYNTAX,
    STORED_SYNTAXES,
    TRANSFER_SYNTAXES,
)

STATEMENT = (Path(__file__).resolve().parents[2] / "docs" / "conformance.md").read_text()


def test_the_transfer_syntaxes_are_those_that_the_program_stores() -> None:
    told = re.findall(r"^\| ([\d.]+) \|.*\| (yes|no) \|$", STATEMENT, re.MULTILINE)
    assert dict(told) == {
        uid: "yes" if TRANSFER_SYNTAXES[uid].is_lossless else "no" for uid in STORED_SYNTAXES
    }
    assert len(told) == len(STORED_SYNTAXES)


def test_the_other_sop_classes_are_those_that_the_program_serves() -> None:
    told = re.findall(r"^\| ([\d.]+) \| [^|]* \|$", STATEMENT, re.MULTILINE)
    assert sorted(told) == sorted(SERVICES)


def test_the_implementation_is_named() -> None:
    for text in (IMPLEMENTATION_UID, IMPLEMENTATION_VERSION, RADIOLITH_SYNTAX):
        assert text in STATEMENT
