"""How much one key may seal, and for how long: the argument, the count and the advice.

- The key of one file (:mod:`service.keys.derivation`) encrypts under nonces that are a part's type
  and index, the deterministic construction of NIST SP 800-38D section 8.2.1: no nonce repeats under
  it, whatever the number of parts, which four bytes of index bound to 2^32 of each type. The limit
  of 2^32 invocations in section 8.3 is for random nonces and does not apply. A part is at most
  2^28 bytes and one, of the 2^36 - 32 that section 5.2.1.1 allows.
- The key that seals the keyring is fresh at each writing and encrypts once (8.3 would allow 2^32).
- An archive key encrypts nothing. It is the input of HKDF, whose outputs for n sealings coincide
  only if two salts of 256 random bits do: for n = 2^32 with a probability below 2^-193, where
  section 8 asks for 2^-32. By that measure it never wears out.

So the mark of 2^32 sealings, and that of two years for a key that encrypts (NIST SP 800-57 part 1
revision 5, table 1), are set for another reason: what a leaked key opens should be bounded.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from service.keys.keyring import ArchiveKey, KeyState

if TYPE_CHECKING:
    from service.index.trail import Entry

MOST_SEALINGS: Final = 1 << 32
LONGEST_USE_S: Final = 2 * 365 * 86_400

_SEALING: Final = frozenset({"stored", "archived"})
"""Events of the trail that come with one sealing, of a journal entry or an object, under the key
that was active then. ``resealed`` names its key. Notes and snapshots are few, and not counted."""


def count_sealings(trail: Iterable[Entry], first: bytes) -> Counter[bytes]:
    """Count by key what was ever sealed, also what is gone; failed attempts are not in the trail.

    Args:
        trail: all of it.
        first: the key that was active at its beginning.
    """
    counts: Counter[bytes] = Counter()
    active = first
    for entry in trail:
        if entry.event == "key rotated":
            active = bytes.fromhex(str(entry.details["key"]))
        elif entry.event == "resealed":
            counts[bytes.fromhex(str(entry.details["key"]))] += 1
        elif entry.event in _SEALING:
            counts[active] += 1
    return counts


def advice(key: ArchiveKey, sealings: int) -> str:
    """Say why a key should be rotated out, or nothing."""
    if key.state is not KeyState.ACTIVE:
        return ""
    if sealings >= MOST_SEALINGS:
        return f"rotate: {sealings} sealings are enough for one key"
    if time.time() - key.created_at / 1e6 > LONGEST_USE_S:
        return "rotate: active for more than two years"
    return ""
