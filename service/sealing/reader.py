"""Open an object: what it says in the clear, what is sealed, one frame, or the whole dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import BinaryIO, Final

from codec import CodecError, Predictor, decode_general
from service.errors import Altered, DataFault, Truncated, Undecodable, WrongInstance
from service.keys.derivation import Purpose, SealingKey
from service.keys.keystore import Keys
from service.records import ObjectFacts, Received
from service.sealing.clear import Clear, clear_uid, read_clear
from service.sealing.frame_reader import FrameReader
from service.sealing.frames import Words, frame_bytes
from service.sealing.header import SealedHeader
from service.sealing.parts import PartCipher, PartType
from service.sealing.source import Joined, Pieces, Source
from service.sealing.structure import Place, Structure
from service.sealing.writer import FrameStream

NO_PREDICTORS: Final[Mapping[bytes, Predictor]] = MappingProxyType({})


class ObjectReader:
    """One object, opened. Nothing is given out that is not authenticated. Use from one thread.

    Opening reads the clear elements and the sealed header; frames and body are found and read when
    asked for. Every method raises the faults of the constructor for what it reads.

    Args:
        file: the object, seekable; it stays the caller's to close.
        keys: the keyring that has the object's archive key.
        object_id: the id that the file's name says, where there is one.
        predictors: by digest, for frames that need one (``models.registry.all_models()``).

    Raises:
        Truncated: the file ends early.
        Altered: a byte is not the one that was written; the message says in which part.
        Swapped: a part stands in the wrong place, or comes from another object.
        WrongInstance: a whole and sound object, but another one than ``object_id``.
        WrongKey: the key that it names cannot open it, or is not in the keyring.
        Undecodable: it opens, but this version lacks what decodes it.
    """

    def __init__(
        self,
        file: BinaryIO,
        keys: Keys,
        object_id: bytes | None = None,
        predictors: Mapping[bytes, Predictor] = NO_PREDICTORS,
    ) -> None:
        self._file = file
        self._predictors = predictors
        file.seek(0)
        self.clear: Clear = read_clear(file)
        """What the object says without a key."""
        self._cipher = _cipher(self.clear, keys)
        self._structure = Structure(file, self.clear.size)
        self.header: SealedHeader = self._open_header()
        """Head, tail, and the facts of the reception."""
        self._confirm(object_id)

    @property
    def received(self) -> Received:
        """What was received, as sealed with it."""
        return self.header.received

    @property
    def facts(self) -> ObjectFacts:
        """What the index keeps of the object."""
        return ObjectFacts(
            object_id=self.clear.object_id,
            key_id=self.clear.key_id,
            size=self._structure.size,
            model=self.clear.model,
            coding="general" if self.header.frames is None else "frames",
            sealed_at=self.header.sealed_at,
        )

    @property
    def frames(self) -> int:
        """How many coded frames there are; 0 where the body is general."""
        return 0 if self.header.frames is None else self.header.frames.frames

    def frame(self, number: int) -> Words:
        """Decode frame ``number``, from 0: allocated words, unsigned, (rows, columns), read-only.

        Frames from its key frame on are decoded with it, but for those of the last call.
        """
        return self._frame_reader.words(number)

    def streams(self) -> Iterator[FrameStream]:
        """Open the coded frames without decoding them: what a re-encryption seals again."""
        return self._frame_reader.streams()

    def pieces(self) -> Iterator[bytes]:
        """Decode the dataset in order: head, then frame by frame or chunk by chunk, then tail.

        The SHA-256 is compared before the last piece is given.
        """
        digest = hashlib.sha256()
        for piece in self._before_tail():
            digest.update(piece)
            yield piece
        digest.update(self.header.tail)
        if digest.digest() != self.received.sha256:
            raise Undecodable("the decoded dataset has another SHA-256 than the received one")
        yield self.header.tail

    def dataset(self) -> bytes:
        """Decode the encoded dataset exactly as it was received, compared with its SHA-256."""
        return b"".join(self.pieces())

    def read_into(self, target: memoryview) -> None:
        """Decode the dataset into ``received.length`` bytes of the caller's.

        What stands in ``target`` after a fault is not the dataset.
        """
        offset = 0
        for piece in self.pieces():
            target[offset : offset + len(piece)] = piece
            offset += len(piece)

    @property
    def source(self) -> Source:
        """The encoded dataset, to read by ranges; its SHA-256 is not compared."""
        header = self.header
        if header.frames is None:
            return Joined(
                (header.head, Pieces(header.body, header.chunk, self._chunk), header.tail)
            )
        body = Pieces(header.body, header.frames.frame_bytes, self._frame_bytes)
        return Joined((header.head, body, header.tail))

    def body(self) -> Iterator[bytes]:
        """Decode the body alone: frame by frame, or chunk by chunk."""
        if self.frames:
            return (self._frame_bytes(number) for number in range(self.frames))
        return (self._chunk(number) for number in range(len(self._places)))

    def check_hints(self) -> DataFault | None:
        """Compare the table of offsets, which only other DICOM software reads, with the frames."""
        if self.header.frames is not None and not self._found[1]:
            return DataFault("the table of offsets before the frames is wrong")
        return None

    @cached_property
    def _found(self) -> tuple[list[Place], bool]:
        shape = self.header.frames
        if shape is not None:
            return self._structure.frames(self.clear.object_id, shape)
        places = self._structure.body_chunks()
        expected = -(-self.header.body // self.header.chunk)
        if len(places) != expected:
            kind = Truncated if len(places) < expected else Altered
            raise kind(f"{len(places)} chunks of {expected} are in the object's body")
        return places, True

    @property
    def _places(self) -> list[Place]:
        return self._found[0]

    @cached_property
    def _frame_reader(self) -> FrameReader:
        shape = self.header.frames
        if shape is None:
            raise IndexError("the object has no coded frames")
        return FrameReader(self._places, shape, self._predictors, self._open_part)

    def _before_tail(self) -> Iterator[bytes]:
        yield self.header.head
        yield from self.body()

    def _frame_bytes(self, number: int) -> bytes:
        shape = self.header.frames
        if shape is None:
            raise IndexError("the object has no coded frames")
        return frame_bytes(self._frame_reader.words(number), shape)

    def _chunk(self, number: int) -> bytes:
        place, count = self._places[number], len(self._places)
        last = number == count - 1
        sealed = self._open_part(place, PartType.BODY, number, count if last else 0)
        length = min(self.header.chunk, self.header.body - number * self.header.chunk)
        try:
            chunk = decode_general(sealed, length)
        except CodecError as fault:
            raise Undecodable(f"body, chunk {number + 1} of {count}: {fault}") from fault
        if len(chunk) != length:
            raise Undecodable(f"body, chunk {number + 1} of {count}: {len(chunk)} bytes")
        return chunk

    def _open_part(self, place: Place, kind: PartType, index: int, count: int) -> bytes:
        self._file.seek(place.offset)
        return self._cipher.open(kind, index, count, self._file.read(place.size))

    def _open_header(self) -> SealedHeader:
        places = self._structure.header_chunks()
        if not places:
            raise Truncated("the object has no sealed header")
        chunks = [
            self._open_part(
                place, PartType.HEADER, index, len(places) if index == len(places) - 1 else 0
            )
            for index, place in enumerate(places)
        ]
        return SealedHeader.unpack(chunks, self.clear.dictionary)

    def _confirm(self, object_id: bytes | None) -> None:
        if object_id is not None and object_id != self.clear.object_id:
            name, found = object_id.hex(), self.clear.object_id.hex()
            raise WrongInstance(f"the file of object {name} holds object {found}")
        if clear_uid(self.received.sop_instance_uid) != self.clear.sop_instance_uid:
            raise WrongInstance("the clear SOP Instance UID is not the sealed one")


def _cipher(clear: Clear, keys: Keys) -> PartCipher:
    archive_key = keys.keyring.get(clear.key_id)
    key = SealingKey.derive(
        clear.key_id, archive_key.secret, clear.salt, Purpose.OBJECT, clear.object_id
    )
    key.confirm(clear.check)
    return PartCipher(key, clear.digest)
