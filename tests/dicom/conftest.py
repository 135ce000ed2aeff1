"""Real files for the tests on bytes: those that pydicom ships, and shared ones where present."""

from __future__ import annotations

from pathlib import Path

import pydicom.data
import pytest

from tests.conftest import SHARED_DATA

PYDICOM_FILES = Path(pydicom.data.__file__).parent / "test_files"

NOT_DICOM = PYDICOM_FILES / "no_meta.dcm"
"""A stray byte precedes its dataset."""

REAL_FILES = [
    path
    for path in sorted(PYDICOM_FILES.glob("*.dcm")) + sorted(SHARED_DATA.glob("conformance/*.dcm"))
    if path != NOT_DICOM
]


@pytest.fixture(
    scope="session", params=REAL_FILES, ids=lambda path: f"{path.parent.name}/{path.name}"
)
def real_file(request: pytest.FixtureRequest) -> Path:
    """One after the other of all real files."""
    path: Path = request.param
    return path
