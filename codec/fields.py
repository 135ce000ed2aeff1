"""Small fields of a stream's header: numbers and blocks of bytes."""

from __future__ import annotations

from codec.errors import StreamError


def put_number(value: int) -> bytes:
    """A number in groups of seven bits, low first, the high bit set on all but the last."""
    groups = bytearray()
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def put_block(data: bytes) -> bytes:
    """Bytes preceded by their number."""
    return put_number(len(data)) + data


class FieldReader:
    """Takes fields off a stream from its start."""

    def __init__(self, stream: bytes) -> None:
        self._stream = stream
        self._position = 0

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes.

        Raises:
            StreamError: fewer are left.
        """
        if size > len(self._stream) - self._position:
            raise StreamError(f"the stream ends within a field of {size} bytes")
        field = self._stream[self._position : self._position + size]
        self._position += size
        return field

    def number(self, limit: int) -> int:
        """The next number.

        Raises:
            StreamError: it is larger than ``limit``, or the stream ends.
        """
        value = shift = 0
        while True:
            group = self.take(1)[0]
            value |= (group & 0x7F) << shift
            shift += 7
            if value > limit or shift > 35:
                raise StreamError(f"a number of the header is larger than {limit}")
            if group < 0x80:
                return value

    def block(self, limit: int) -> bytes:
        """The next block of at most ``limit`` bytes."""
        return self.take(self.number(limit))

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._stream) - self._position)
