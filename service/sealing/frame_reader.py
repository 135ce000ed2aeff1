"""The coded frames of one object: any of them, decoded from its key frame on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from codec import CodecError, Predictor, decode_frame
from service.errors import DataFault, Undecodable
from service.sealing.frames import Words, word_type
from service.sealing.header import FrameShape
from service.sealing.parts import PartType
from service.sealing.structure import Place
from service.sealing.writer import FrameStream

OpenPart = Callable[[Place, PartType, int, int], bytes]
"""Opens the part at a place, which is to be of that type, number and count."""


class FrameReader:
    """Decodes frames. The last one is kept, so that going through all decodes each once.

    A dependent frame is decoded with the one before it at hand. How far back its key frame lies,
    ``codec.key_frame_distance`` bounded when the object was written; the types of the parts tell.
    """

    def __init__(
        self,
        places: Sequence[Place],
        shape: FrameShape,
        predictors: Mapping[bytes, Predictor],
        open_part: OpenPart,
    ) -> None:
        self._places = places
        self._shape = shape
        self._predictors = predictors
        self._open_part = open_part
        self._number = -1
        self._words: tuple[Words, ...] = ()

    def words(self, number: int) -> Words:
        """Decode frame ``number``, from 0: allocated words, unsigned, (rows, columns), read-only.

        Raises:
            DataFault: it, or a frame that it needs, is not sound; the message names the frame, and
                the others that are lost with it.
        """
        if number != self._number:
            for each in range(self._first(number), number + 1):
                self._words = (self._decode(each),)
                self._number = each
        return self._words[0]

    def streams(self) -> Iterator[FrameStream]:
        """Open the frames without decoding them."""
        for number in range(len(self._places)):
            yield FrameStream(self._open(number), self._is_dependent(number))

    def _first(self, number: int) -> int:
        """Tell which frame to begin with: the key frame, or the one after the last decoded."""
        first = number
        while self._is_dependent(first) and first != self._number + 1:
            first -= 1
        return first

    def _is_dependent(self, number: int) -> bool:
        return number > 0 and self._places[number].type == PartType.DEPENDENT_FRAME

    def _decode(self, number: int) -> Words:
        shape = self._shape
        try:
            words = decode_frame(
                self._open(number),
                (shape.rows, shape.columns),
                word_type(shape),
                self._predictors,
                self._words if self._is_dependent(number) else (),
            )
        except CodecError as fault:
            told = f"frame {number + 1} of {shape.frames}: {fault}"
            raise Undecodable(told + self._lost_with(number)) from fault
        except DataFault as fault:
            raise type(fault)(f"{fault}{self._lost_with(number)}") from fault
        words.flags.writeable = False
        return words

    def _open(self, number: int) -> bytes:
        dependent = self._is_dependent(number)
        kind = PartType.DEPENDENT_FRAME if dependent else PartType.KEY_FRAME
        return self._open_part(self._places[number], kind, number, self._shape.frames)

    def _lost_with(self, number: int) -> str:
        """Name the frames that cannot be decoded without frame ``number``."""
        last = number
        while last + 1 < len(self._places) and self._is_dependent(last + 1):
            last += 1
        if last == number:
            return ""
        lost = f"frame {number + 2}" if last == number + 1 else f"frames {number + 2} to {last + 1}"
        return f"; {lost} cannot be decoded without it"
