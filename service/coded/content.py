"""What a coded file holds: facts, everything but the samples, and the frames (docs/format.md)."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from codec import CodecError, Predictor, decode_general, encode_general
from service.coded.pictures import Picture, read_picture
from service.coded.png import Recipe, find_recipe
from service.errors import Truncated, Undecodable
from service.multi_frame import decode_frames, encode_frames
from service.sealing import record
from service.sealing.frames import Words, frame_bytes, word_type
from service.sealing.header import FrameShape
from service.sealing.writer import FrameStream

_LENGTH_BYTES: Final = 4
_KEY_FRAME_DISTANCE: Final = 1 << 30
"""A file is decoded as a whole: one key frame does."""


@dataclass(frozen=True, slots=True)
class Coded:
    """A file's parts.

    Attributes:
        facts: as they stand in the record, see docs/format.md.
        rest: all of the file but its samples, by the general path.
        streams: the frames, or none.
    """

    facts: dict[str, Any]
    rest: bytes
    streams: tuple[FrameStream, ...]

    @property
    def shape(self) -> FrameShape | None:
        """How the samples are laid out, where frames hold them."""
        shape = self.facts["shape"]
        return None if shape is None else FrameShape(**shape)

    def pack(self) -> bytes:
        """Write all parts one after the other."""
        text = record.to_json(self.facts)
        frames = b"".join(stream.content for stream in self.streams)
        return len(text).to_bytes(_LENGTH_BYTES, "little") + text + self.rest + frames


def encode_file(data: bytes, predictor: Predictor) -> Coded:
    """Code a file.

    Samples that stand in the file as they are go through the learned codec, and those of a PNG
    file that can be made again; any other file goes through the general path as it is.

    Raises:
        NoPicture: it is no grayscale DICOM, PNG, TIFF or PGM file.
    """
    picture = read_picture(data)
    facts = {"length": len(data), "sha256": hashlib.sha256(data).hexdigest(), "kind": picture.kind}
    if picture.start is not None and picture.shape is not None:
        end = picture.start + picture.shape.frames * picture.shape.frame_bytes
        facts |= {"start": picture.start, "shape": asdict(picture.shape), "png": None}
        return _coded(facts, data[: picture.start] + data[end:], encode_picture(picture, predictor))
    recipe = find_recipe(data, picture.frames[0]) if picture.kind == "png" else None
    if recipe is None:
        return _coded(facts | {"start": 0, "shape": None, "png": None}, data, ())
    words = picture.frames[0]
    shape = FrameShape(words.shape[0], words.shape[1], 1, words.itemsize, big_endian=True)
    told = {"call": recipe.call, "pieces": recipe.pieces, "before": len(recipe.before)}
    facts |= {"start": 0, "shape": asdict(shape), "png": told}
    rest = recipe.filters + recipe.before + recipe.after
    return _coded(facts, rest, encode_picture(picture, predictor))


def encode_picture(picture: Picture, predictor: Predictor) -> tuple[FrameStream, ...]:
    """Code a picture's frames."""
    coded = encode_frames(picture.frames, predictor, picture.hints, _KEY_FRAME_DISTANCE)
    return tuple(coded)


def unpack(content: bytes) -> Coded:
    """Read what :meth:`Coded.pack` wrote.

    Raises:
        Undecodable, Truncated: it is something else, or ends early.
    """
    end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    facts = record.from_json(content[_LENGTH_BYTES:end])
    try:
        rest, end = content[end : end + facts["rest"]], end + facts["rest"]
        streams = []
        for size, is_dependent in facts["frames"]:
            streams.append(FrameStream(content[end : end + size], is_dependent))
            end += size
    except (KeyError, TypeError, ValueError) as fault:
        raise Undecodable("the coded file's record is malformed") from fault
    if end != len(content):
        raise Truncated("the coded file does not end where its record says")
    return Coded(facts, rest, tuple(streams))


def decode_file(coded: Coded, predictors: Mapping[bytes, Predictor]) -> bytes:
    """Give the file back, compared with its SHA-256.

    Raises:
        Undecodable: it cannot be decoded, or is another file than was coded.
    """
    try:
        data = _decoded(coded, predictors)
    except CodecError as fault:
        raise Undecodable(f"the coded file: {fault}") from fault
    except (LookupError, TypeError, ValueError, zlib.error) as fault:
        raise Undecodable("the coded file's record is malformed") from fault
    if hashlib.sha256(data).hexdigest() != coded.facts["sha256"]:
        raise Undecodable("the decoded file has another SHA-256 than the one that was coded")
    return data


def decode_words(coded: Coded, predictors: Mapping[bytes, Predictor]) -> list[Words]:
    """Decode the frames alone; raises as :func:`codec.decode_frame` does."""
    shape = coded.shape
    if shape is None:
        return []
    size = (shape.rows, shape.columns)
    return list(decode_frames(coded.streams, size, word_type(shape), predictors))


def _coded(facts: dict[str, Any], rest: bytes, streams: tuple[FrameStream, ...]) -> Coded:
    packed = encode_general(rest)
    facts["rest"], facts["rest_length"] = len(packed), len(rest)
    facts["frames"] = [[len(stream.content), stream.is_dependent] for stream in streams]
    return Coded(facts, packed, streams)


def _decoded(coded: Coded, predictors: Mapping[bytes, Predictor]) -> bytes:
    facts, shape = coded.facts, coded.shape
    rest = decode_general(coded.rest, facts["rest_length"])
    words = decode_words(coded, predictors)
    if shape is None:
        return rest
    if facts["png"] is not None:
        return _recipe(facts["png"], rest, shape.rows).restore(words[0])
    samples = b"".join(frame_bytes(frame, shape) for frame in words)
    return rest[: facts["start"]] + samples + rest[facts["start"] :]


def _recipe(told: Mapping[str, Any], rest: bytes, rows: int) -> Recipe:
    level, window, memory, strategy = told["call"]
    end = rows + told["before"]
    call = (level, window, memory, strategy)
    return Recipe(rest[:rows], call, tuple(told["pieces"]), rest[rows:end], rest[end:])
