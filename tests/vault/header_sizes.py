"""Measure sealed headers: ``python -m tests.vault.header_sizes FOLDER [DICTIONARY...]``.

For every DICOM file of the folder, the head up to the Pixel Data is packed as an archive would; for
each dictionary file given (the shipped one otherwise), the mean size and time are printed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import zstandard

from dicom.cut import NeedMore, cut
from dicom.part10 import NotDicom, split_part10
from service.sealing import header
from service.sealing.header import SealedHeader
from tests.vault.helpers import reception


def headers(folder: Path) -> Iterator[SealedHeader]:
    for path in sorted(folder.rglob("*.dcm")):
        data = path.read_bytes()
        try:
            start = split_part10(data)
            dataset = data[start.dataset_offset :]
            place = cut(dataset, len(dataset), start.transfer_syntax)
        except (NotDicom, NeedMore):
            continue
        if place.pixels is not None:
            received = reception(dataset)
            head, tail = dataset[: place.pixels[0]], dataset[place.pixels[1] :]
            body = place.pixels[1] - place.pixels[0]
            yield SealedHeader(received, 1, received.received_at, None, body, 1 << 20, head, tail)


def measure(found: list[SealedHeader]) -> str:
    plain = sum(len(item.head) + len(item.tail) for item in found)
    started = time.process_time()
    packed = sum(len(chunk) for item in found for chunk in item.pack())
    seconds = time.process_time() - started
    each = len(found)
    return (
        f"{each} headers of {plain / each:.0f} bytes: {packed / each:.1f} bytes packed, "
        f"{1000 * seconds / each:.1f} ms each at level {header.LEVEL}"
    )


def main() -> None:
    found = list(headers(Path(sys.argv[1])))
    sys.stdout.write(f"shipped: {measure(found)}\n")
    for name in sys.argv[2:]:
        trained = zstandard.ZstdCompressionDict(Path(name).read_bytes())
        header.load_dictionary = lambda number, trained=trained: trained  # type: ignore[assignment]
        sys.stdout.write(f"{name}: {measure(found)}\n")


if __name__ == "__main__":
    main()
