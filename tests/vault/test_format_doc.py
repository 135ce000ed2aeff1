"""The worked example of docs/format.md is opened with the rules of that page, and no code of ours.

Only the tests of agreement at the end use the package.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64decode
from collections.abc import Iterator
from importlib import resources
from io import BytesIO
from typing import Any

import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.sealing.clear import FORMAT_VERSION
from service.sealing.journal import JournalReader, entry_ids, entry_path
from service.sealing.parts import PartType
from service.sealing.reader import ObjectReader
from tests.vault.golden import DOCUMENT, GOLDEN, MARK, Case, cases
from tests.vault.helpers import FixedKeys, archive_key

Element = tuple[int, bytes]


@pytest.fixture(scope="module")
def document() -> str:
    return DOCUMENT.read_text("utf-8")


@pytest.fixture(scope="module")
def example(document: str) -> bytes:
    """The bytes of the example; each line's offset must be right."""
    data = b""
    for line in document.split(MARK)[1].splitlines():
        if line.strip():
            offset, rest = line.strip().split("  ", 1)
            text = rest.split("  ")[0].strip()
            assert int(offset, 16) == len(data), line
            data += bytes(0x80) if text == "00*80" else bytes.fromhex(text)
    return data


@pytest.fixture(scope="module")
def key(document: str) -> bytes:
    return bytes.fromhex(re.findall("(?m)^    key ([0-9a-f]{64})$", document)[0])


def number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def elements(data: bytes, offset: int) -> Iterator[tuple[int, int, bytes]]:
    """Offset, tag and value; items of Pixel Data come as elements of their own."""
    while offset < len(data):
        tag = number(data[offset : offset + 2]) << 16 | number(data[offset + 2 : offset + 4])
        if data[offset + 4 : offset + 6] == b"OB":
            start, length = offset + 12, number(data[offset + 8 : offset + 12])
        elif tag >> 16 == 0xFFFE:
            start, length = offset + 8, number(data[offset + 4 : offset + 8])
        else:
            start, length = offset + 8, number(data[offset + 6 : offset + 8])
        end = start if length == 0xFFFF_FFFF else start + length
        yield offset, tag, data[start:end]
        offset = end


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)


def open_part(part: bytes, key: bytes, clear: bytes) -> tuple[tuple[int, int, int], bytes]:
    kind, index, count = part[0], number(part[1:5]), number(part[5:9])
    length = number(part[9:13])
    assert part[13 + length :] in (b"", b"\0")
    nonce = kind.to_bytes(4, "big") + index.to_bytes(8, "big")
    associated = hashlib.sha256(clear).digest() + part[:13]
    return (kind, index, count), AESGCM(key).decrypt(nonce, part[13 : 13 + length], associated)


def test_the_example_opens_by_the_rules_of_the_page(example: bytes, key: bytes) -> None:
    assert example[:132] == bytes(128) + b"DICM"
    found = list(elements(example, 132))
    values = {tag: value for _, tag, value in found}
    assert values[0x0002_0010].rstrip(b"\0") == b"2.25.211984820031708903350228048561969067944"
    assert number(values[0x1071_1001]) == 1
    object_id, keys = values[0x1071_1002], values[0x1071_1003]
    _, salt, check = keys[:16], keys[16:48], keys[48:]

    file_key = hkdf(key, salt, b"radiolith 1|object|" + object_id, 32)
    assert hkdf(file_key, b"", b"radiolith 1|check", 16) == check
    clear = example[: next(offset for offset, tag, _ in found if tag == 0x1071_1010)]

    place, packed = open_part(values[0x1071_1010], file_key, clear)
    assert place == (1, 0, 1)
    record, head, tail = unpack(packed, number(values[0x1071_1005]))
    items = [value for _, tag, value in found if tag == 0xFFFE_E000]
    table, frames = items[0], items[1:]
    body = b""
    for index, item in enumerate(frames):
        assert item[:20] == b"RLP\x01" + object_id
        place, stream = open_part(item[20:], file_key, clear)
        assert place == (2, index, len(frames))
        assert stream[0] == 0, "stored words, as docs/format-codec.md says"
        body += stream[1:]
    first = example.index(b"RLP\x01") - 8
    offsets = [offset - first for offset, tag, _ in found if tag == 0xFFFE_E000][1:]
    assert table == b"".join(offset.to_bytes(4, "little") for offset in offsets)

    dataset = head + body + tail
    assert len(dataset) == record["received"]["length"]
    assert hashlib.sha256(dataset).digest() == b64decode(record["received"]["sha256"] + "=")


def unpack(packed: bytes, dictionary: int) -> tuple[dict[str, Any], bytes, bytes]:
    file = resources.files("service.sealing") / "dictionaries" / f"{dictionary}.zdict"
    decompressor = zstandard.ZstdDecompressor(
        dict_data=zstandard.ZstdCompressionDict(file.read_bytes()),
        format=zstandard.FORMAT_ZSTD1_MAGICLESS,
    )
    content = decompressor.stream_reader(BytesIO(packed)).read()
    start = 4 + number(content[:4])
    record = json.loads(content[4:start])
    start += record["prefix"]
    end = start + record["head"]
    assert len(content) == end + record["tail"]
    return record, content[start:end], content[end:]


def test_the_example_is_the_golden_file(example: bytes, document: str, key: bytes) -> None:
    assert example == cases()[0].path.read_bytes()
    assert key == archive_key(1).secret
    assert f"    id  {archive_key(1).key_id.hex()}\n" in document


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_golden_objects_of_version_1_open(case: Case) -> None:
    with case.path.open("rb") as file:
        reader = ObjectReader(file, FixedKeys())
        assert reader.dataset() == case.dataset_path.read_bytes()
        assert reader.received == case.content.received
        assert reader.check_hints() is None


def test_the_golden_journal_entry_of_version_1_opens() -> None:
    (entry_id,) = entry_ids(GOLDEN)
    with JournalReader(entry_path(GOLDEN, entry_id), FixedKeys()) as entry:
        assert entry.dataset() == cases()[0].dataset_path.read_bytes()
        assert entry.received == cases()[0].content.received


def test_the_page_names_every_part_type_and_the_version(document: str) -> None:
    table = re.findall(r"(?m)^\| (\d+) \| ([a-z ]+) \|", document.split("## Object\n")[0])
    listed = {int(kind) for kind, what in table if " of " in what}
    assert listed == {int(kind) for kind in PartType}
    assert f"This is format version {FORMAT_VERSION}." in document
