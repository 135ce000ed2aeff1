"""From a received dataset to a sealed object that has been opened and decoded again.

Grayscale frames go through the learned codec, everything else through the general lossless path;
what comes out larger than the archive promises, or does not decode to the received bytes, is
written again by the general path, which needs no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import structlog

from codec import CodecError, Predictor, encode_frame
from dicom.attributes import read_attributes
from dicom.cut import cut
from service.errors import DataFault, Undecodable
from service.home import Home
from service.records import ObjectFacts, Received
from service.sealing.frames import frame_words, hints
from service.sealing.header import FrameShape
from service.sealing.reader import ObjectReader
from service.sealing.writer import Content, EncodedFrames, Sealing, size_limit, write_object

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Codec:
    """The models that a process encodes and decodes with."""

    predictor: Predictor
    """Encodes."""
    predictors: Mapping[bytes, Predictor]
    """Decode, by digest."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An object that is in the store, synced, and has given back the received bytes."""

    facts: ObjectFacts
    mismatch: str | None = None
    """Why the first attempt did not give them back, where it did not: a fault of ours to look
    into; the object is sound."""


def seal(home: Home, codec: Codec, received: Received, revision: int, dataset: bytes) -> Sealed:
    """Write the object of one revision to the store and verify it from there.

    Raises:
        DataFault: not even the general path gives the bytes back; nothing is left in the store.
        IoFault: the store could not be written or read.
    """
    content = Content(
        received=received,
        revision=revision,
        dataset=dataset,
        cut=cut(dataset, len(dataset), received.transfer_syntax),
        attributes=read_attributes(dataset, received.transfer_syntax),
    )
    frames = content.cut.layout.frames if content.cut.layout is not None else 0
    if not frames:
        return Sealed(_put_verified(home, codec, content, None))
    try:
        facts = _put_verified(home, codec, content, _coded(content, codec.predictor))
    except (DataFault, CodecError, ArithmeticError, ValueError) as fault:
        _log.critical("encoding did not give the bytes back", exc_info=fault)
        return Sealed(_put_verified(home, codec, content, None), str(fault))
    if facts.size > size_limit(received, frames):
        home.store.remove(facts.object_id)
        return Sealed(_put_verified(home, codec, content, None))
    return Sealed(facts)


def verify(home: Home, codec: Codec, object_id: bytes, received: Received) -> ObjectFacts:
    """Open an object from the store, decode all of it, and compare with what was received.

    Raises:
        DataFault: it is missing, cannot be opened or decoded, or holds something else.
        IoFault: the store could not be read.
    """
    with home.store.open(object_id) as file:
        reader = ObjectReader(file, home.keys, object_id, codec.predictors)
        if reader.received != received:
            raise Undecodable("the object's sealed facts are not those of the reception")
        for _ in reader.pieces():
            pass
        return reader.facts


def _put_verified(
    home: Home, codec: Codec, content: Content, frames: EncodedFrames | None
) -> ObjectFacts:
    sealing = Sealing.fresh(home.keys)

    def write(file: BinaryIO) -> None:
        write_object(file, sealing, content, frames)

    home.store.put(sealing.object_id, write)
    try:
        return verify(home, codec, sealing.object_id, content.received)
    except DataFault:
        home.store.remove(sealing.object_id)
        raise


def _coded(content: Content, predictor: Predictor) -> EncodedFrames:
    return EncodedFrames(_streams(content, predictor), predictor.digest)


def _streams(content: Content, predictor: Predictor) -> Iterator[bytes]:
    layout, pixels = content.cut.layout, content.cut.pixels
    if layout is None or pixels is None:
        raise DataFault("frames of a dataset that has none")
    body = memoryview(content.dataset)[pixels[0] : pixels[1]]
    shape = FrameShape.of(layout)
    for number in range(layout.frames):
        yield encode_frame(frame_words(body, shape, number), predictor, hints(layout))
