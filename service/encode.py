"""From a received dataset to a sealed object that has been opened and decoded again.

Grayscale frames go through the learned codec, everything else through the general lossless path;
what comes out larger than the archive promises, or does not decode to the received bytes, is
written again by the general path, which needs no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import structlog

from codec import CodecError, Predictor
from dicom.attributes import read_attributes
from dicom.cut import Cut, NeedMore, cut
from service.errors import Altered, DataFault, StoreFault, Undecodable
from service.failpoints import failpoint
from service.head import FIRST_LOOK, Head
from service.home import Home
from service.keys import KeyStore
from service.multi_frame import encode_frames
from service.records import ObjectFacts, Received
from service.sealing.frames import frame_words, hints
from service.sealing.header import FrameShape
from service.sealing.parts import Buffer
from service.sealing.reader import ObjectReader
from service.sealing.source import Source, ranges
from service.sealing.writer import (
    Content,
    EncodedFrames,
    FrameStream,
    Sealing,
    size_limit,
    write_object,
)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Codec:
    """The models that a process encodes and decodes with."""

    predictor: Predictor
    """Encodes."""
    predictors: Mapping[bytes, Predictor]
    """Decode, by digest."""


@dataclass(frozen=True, slots=True)
class Reception:
    """One revision, on its way into an object."""

    received: Received
    revision: int
    """Its number among the revisions of its instance."""
    dataset: Source
    """Read by ranges: its head, and then frame by frame or chunk by chunk."""

    def content(self) -> Content:
        """Give what becomes an object."""
        syntax = self.received.transfer_syntax
        head = Head(syntax)
        for piece in ranges(self.dataset, FIRST_LOOK):
            head.write(piece)
            if not head.wants_more:
                break
        return Content(
            received=self.received,
            revision=self.revision,
            dataset=self.dataset,
            cut=_cut(self.dataset, head.taken, syntax),
            attributes=read_attributes(head.taken, syntax),
        )


def _cut(dataset: Source, prefix: Buffer, transfer_syntax: str) -> Cut:
    while True:
        try:
            return cut(prefix, len(dataset), transfer_syntax)
        except NeedMore as more:
            prefix = dataset[: max(more.needed, 2 * len(prefix))]


@dataclass(frozen=True, slots=True)
class Sealed:
    """An object that is in the store, synced, and has given back the received bytes."""

    facts: ObjectFacts
    mismatch: str | None = None
    """Why the first attempt did not give them back, where it did not: a fault of ours to look
    into; the object is sound."""


Commit = Callable[[ObjectFacts], None]
"""Called once the object is published and synced: its row is made here. Raises, where the row is
not to be had: the object is removed then."""


def seal(home: Home, codec: Codec, reception: Reception, commit: Commit) -> Sealed:
    """Write the object of one revision, verify it, publish it to the store, commit its row.

    Raises:
        DataFault: not even the general path gives the bytes back; nothing is left in the store.
        IoFault: the store could not be written or read.
    """
    content = reception.content()
    if content.cut.layout is None:
        return Sealed(_write(home, codec, content, None, commit))
    try:
        distance = home.settings.codec.key_frame_distance
        streams = _streams(content, codec.predictor, distance)
        frames = EncodedFrames(streams, codec.predictor.digest)
        return Sealed(_write(home, codec, content, frames, commit))
    except _TooLarge:
        return Sealed(_write(home, codec, content, None, commit))
    except (Undecodable, Altered, CodecError, ArithmeticError, ValueError) as fault:
        _log.critical("encoding did not give the bytes back", exc_info=fault)
        return Sealed(_write(home, codec, content, None, commit), mismatch=str(fault))


def reseal(home: Home, codec: Codec, old: ObjectReader, commit: Commit) -> ObjectFacts:
    """Seal what an object holds again, under the active key; frames are not coded anew.

    Raises:
        DataFault: the old object is not sound; it stays as it is.
        IoFault: the store could not be written or read.
    """
    content = Reception(old.received, old.header.revision, old.source).content()
    frames = EncodedFrames(old.streams(), old.clear.model) if old.frames else None
    return _write(home, codec, content, frames, commit)


class _TooLarge(Exception):
    """Coded frames take more than the archive promises."""


def _write(
    home: Home, codec: Codec, content: Content, frames: EncodedFrames | None, commit: Commit
) -> ObjectFacts:
    """Write an object, open and decode it again, compare, and only then publish it.

    The row is committed while the draft still has its own name, so that a crash in between shows at
    the next start (:mod:`service.upkeep.recovery`).
    """
    sealing = Sealing.fresh(home.keys)
    with home.store.draft(sealing.object_id) as draft:
        facts = _draft(draft.file, home, codec, content, sealing, frames)
        with home.settling(facts.key_id):
            draft.publish()
            home.replicate(facts.object_id)
            try:
                commit(facts)
            except DataFault:
                home.remove_object(facts.object_id)
                raise
            failpoint("object.indexed")
    failpoint("object.settled")
    return facts


def _draft(
    file: BinaryIO,
    home: Home,
    codec: Codec,
    content: Content,
    sealing: Sealing,
    frames: EncodedFrames | None,
) -> ObjectFacts:
    try:
        facts = write_object(file, sealing, content, frames)
        failpoint("draft.written")
        layout = content.cut.layout
        if frames is not None and layout is not None:
            _check_size(facts, content.received, layout.frames)
        verify(file, home.keys, codec, facts.object_id, content.received)
        failpoint("draft.verified")
    except OSError as fault:
        raise StoreFault(f"an object could not be written: {fault.strerror}") from fault
    return facts


def _check_size(facts: ObjectFacts, received: Received, frames: int) -> None:
    if facts.size > size_limit(received, frames):
        raise _TooLarge


def verify(
    file: BinaryIO, keys: KeyStore, codec: Codec, object_id: bytes, received: Received
) -> ObjectFacts:
    """Open an object, decode all of it, and compare it with what was received.

    Raises:
        DataFault: it cannot be opened or decoded, or holds something else.
        OSError: it cannot be read.
    """
    reader = ObjectReader(file, keys, object_id, codec.predictors)
    if reader.received != received:
        raise Undecodable("the object's sealed facts are not those of the reception")
    for _ in reader.pieces():
        continue
    return reader.facts


def _streams(content: Content, predictor: Predictor, distance: int) -> Iterator[FrameStream]:
    layout, pixels = content.cut.layout, content.cut.pixels
    if layout is None or pixels is None:
        raise DataFault("frames of a dataset that has none")
    shape = FrameShape.of(layout)
    end = pixels[0] + layout.frames * layout.frame_bytes
    stored = ranges(content.dataset, layout.frame_bytes, pixels[0], end)
    words = (frame_words(frame, shape) for frame in stored)
    yield from encode_frames(words, predictor, hints(layout), distance)
