"""Print how long the heads of the DICOM files under a folder are: measures for service/head.py."""

import sys
from pathlib import Path

from dicom.elements import PIXEL_DATA, Encoding, Truncated, top_level
from dicom.part10 import NotDicom, split_part10
from dicom.syntax import encoding


def head_size(file: bytes) -> int:
    """Give the bytes of a file's dataset before the Pixel Data value."""
    header = split_part10(file[: 1 << 16])
    syntax = encoding(header.transfer_syntax)
    dataset = memoryview(file)[header.dataset_offset :]
    try:
        for element, end in top_level(dataset, Encoding(syntax.is_explicit, syntax.is_little)):
            if element.tag >= PIXEL_DATA:
                return element.value if end > element.value else end
    except Truncated:
        return len(dataset)
    return len(dataset)


def main(folder: Path) -> None:
    """Print the quantiles."""
    sizes = []
    for path in sorted(folder.rglob("*.dcm")):
        try:
            sizes.append(head_size(path.read_bytes()))
        except NotDicom:
            print(f"{path.name}: not DICOM", file=sys.stderr)  # noqa: T201
    sizes.sort()
    for share in (0.5, 0.75, 0.9, 0.99, 1.0):
        longest = sizes[int(share * len(sizes)) - 1]
        print(f"{share:4.0%} of {len(sizes)} heads: at most {longest:,}")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
