"""What a worker answers decode requests with: a dataset as received, or transcoded.

Here, and not in the receivers, run the decoders of compressed images: what they are fed comes from
peers, and a fault in one of them may end a worker, never an association.
"""

from __future__ import annotations

from collections.abc import Callable

from dicom.transcode import TranscodeError, to_uncompressed
from service.encode import Codec
from service.errors import Undecodable
from service.home import Home
from service.processes.decode_server import Decoded, Place, Wanted
from service.records import Received
from service.sealing.journal import JournalReader, entry_path
from service.sealing.reader import ObjectReader


def decoder(home: Home, codec: Codec) -> Callable[[Wanted], Decoded]:
    """Give the function that a decode server answers with.

    What it gives is verified: transcoding begins from bytes that have the SHA-256 of those
    received.

    Raises (the function):
        Undecodable: no decoder takes the dataset, or it is malformed.
        Fault: as reading an object or a journal entry raises.
    """

    def decode(wanted: Wanted) -> Decoded:
        received, dataset = _read(home, codec, wanted)
        if wanted.transfer_syntax is not None:
            dataset = _transcode(dataset, received.transfer_syntax, wanted.transfer_syntax)
        return Decoded(dataset, received.sha256)

    return decode


def _read(home: Home, codec: Codec, wanted: Wanted) -> tuple[Received, bytes]:
    if wanted.place is Place.JOURNAL:
        with JournalReader(entry_path(home.journal, wanted.id), home.keys) as entry:
            return entry.received, entry.dataset()
    with home.store.open(wanted.id) as file:
        reader = ObjectReader(file, home.keys, wanted.id, codec.predictors)
        return reader.received, reader.dataset()


def _transcode(dataset: bytes, source: str, target: str) -> bytes:
    try:
        return to_uncompressed(dataset, source, target)
    except TranscodeError as fault:
        raise Undecodable(f"cannot be transcoded from {source}: {fault}") from fault
