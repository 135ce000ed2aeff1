"""Seeded harm to an archive, and what the audit has to call it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from service.index import RevisionFacts
from service.sealing.clear import read_clear
from service.sealing.parts import HEADER_BYTES
from service.upkeep.anchor import ANCHOR
from service.upkeep.kinds import Kind
from tests.integrity.victim import Victim, put

NAMED = frozenset(
    {
        Kind.TRUNCATED,
        Kind.ALTERED,
        Kind.SWAPPED,
        Kind.WRONG_INSTANCE,
        Kind.WRONG_KEY,
        Kind.UNDECODABLE,
    }
)
"""What a file can be called whose clear structure was altered: it depends on the place."""

ITEM = bytes.fromhex("feff00e0")
PIXEL_DATA = bytes.fromhex("e07f10004f420000ffffffff")
SEQUENCE_END = bytes.fromhex("feffdde000000000")


@dataclass(frozen=True)
class Harm:
    """What was done."""

    about: frozenset[str]
    """UIDs and names that faults may be about; one at least has to be."""
    kinds: frozenset[Kind]
    """What one of the faults has to be called."""
    others: bool = False
    """Whether rows of others may be named too: what was harmed is shared."""


Mutation = Callable[[Victim, Random], Harm]


def of(revision: RevisionFacts, *kinds: Kind) -> Harm:
    """Name harm to one revision."""
    servable = revision.servable
    names = [servable.sop_instance_uid, f"journal/{servable.entry_id.hex()}"]
    names += [servable.object_id.hex()] if servable.object_id else []
    return Harm(frozenset(names), frozenset(kinds or NAMED))


def flipped(content: bytes, bit: int) -> bytes:
    """Flip one bit."""
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def flip_clear(victim: Victim, random: Random) -> Harm:
    """Flip a bit of an object's clear elements."""
    revision = random.choice(victim.archived)
    path = victim.file(revision)
    with path.open("rb") as file:
        size = read_clear(file).size
    put(path, flipped(path.read_bytes(), random.randrange(8 * size)))
    return of(revision)


def flip_behind(victim: Victim, random: Random) -> Harm:
    """Flip a bit anywhere behind them: sealed header, tables, items, parts, end."""
    revision = random.choice(victim.archived)
    path = victim.file(revision)
    with path.open("rb") as file:
        size = read_clear(file).size
    content = path.read_bytes()
    put(path, flipped(content, random.randrange(8 * size, 8 * len(content))))
    return of(revision)


def flip_sealed_header(victim: Victim, random: Random) -> Harm:
    """Flip a bit of the ciphertext or tag of the sealed header."""
    revision = random.choice(victim.archived)
    path = victim.file(revision)
    with path.open("rb") as file:
        start = read_clear(file).size + 12 + HEADER_BYTES
    content = path.read_bytes()
    length = int.from_bytes(content[start - 4 : start], "little")
    put(path, flipped(content, random.randrange(8 * start, 8 * (start + length))))
    return of(revision, Kind.ALTERED)


def flip_frame(victim: Victim, random: Random) -> Harm:
    """Flip a bit of the ciphertext or tag of a coded frame."""
    revision, content, items = _framed(victim, random)
    start, end = random.choice(items)
    first = start + 8 + 4 + 16 + HEADER_BYTES
    length = int.from_bytes(content[first - 4 : first], "little")
    put(victim.file(revision), flipped(content, random.randrange(8 * first, 8 * (first + length))))
    assert first + length <= end
    return of(revision, Kind.ALTERED)


def truncate(victim: Victim, random: Random) -> Harm:
    """Cut an object or a journal entry short."""
    revision = random.choice(victim.revisions)
    content = victim.file(revision).read_bytes()
    put(victim.file(revision), content[: random.randrange(len(content))])
    return of(revision, Kind.TRUNCATED)


def lengthen(victim: Victim, random: Random) -> Harm:
    """Let bytes follow the end."""
    revision = random.choice(victim.revisions)
    content = victim.file(revision).read_bytes()
    put(victim.file(revision), content + random.randbytes(random.randrange(1, 100)))
    return of(revision, Kind.ALTERED, Kind.TRUNCATED)


def overwrite(victim: Victim, random: Random) -> Harm:
    """Write noise, or nought, over a stretch of a file."""
    revision = random.choice(victim.revisions)
    content = bytearray(victim.file(revision).read_bytes())
    start = random.randrange(len(content) - 1)
    stretch = slice(start, min(len(content), start + random.randrange(1, 4096)))
    length = stretch.stop - stretch.start
    before = content[stretch]
    content[stretch] = random.choice([random.randbytes(length), bytes(length)])
    if content[stretch] == before:
        content[start] ^= 1
    put(victim.file(revision), bytes(content))
    return of(revision)


def exchange_files(victim: Victim, random: Random) -> Harm:
    """Exchange two objects, or two journal entries."""
    pool = random.choice([victim.archived, victim.journalled])
    one, two = random.sample(pool, 2)
    contents = [victim.file(revision).read_bytes() for revision in (two, one)]
    put(victim.file(one), contents[0])
    put(victim.file(two), contents[1])
    about = of(one).about | of(two).about
    return Harm(about, frozenset({Kind.WRONG_INSTANCE}))


def replace_file(victim: Victim, random: Random) -> Harm:
    """Put another object in the place of one: of the same instance's other revision, perhaps."""
    one, two = random.sample(victim.archived, 2)
    put(victim.file(one), victim.file(two).read_bytes())
    return of(one, Kind.WRONG_INSTANCE)


def exchange_frames(victim: Victim, random: Random) -> Harm:
    """Exchange two frames of an object."""
    revision, content, items = _framed(victim, random, least=2)
    (one, one_end), (two, two_end) = sorted(random.sample(items, 2))
    parts = [content[two:two_end], content[one_end:two], content[one:one_end]]
    put(victim.file(revision), content[:one] + b"".join(parts) + content[two_end:])
    return of(revision, Kind.SWAPPED, Kind.ALTERED)


def exchange_pixels(victim: Victim, random: Random) -> Harm:
    """Put the Pixel Data of one object behind the sealed header of another."""
    one, two = random.sample([each for each in victim.archived if _is_framed(victim, each)], 2)
    head, pixels = victim.file(one).read_bytes(), victim.file(two).read_bytes()
    joined = head[: head.index(PIXEL_DATA)] + pixels[pixels.index(PIXEL_DATA) :]
    put(victim.file(one), joined)
    return of(one, *(NAMED - {Kind.WRONG_KEY, Kind.UNDECODABLE, Kind.WRONG_INSTANCE}))


def foreign_frame(victim: Victim, random: Random) -> Harm:
    """Put a frame of another object, object id mended, in the place of one."""
    one, content, items = _framed(victim, random)
    _, theirs, other_items = _framed(victim, random, but=one)
    start, end = random.choice(items)
    other, other_end = random.choice(other_items)
    item = theirs[other : other + 12] + content[start + 12 : start + 28]
    item += theirs[other + 28 : other_end]
    put(victim.file(one), content[:start] + item + content[end:])
    return of(one, Kind.ALTERED, Kind.SWAPPED)


def delete_file(victim: Victim, random: Random) -> Harm:
    """Delete an object or a journal entry."""
    revision = random.choice(victim.revisions)
    victim.file(revision).unlink()
    return of(revision, Kind.MISSING)


def orphan(victim: Victim, random: Random) -> Harm:
    """Leave a file that no row names: a copy of another, or noise."""
    object_id = random.randbytes(16)
    content = random.choice(
        [random.randbytes(99), b"", victim.file(random.choice(victim.archived)).read_bytes()]
    )
    if random.random() < 0.5:
        put(victim.object_file(object_id), content)
        return Harm(frozenset({object_id.hex()}), frozenset({Kind.ORPHANED}))
    put(victim.home.journal / f"{object_id.hex()}.entry", content)
    return Harm(frozenset({f"journal/{object_id.hex()}"}), frozenset({Kind.ORPHANED}))


def stray(victim: Victim, random: Random) -> Harm:
    """Leave a file in the store that is no object, or an object in the wrong folder."""
    name = random.randbytes(16).hex()
    where = random.choice([f"{name}.dcm", f"00/00/ff{name[2:]}.dcm", f"{name[:2]}/x", "zz/y.txt"])
    put(victim.store / where, random.randbytes(9))
    return Harm(frozenset({where}), frozenset({Kind.ORPHANED}))


def flip_entry(victim: Victim, random: Random) -> Harm:
    """Flip a bit of a journal entry."""
    revision = random.choice(victim.journalled)
    content = victim.file(revision).read_bytes()
    put(victim.file(revision), flipped(content, random.randrange(8 * len(content))))
    return of(revision)


def harm_note(victim: Victim, random: Random) -> Harm:
    """Flip a bit of a decision's note, cut it short, or exchange two."""
    one, two = random.sample(victim.notes, 2)
    content = one.read_bytes()
    how = random.randrange(3)
    if how == 0:
        put(one, flipped(content, random.randrange(8 * len(content))))
        return Harm(frozenset({f"notes/{one.stem}"}), NAMED, others=True)
    if how == 1:
        put(one, content[: random.randrange(len(content))])
        return Harm(frozenset({f"notes/{one.stem}"}), frozenset({Kind.TRUNCATED}), others=True)
    put(one, two.read_bytes())
    put(two, content)
    names = frozenset({f"notes/{one.stem}", f"notes/{two.stem}"})
    return Harm(names, frozenset({Kind.WRONG_INSTANCE}), others=True)


def delete_note(victim: Victim, random: Random) -> Harm:
    """Delete a decision's note: the rows still say what it decided, and nothing sealed does."""
    random.choice(victim.notes).unlink()
    return Harm(frozenset({"notes/"}), frozenset({Kind.MISSING}), others=True)


def harm_anchor(victim: Victim, random: Random) -> Harm:
    """Flip a bit of the trail's anchor, cut it short, or delete it."""
    path = victim.store / ANCHOR
    content = path.read_bytes()
    path.unlink()
    if random.random() < 0.9:
        bit = random.randrange(8 * len(content))
        put(path, random.choice([flipped(content, bit), content[: bit // 8]]))
    return Harm(frozenset({ANCHOR}), NAMED | {Kind.MISSING})


def _is_framed(victim: Victim, revision: RevisionFacts) -> bool:
    return revision.coding == "frames"


def _framed(
    victim: Victim, random: Random, least: int = 1, but: RevisionFacts | None = None
) -> tuple[RevisionFacts, bytes, list[tuple[int, int]]]:
    """Choose an object of coded frames; give its bytes, and where the item of each frame is."""
    while True:
        revision = random.choice(victim.archived)
        if revision == but or not _is_framed(victim, revision):
            continue
        content = victim.file(revision).read_bytes()
        items = _items(content)
        if len(items) >= least:
            return revision, content, items


def _items(content: bytes) -> list[tuple[int, int]]:
    offset = content.index(PIXEL_DATA) + len(PIXEL_DATA)
    items = []
    while content[offset : offset + 8] != SEQUENCE_END:
        end = offset + 8 + int.from_bytes(content[offset + 4 : offset + 8], "little")
        items.append((offset, end))
        offset = end
    return items[1:]


FILES: list[Mutation] = [
    flip_clear, flip_behind, flip_sealed_header, flip_frame, flip_entry, truncate, lengthen,
    overwrite, exchange_files, replace_file, exchange_frames, exchange_pixels, foreign_frame,
    delete_file, orphan, stray, harm_note, delete_note, harm_anchor,
]  # fmt: skip
