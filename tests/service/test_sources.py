"""What import looks at: folders, zip archives, a DICOMDIR; and what it says of the rest."""

import zipfile
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from service.exchange.sources import Offer, Skipped, offers


def _names(path: Path, below: Path) -> tuple[list[str], dict[str, str]]:
    found = list(offers(path))
    taken = [offer.name.removeprefix(f"{below}/") for offer in found if isinstance(offer, Offer)]
    skipped = {
        item.name.removeprefix(f"{below}/"): item.reason
        for item in found
        if isinstance(item, Skipped)
    }
    return taken, skipped


def test_a_folder_is_walked_in_order_and_links_are_not_followed(tmp_path: Path) -> None:
    for name in ("b/2.dcm", "b/1.dcm", "a/3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "c").symlink_to(tmp_path / "a/3")
    taken, skipped = _names(tmp_path, tmp_path)
    assert taken == ["a/3", "b/1.dcm", "b/2.dcm"]
    assert skipped == {"c": "not a regular file"}


def test_zip_archives_are_read_without_unpacking(tmp_path: Path) -> None:
    path = tmp_path / "media.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("DICOMDIR", b"")
        archive.writestr("IMAGES/IM1", b"one")
        archive.mkdir("EMPTY")
    contents = {}
    for offer in offers(path):
        if isinstance(offer, Offer):
            with offer.open() as file:
                contents[offer.name] = file.read()
        else:
            assert offer.reason == "a directory of other files"
    assert contents == {f"{path}:IMAGES/IM1": b"one"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_zip_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "media.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("IM1", b"one" * 1000)
    whole = path.read_bytes()
    path.write_bytes(whole[:10] + b"\xff" * 40 + whole[50:])
    for offer in offers(path):
        if isinstance(offer, Offer):
            with pytest.raises(zipfile.BadZipFile), offer.open() as file:
                file.read()


def test_a_missing_path_is_said_to_be_missing(tmp_path: Path) -> None:
    assert [item.name for item in offers(tmp_path / "none")] == [str(tmp_path / "none")]


def test_a_dicomdir_names_its_files_and_those_that_are_missing(tmp_path: Path) -> None:
    source = get_testdata_file("DICOMDIR")
    assert isinstance(source, str)
    (tmp_path / "DICOMDIR").write_bytes(Path(source).read_bytes())
    _, all_missing = _names(tmp_path / "DICOMDIR", tmp_path)
    missing = {
        name for name, why in all_missing.items() if why == "named by the DICOMDIR, but missing"
    }
    assert len(missing) > 10
    chosen = sorted(missing)[0]
    (tmp_path / chosen).parent.mkdir(parents=True)
    (tmp_path / chosen).write_bytes(b"x")
    assert _names(tmp_path / "DICOMDIR", tmp_path)[0] == [chosen]
    taken, skipped = _names(tmp_path, tmp_path)
    assert taken == [chosen]
    assert len(skipped) == len(all_missing) - 1


def test_a_dicomdir_leads_nowhere_outside_its_folder(tmp_path: Path) -> None:
    record = Dataset()
    record.ReferencedFileID = ["..", "SECRET"]
    directory = Dataset()
    directory.file_meta = FileMetaDataset()
    directory.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.1")
    directory.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.1.3.10")
    directory.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    directory.DirectoryRecordSequence = Sequence([record])
    (tmp_path / "disk").mkdir()
    (tmp_path / "SECRET").write_bytes(b"x")
    directory.save_as(tmp_path / "disk" / "DICOMDIR", enforce_file_format=True)
    taken, skipped = _names(tmp_path / "disk" / "DICOMDIR", tmp_path / "disk")
    assert taken == []
    assert "named by the DICOMDIR, outside its folder" in skipped.values()
