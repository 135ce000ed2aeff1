"""Files that no association can carry go in by `import` and come back by `export`, identical."""

from __future__ import annotations

from pathlib import Path
from shutil import copy

import pytest

from service.demo.peer import read_sample
from service.demo.scratch import ScratchArchive

pytestmark = pytest.mark.interop


def without_association(folder: Path) -> list[Path]:
    """Name the files without complete file meta information, or without a Study UID."""
    samples = {path: read_sample(path) for path in sorted(folder.glob("*.dcm"))}
    return [path for path, sample in samples.items() if sample is None or not sample.study_uid]


@pytest.mark.parametrize("archived", [False, True], ids=["from the journal", "from objects"])
def test_files_come_back_as_they_were(
    archived: bool, shared_data: Path, served: ScratchArchive, tmp_path: Path
) -> None:
    paths = without_association(shared_data / "conformance")
    assert len(paths) >= 9
    (tmp_path / "offered").mkdir()
    for path in paths:
        copy(path, tmp_path / "offered")
    imported = served.ask("import", tmp_path / "offered")
    assert imported["skipped"] == []
    if archived:
        assert served.wait_archived(120) == 0
    ids = [f"--revision={row['revision_id']}" for row in served.ask("ls", "--instances")]
    served.run("export", "--to", tmp_path / "back", *ids)
    back = {file.read_bytes() for file in (tmp_path / "back").rglob("*.dcm")}
    assert [path.name for path in paths if path.read_bytes() not in back] == []
