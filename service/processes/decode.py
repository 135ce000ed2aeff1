"""What a worker answers decode requests with: a dataset as received, or transcoded.

Here, and not in the receivers, run the decoders of compressed images: what they are fed comes from
peers, and a fault in one of them may end a worker, never an association.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from dicom.transcode import TranscodeError, to_uncompressed
from service.encode import Codec
from service.errors import Undecodable
from service.home import Home
from service.processes.decode_server import Decode, Place, Wanted
from service.records import Received
from service.sealing.journal import JournalReader, entry_path
from service.sealing.reader import ObjectReader


def decoder(home: Home, codec: Codec) -> Decode:
    """Give the function that a decode server answers with.

    What it gives is verified: transcoding begins from bytes that have the SHA-256 of those
    received. A dataset as received is written frame by frame; for transcoding it is in memory.

    Raises (the function):
        Undecodable: no decoder takes the dataset, or it is malformed.
        Fault: as reading an object or a journal entry raises.
    """

    def decode(wanted: Wanted, out: BinaryIO) -> bytes:
        with _opened(home, codec, wanted) as (received, pieces):
            if wanted.transfer_syntax is None:
                out.writelines(pieces)
            else:
                dataset = b"".join(pieces)
                target = wanted.transfer_syntax
                out.write(_transcode(dataset, received.transfer_syntax, target))
        return received.sha256

    return decode


@contextmanager
def _opened(home: Home, codec: Codec, wanted: Wanted) -> Iterator[tuple[Received, Iterator[bytes]]]:
    """Open what is wanted: its SHA-256 is compared before the last piece is given, or after it."""
    if wanted.place is Place.JOURNAL:
        with JournalReader(entry_path(home.journal, wanted.id), home.keys) as entry:
            yield entry.received, entry.chunks()
    else:
        with home.store.open(wanted.id) as file:
            reader = ObjectReader(file, home.keys, wanted.id, codec.predictors)
            yield reader.received, reader.pieces()


def _transcode(dataset: bytes, source: str, target: str) -> bytes:
    try:
        return to_uncompressed(dataset, source, target)
    except TranscodeError as fault:
        raise Undecodable(f"cannot be transcoded from {source}: {fault}") from fault
