"""What a worker answers decode requests with: a dataset as received, or transcoded.

Decoders of compressed images are fed by peers, and run neither in the receivers nor here, but each
in a process of its own (:mod:`service.processes.transcoder`).
"""

from __future__ import annotations

import threading
from functools import partial
from typing import BinaryIO

from pydicom.uid import UID

from dicom.transcode import TranscodeError, to_uncompressed
from service.contents import Contents, Result, Use, read_entry, read_object
from service.encode import Codec
from service.errors import Undecodable
from service.home import Home
from service.processes.decode_server import Decode, Place, Wanted
from service.processes.transcoder import Transcoder


def decoder(home: Home, codec: Codec) -> Decode:
    """Give the function that a decode server answers with.

    What it gives is verified: transcoding begins from bytes that have the SHA-256 of those
    received. A dataset as received is written frame by frame; for transcoding it is in memory.

    Raises (the function):
        Undecodable: no decoder takes the dataset, or it is malformed.
        Fault: as reading an object or a journal entry raises.
    """

    mine = threading.local()

    def transcode(dataset: bytes, source: str, target: str) -> bytes:
        if not UID(source).is_encapsulated:
            return _rewrite(dataset, source, target)
        if not hasattr(mine, "transcoder"):
            mine.transcoder = Transcoder(home.settings)
        transcoder: Transcoder = mine.transcoder
        return transcoder.to_uncompressed(dataset, source, target)

    def decode(wanted: Wanted, out: BinaryIO) -> bytes:
        if wanted.transfer_syntax is None:
            return _read(home, codec, wanted, partial(_write, out))
        syntax, sha256, dataset = _read(home, codec, wanted, _take)
        out.write(transcode(dataset, syntax, wanted.transfer_syntax))
        return sha256

    return decode


def _read(home: Home, codec: Codec, wanted: Wanted, use: Use[Result]) -> Result:
    if wanted.place is Place.JOURNAL:
        return read_entry(home, wanted.id, use)
    return read_object(home, wanted.id, codec.predictors, use)


def _write(out: BinaryIO, contents: Contents) -> bytes:
    """Write the dataset, from the start: what an earlier copy gave before it failed must go."""
    out.seek(0)
    out.truncate()
    out.writelines(contents.pieces)
    return contents.received.sha256


def _take(contents: Contents) -> tuple[str, bytes, bytes]:
    received = contents.received
    return received.transfer_syntax, received.sha256, b"".join(contents.pieces)


def _rewrite(dataset: bytes, source: str, target: str) -> bytes:
    try:
        return to_uncompressed(dataset, source, target)
    except TranscodeError as fault:
        raise Undecodable(f"cannot be transcoded from {source}: {fault}") from fault
