"""Files go in by import and come back by export, every byte, whatever stood before the dataset."""

import zipfile
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file, get_testdata_files

from service.encode import Codec
from service.errors import Conflict, OutOfSpace
from service.exchange.exporter import export
from service.exchange.importer import import_files
from service.home import Home
from service.processes.worker import drain
from tests.service.made import damage, dataset, only, take

NAMES = (
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "image_dfl.dcm",
    "no_meta_group_length.dcm",
    "ExplVR_LitEndNoMeta.dcm",
    "JPEG2000.dcm",
    "rtplan.dcm",
    "liver_1frame.dcm",
)
"""Shipped with pydicom: with and without file meta information, native and not, either endian."""


def _samples(folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    found = {}
    for name in NAMES:
        path = get_testdata_file(name)
        if isinstance(path, str):
            found[name] = Path(path).read_bytes()
            (folder / name).write_bytes(found[name])
    assert len(found) >= 6
    return found


def _exported(home: Home, codec: Codec, to: Path) -> list[bytes]:
    done = export(home, home.index.revisions.all(), to, codec.predictors)
    assert done.faults == []
    files = [path for path in to.rglob("*") if path.is_file()]
    assert (done.files, done.bytes) == (len(files), sum(path.stat().st_size for path in files))
    return sorted(path.read_bytes() for path in files)


def test_imported_files_come_back_as_they_were_before_and_after_archiving(
    home: Home, codec: Codec, tmp_path: Path
) -> None:
    samples = _samples(tmp_path / "in")
    imported = import_files(home, tmp_path / "in")
    assert (imported.skipped, imported.instances) == ([], len(samples))
    assert imported.bytes == sum(map(len, samples.values()))
    assert _exported(home, codec, tmp_path / "journalled") == sorted(samples.values())
    drain(home, codec)
    assert _exported(home, codec, tmp_path / "archived") == sorted(samples.values())
    again = import_files(home, tmp_path / "in")
    assert (again.instances, again.duplicates) == (0, len(samples))


def test_a_zip_archive_is_imported_too(home: Home, tmp_path: Path) -> None:
    samples = _samples(tmp_path / "in")
    with zipfile.ZipFile(tmp_path / "media.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in samples.items():
            archive.writestr(f"DATA/{name}", content)
        archive.writestr("README.TXT", "Hold this side up.")
    imported = import_files(home, tmp_path / "media.zip")
    assert imported.instances == len(samples)
    assert [item.reason for item in imported.skipped] == ["not a DICOM file"]


def test_what_is_skipped_is_named_with_the_reason(home: Home, codec: Codec, tmp_path: Path) -> None:
    take(home, dataset())
    drain(home, codec)
    (sealed,) = home.settings.store.path.rglob("*.dcm")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "empty").write_bytes(b"")
    (folder / "letter.txt").write_text("Dear colleague, the patient was seen by us on Monday.")
    (folder / "sealed.dcm").write_bytes(sealed.read_bytes())
    reasons = {Path(item.name).name: item.reason for item in import_files(home, folder).skipped}
    assert reasons == {
        "empty": "not a DICOM file",
        "letter.txt": "not a DICOM file",
        "sealed.dcm": "a sealed object of an archive: only its keyring opens it",
    }


def test_every_file_that_pydicom_ships_is_imported_or_named(home: Home, tmp_path: Path) -> None:
    files = [Path(path) for path in get_testdata_files()]
    imported = import_files(home, files[0].parent)
    counted = imported.instances + imported.duplicates
    assert counted > 60
    assert all(item.reason for item in imported.skipped)


def test_a_full_disk_ends_the_import_and_keeps_what_was_counted(
    folder: Path, tmp_path: Path
) -> None:
    _samples(tmp_path / "in")
    with (
        Home.open(folder, {"receive": {"min_free_bytes": 2**62}}) as home,
        pytest.raises(OutOfSpace),
    ):
        import_files(home, tmp_path / "in")


def test_what_came_by_c_store_gets_a_header_that_pydicom_reads(
    home: Home, codec: Codec, tmp_path: Path
) -> None:
    take(home, dataset())
    (exported,) = _exported(home, codec, tmp_path / "out")
    assert exported.endswith(dataset())
    (path,) = (tmp_path / "out").rglob("*.dcm")
    read = dcmread(path)
    assert read.file_meta.MediaStorageSOPInstanceUID == read.SOPInstanceUID == "1.2.3.4"
    assert path.relative_to(tmp_path / "out").parts == (
        read.StudyInstanceUID,
        read.SeriesInstanceUID,
        "1.2.3.4.dcm",
    )


def test_revisions_have_names_of_their_own_and_nothing_is_overwritten(
    home: Home, codec: Codec, tmp_path: Path
) -> None:
    take(home, dataset())
    take(home, dataset(seed=1))
    assert len(_exported(home, codec, tmp_path / "out")) == 2
    assert {path.name for path in (tmp_path / "out").rglob("*.dcm")} == {
        "1.2.3.4.dcm",
        "1.2.3.4.r2.dcm",
    }
    with pytest.raises(Conflict):
        export(home, home.index.revisions.all(), tmp_path / "out", codec.predictors)


@pytest.mark.parametrize("uid", ["../../etc/passwd", "..", "/", "1.2/3", "a" * 300, "1.2\n.3"])
def test_a_uid_never_leads_out_of_the_folder(
    uid: str, home: Home, codec: Codec, tmp_path: Path
) -> None:
    take(home, b"", instance=uid)
    assert only(home).servable.sop_instance_uid == uid
    export(home, home.index.revisions.all(), tmp_path / "out", codec.predictors)
    (path,) = (path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert path.resolve().is_relative_to(tmp_path / "out")


def test_a_damaged_revision_is_named_and_leaves_no_file(
    home: Home, codec: Codec, tmp_path: Path
) -> None:
    take(home, dataset())
    drain(home, codec)
    (path,) = home.settings.store.path.rglob("*.dcm")
    damage(path, -60)
    done = export(home, home.index.revisions.all(), tmp_path / "out", codec.predictors)
    assert [fault.kind for fault in done.faults] == ["Altered"]
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_real_files_of_every_kind_come_back_identical(
    home: Home, codec: Codec, shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / "conformance"
    imported = import_files(home, folder)
    skipped = {item.name for item in imported.skipped}
    wanted = {path.read_bytes() for path in folder.iterdir() if str(path) not in skipped}
    assert all("directory" in item.reason for item in imported.skipped), imported.skipped
    assert set(_exported(home, codec, tmp_path / "out")) == wanted


def test_what_moves_while_it_is_exported_is_no_fault(
    home: Home, codec: Codec, tmp_path: Path
) -> None:
    take(home, dataset())
    journalled = only(home)
    drain(home, codec)
    done = export(home, [journalled], tmp_path / "out", codec.predictors)
    assert (done.files, done.faults) == (1, [])
