"""A peer that changes no byte: it sends files as they are and keeps datasets as they came.

DCMTK's programs re-encode what they send, and pydicom what it writes; comparing bytes needs a peer
that does neither. pynetdicom sends a file's dataset unread when it is given a path and chunked
sending is on, and hands over a received dataset undecoded as ``event.request.DataSet``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, Final, cast

from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import dcmread
from pynetdicom import AE, _config, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE

MAX_CONTEXTS: Final = 128
"""Presentation contexts of one association: odd numbers from 1 to 255 (PS3.8 9.3.2.2)."""
FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"
"""Study Root Query/Retrieve Information Model (PS3.4 C.6.2)."""
PENDING: Final = (0xFF00, 0xFF01)
SUCCESS: Final = 0x0000


class PeerFault(Exception):
    """The archive refused an association or answered with a failure."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One Part 10 file with complete file meta information, and what the index will know it by."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    """The dataset's, which queries and retrievals name; the file meta's if it has none."""
    affected_uid: str
    """The file meta's, which a C-STORE of the file names; the two may differ."""
    transfer_syntax: str
    study_uid: str
    series_uid: str
    modality: str
    patient_id: str
    offset: int
    """Where the dataset starts in the file."""

    def dataset(self) -> bytes:
        """Read the encoded dataset: what goes over the wire."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read()

    @property
    def context(self) -> tuple[str, str]:
        """SOP class and transfer syntax: one presentation context each."""
        return self.sop_class_uid, self.transfer_syntax


def read_sample(path: Path) -> Sample | None:
    """Read what sending needs; None for a file without complete file meta information."""
    try:
        dataset = dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, EOFError):
        return None
    meta = dataset.file_meta
    named = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")
    if not all(meta.get(keyword) for keyword in named):
        return None
    return Sample(
        path=path,
        sop_class_uid=str(meta.MediaStorageSOPClassUID),
        sop_instance_uid=str(dataset.get("SOPInstanceUID") or meta.MediaStorageSOPInstanceUID),
        affected_uid=str(meta.MediaStorageSOPInstanceUID),
        transfer_syntax=str(meta.TransferSyntaxUID),
        study_uid=str(dataset.get("StudyInstanceUID", "")),
        series_uid=str(dataset.get("SeriesInstanceUID", "")),
        modality=str(dataset.get("Modality", "")),
        patient_id=str(dataset.get("PatientID", "")),
        offset=_dataset_offset(path),
    )


def _dataset_offset(path: Path) -> int:
    """Find the end of the file meta information by its group length (PS3.10 7.1)."""
    from pydicom.filereader import _read_file_meta_info, read_preamble

    with path.open("rb") as file:
        read_preamble(file, force=False)
        _read_file_meta_info(file)
        return file.tell()


def batches(samples: Iterable[Sample], contexts: int = MAX_CONTEXTS - 1) -> Iterator[list[Sample]]:
    """Split samples so that each batch needs at most ``contexts`` presentation contexts."""
    batch: list[Sample] = []
    seen: set[tuple[str, str]] = set()
    for sample in samples:
        if len(seen | {sample.context}) > contexts:
            yield batch
            batch, seen = [], set()
        batch.append(sample)
        seen.add(sample.context)
    if batch:
        yield batch


class Received:
    """Datasets as they arrived, by the command's SOP Instance UID; of several the last."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._datasets: dict[str, tuple[str, bytes]] = {}

    def keep(self, event: evt.Event) -> int:
        """Take one C-STORE: the bytes and the transfer syntax they came in."""
        request = cast(C_STORE, event.request)
        dataset = cast(BytesIO, request.DataSet).getvalue()
        with self._lock:
            self._datasets[str(request.AffectedSOPInstanceUID)] = (
                str(event.context.transfer_syntax),
                dataset,
            )
        return SUCCESS

    def take(self, sample: Sample) -> tuple[str, bytes] | None:
        """Give and forget the transfer syntax and bytes that arrived for a sample."""
        with self._lock:
            named = (sample.sop_instance_uid, sample.affected_uid)
            arrived = [self._datasets.pop(uid) for uid in named if uid in self._datasets]
        return arrived[0] if arrived else None


@dataclass(frozen=True, slots=True)
class Peer:
    """An Application Entity that talks to one archive."""

    host: str
    port: int
    called_ae: str
    ae_title: str = "PEER"

    def send(self, samples: Sequence[Sample]) -> list[int]:
        """C-STORE every sample, unchanged; give the statuses in the same order.

        Raises:
            PeerFault: no association, or the archive stopped answering.
        """
        statuses: list[int] = []
        for batch in batches(samples, MAX_CONTEXTS):
            with (
                self._associate(_storage_contexts(batch)) as association,
                _configured("STORE_SEND_CHUNKED_DATASET"),
            ):
                statuses += [_status(association.send_c_store(item.path)) for item in batch]
        return statuses

    def find(self, keys: Dataset) -> list[Dataset]:
        """C-FIND, Study Root; ``keys`` holds the Query/Retrieve Level."""
        with self._associate([(FIND, [])]) as association:
            return [found for status, found in association.send_c_find(keys, FIND)
                    if _status(status) in PENDING and found is not None]  # fmt: skip

    def get(self, samples: Sequence[Sample], received: Received) -> None:
        """C-GET each sample by its UIDs, offering its class in its own transfer syntax only."""
        for batch in batches(samples):
            contexts = [(GET, []), *_storage_contexts(batch)]
            with self._associate(contexts, received) as association:
                for sample in batch:
                    _final(association.send_c_get(image_keys(sample), GET))

    def move(self, samples: Sequence[Sample], destination: str) -> None:
        """C-MOVE each sample by its UIDs to a node that the archive knows."""
        with self._associate([(MOVE, [])]) as association:
            for sample in samples:
                _final(association.send_c_move(image_keys(sample), destination, MOVE))

    @contextmanager
    def _associate(
        self, contexts: Sequence[tuple[str, list[str]]], received: Received | None = None
    ) -> Iterator[Association]:
        entity = AE(self.ae_title)
        roles: list[Any] = []
        for abstract, syntaxes in contexts:
            entity.add_requested_context(abstract, *([syntaxes] if syntaxes else []))
            if received is not None and syntaxes:
                roles.append(build_role(abstract, scp_role=True))
        handlers: list[Any] = [] if received is None else [(evt.EVT_C_STORE, received.keep)]
        association = entity.associate(
            self.host, self.port, ae_title=self.called_ae, ext_neg=roles, evt_handlers=handlers
        )
        if not association.is_established:
            raise PeerFault(f"{self.called_ae} at {self.host}:{self.port} took no association")
        try:
            yield association
        finally:
            association.release()


@contextmanager
def destination(port: int, ae_title: str, samples: Sequence[Sample]) -> Iterator[Received]:
    """Listen as a C-MOVE destination that takes any class, the samples' in their own syntaxes."""
    entity = AE(ae_title)
    for abstract, syntaxes in _storage_contexts(samples):
        entity.add_supported_context(abstract, syntaxes)
    received = Received()
    entity.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, received.keep)]
    )
    try:
        with _configured("UNRESTRICTED_STORAGE_SERVICE"):
            yield received
    finally:
        entity.shutdown()


def image_keys(sample: Sample) -> Dataset:
    """Build the Study Root identifier of one instance (PS3.4 C.6.2.1)."""
    keys = Dataset()
    keys.QueryRetrieveLevel = "IMAGE"
    keys.StudyInstanceUID = sample.study_uid
    keys.SeriesInstanceUID = sample.series_uid
    keys.SOPInstanceUID = sample.sop_instance_uid
    return keys


def _storage_contexts(samples: Iterable[Sample]) -> list[tuple[str, list[str]]]:
    """List the presentation contexts of the samples, one per class and transfer syntax."""
    return [(abstract, [syntax]) for abstract, syntax in dict.fromkeys(s.context for s in samples)]


@contextmanager
def _configured(name: str) -> Iterator[None]:
    """Switch one of pynetdicom's settings on inside the block."""
    before = getattr(_config, name)
    setattr(_config, name, True)
    try:
        yield
    finally:
        setattr(_config, name, before)


def _status(answer: Dataset) -> int:
    if "Status" not in answer:
        raise PeerFault("the archive stopped answering")
    return int(answer.Status)


def _final(answers: Iterable[tuple[Dataset, Dataset | None]]) -> None:
    """Read a retrieval to its end.

    Raises:
        PeerFault: its final status isn't Success.
    """
    last = [_status(status) for status, _ in answers][-1:]
    if last != [SUCCESS]:
        raise PeerFault(f"the retrieval ended with {', '.join(f'0x{code:04X}' for code in last)}")
