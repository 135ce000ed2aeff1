"""Write the golden files of format version 1 and the example of docs/format.md.

``python -m tests.vault.golden``. Everything is synthetic and fixed: keys, ids, salts, times. A
released golden file is never written again; a new format version adds files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from codec.frame import STORED
from service.keys import Purpose, SealingKey
from service.sealing.journal import JournalWriter
from service.sealing.parts import PartHeader, PartType
from service.sealing.writer import Content, EncodedFrames, FrameStream, Sealing, write_object
from tests.vault.helpers import FixedKeys, archive_key
from tests.vault.objects import content_of, fixed_random, image, smooth

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
DOCUMENT = ROOT / "docs" / "format.md"
MARK = "<!-- example -->\n"
SEALED_AT = 1_790_000_001_000_000


@dataclass(frozen=True)
class Case:
    """One golden object and what it must give back."""

    name: str
    content: Content
    frames: bool

    @property
    def path(self) -> Path:
        return GOLDEN / f"v1-{self.name}.dcm"

    @property
    def dataset_path(self) -> Path:
        return GOLDEN / f"v1-{self.name}.dataset"


def cases() -> list[Case]:
    rgb = np.arange(2 * 3 * 12, dtype=np.uint8).reshape(2, 3, 12)
    return [
        Case("frames", content_of(image(smooth(2, 2, 2))), True),
        Case("colour", content_of(image(rgb, samples=3)), False),
        Case("whole", content_of(b"not a dataset", "1.2.840.10008.1.2.4.90"), False),
    ]


def seal_case(case: Case) -> bytes:
    draw = fixed_random(case.name.encode())
    key, object_id = archive_key(1), draw(16)
    sealing = Sealing(
        object_id,
        SealingKey.fresh(key.key_id, key.secret, Purpose.OBJECT, object_id, draw),
        SEALED_AT,
    )
    out = BytesIO()
    write_object(out, sealing, case.content, raw_frames(case.content) if case.frames else None)
    return out.getvalue()


def raw_frames(content: Content) -> EncodedFrames:
    """Frames by the codec's plainest method, so that no model is needed to read them."""
    layout, pixels = content.cut.layout, content.cut.pixels
    assert layout is not None
    assert pixels is not None
    size = layout.frame_bytes
    starts = range(pixels[0], pixels[0] + layout.frames * size, size)
    streams = [bytes([STORED]) + bytes(content.dataset[start : start + size]) for start in starts]
    return EncodedFrames(
        [FrameStream(stream) for stream in streams], bytes.fromhex("0011223344556677")
    )


def lines(data: bytes) -> Iterator[str]:
    """The object as annotated hexadecimal, a line or more for each element, item and part."""
    for start, end, meaning in segments(data):
        for offset in range(start, end, 32):
            piece = data[offset : min(offset + 32, end)]
            if end - start == 128 and not any(data[start:end]):
                piece, text = data[start:end], "00*80"
            else:
                text = piece.hex(" ")
            yield f"{offset:04x}  {text:<95}  {meaning}".rstrip()
            meaning = ""
            if text == "00*80":
                break


def segments(data: bytes) -> Iterator[tuple[int, int, str]]:
    yield 0, 128, "preamble"
    yield 128, 132, "DICM"
    offset = 132
    while offset < len(data):
        tag = int.from_bytes(data[offset : offset + 2], "little") << 16 | int.from_bytes(
            data[offset + 2 : offset + 4], "little"
        )
        name = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
        is_long = data[offset + 4 : offset + 6] == b"OB"
        start = offset + (12 if is_long else 8)
        length = int.from_bytes(
            data[start - (4 if is_long or tag >> 16 == 0xFFFE else 2) : start], "little"
        )
        yield offset, start, name
        end = start if length == 0xFFFF_FFFF else start + length
        yield from values(data, start, end, tag)
        offset = end


def values(data: bytes, start: int, end: int, tag: int) -> Iterator[tuple[int, int, str]]:
    if tag == 0xFFFE_E000 and data[start : start + 3] == b"RLP":
        yield start, start + 4, "RLP 01"
        yield start + 4, start + 20, "object id"
        start += 20
    elif tag not in range(0x1071_1010, 0x1071_1100):
        yield from ((offset, min(offset + 32, end), "") for offset in range(start, end, 32))
        return
    header = PartHeader.unpack(data, start)
    kind = PartType(header.type).name.lower().replace("_", " ")
    what = f"part: {kind}, index {header.index}, count {header.count}"
    yield start, start + 13, what
    yield start + 13, start + header.size - 16, "ciphertext"
    yield start + header.size - 16, start + header.size, "tag"
    if start + header.size < end:
        yield start + header.size, end, "padding"


def write_entry() -> None:
    content = cases()[0].content
    draw: Callable[[int], bytes] = fixed_random(b"entry")
    received = content.received
    with_start = {"calling_ae": received.calling_ae}
    writer = JournalWriter(GOLDEN, FixedKeys(), received.entry_id, with_start, draw)
    writer.write(content.dataset[:])
    writer.finish(received)


def main() -> None:
    for case in cases():
        case.path.write_bytes(seal_case(case))
        case.dataset_path.write_bytes(case.content.dataset[:])
    write_entry()
    key = archive_key(1)
    text = DOCUMENT.read_text("utf-8").split(MARK)[0]
    text = re.sub("(?m)^    id  .*$", f"    id  {key.key_id.hex()}", text)
    text = re.sub("(?m)^    key [0-9a-f]+$", f"    key {key.secret.hex()}", text)
    block = "\n".join(f"    {line}" for line in lines(cases_bytes()))
    DOCUMENT.write_text(f"{text}{MARK}\n{block}\n", "utf-8")


def cases_bytes() -> bytes:
    return cases()[0].path.read_bytes()


if __name__ == "__main__":
    main()
