"""Index, trail, anchor, nodes and keyring, compared with one another: was one of them set back?

Each of them is sound by itself when it is an older copy of itself. The others remember.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from service.errors import DataFault, StoreFault
from service.home import KEYRING, Home
from service.index.trail import Break
from service.keys import Keyring, KeyState
from service.upkeep.anchor import ANCHOR, against, read_anchor
from service.upkeep.examine import AuditFault
from service.upkeep.kinds import Kind, kind_of
from service.upkeep.ledger import Ledger

INDEX: Final = "index"

Rows = Mapping[str, Mapping[str, Any]]

_LOOKS: Final = 5
_PAUSE_S: Final = 0.2
"""A rotation enters the trail some milliseconds after the keyring is written."""


def cross_check(home: Home, ledger: Ledger) -> Iterator[AuditFault]:
    """Name what was set back or edited, as far as the others tell (docs/threats.md).

    Raises:
        IoFault: index or keyring cannot be read.
    """
    ledger.follow()
    for detail in home.index.faults():
        yield AuditFault("", INDEX, Kind.ROW_MISMATCH.value, detail)
    for found in home.index.trail.verify():
        yield _trail_fault(found)
    yield from _anchor(home)
    yield from _keyring(home, ledger)
    yield from _edited("nodes", home.index.nodes.rows, ledger, ledger.nodes)
    yield from _edited("users", home.index.users.rows, ledger, ledger.users)


def _trail_fault(found: Break) -> AuditFault:
    detail = f"{found.kind}: {found.detail}"
    return AuditFault("", f"trail/{found.position}", Kind.TRAIL_BROKEN.value, detail)


def anchor_breaks(home: Home) -> list[Break]:
    """Name what the anchor has against the trail, as :meth:`Trail.verify` names its breaks."""
    position, _ = home.index.trail.head()
    return [Break(position, fault.kind, fault.detail) for fault in _anchor(home)]


def _anchor(home: Home) -> Iterator[AuditFault]:
    try:
        anchor = read_anchor(home.keys, home.settings.store.path)
        said = against(home.index.trail, anchor)
    except DataFault as fault:
        yield AuditFault("", ANCHOR, kind_of(fault).value, str(fault))
        return
    except StoreFault as fault:
        yield AuditFault("", ANCHOR, Kind.MISSING.value, str(fault))
        return
    if said is not None:
        yield AuditFault("", ANCHOR, Kind.STALE.value, said)


def _keyring(home: Home, ledger: Ledger) -> Iterator[AuditFault]:
    """Compare the keys with what the trail says became of them."""
    states = {key.key_id: key.state for key in _settled_keyring(home, ledger).keys}
    latest = next((key for key, state in reversed(ledger.keys.items()) if state == "active"), None)
    for key_id, state in ledger.keys.items():
        found, name = states.get(key_id), key_id.hex()
        if found is None:
            yield _stale(f"the trail has key {name}, the keyring does not")
        elif state == "retired" and found is not KeyState.RETIRED:
            yield _stale(f"the trail says that key {name} was retired; here it is {found.value}")
    active = next(key for key, state in states.items() if state is KeyState.ACTIVE)
    if active in ledger.keys and active != latest and latest in states:
        yield _stale(f"key {active.hex()} is active; the trail has one that came after it")
    elif ledger.keys and active not in ledger.keys:
        detail = (
            f"the trail does not have the active key {active.hex()}: the index was set back, or"
        )
        yield AuditFault("", INDEX, Kind.STALE.value, f"{detail} a rotation did not end")


def _settled_keyring(home: Home, ledger: Ledger) -> Keyring:
    """Give the keyring; a rotation that is under way gets a moment to enter the trail."""
    keyring = home.keys.keyring
    for _ in range(_LOOKS):
        ledger.follow()
        if keyring.active.key_id in ledger.keys or not ledger.keys:
            break
        time.sleep(_PAUSE_S)
        keyring = home.keys.keyring
    return keyring


def _stale(detail: str) -> AuditFault:
    return AuditFault("", KEYRING, Kind.STALE.value, f"{detail}: an older keyring")


def _edited(
    table: str, look: Callable[[], Rows], ledger: Ledger, told: Rows
) -> Iterator[AuditFault]:
    """Compare nodes or users with what the trail says each was last given."""
    rows = look()
    ledger.follow()
    names = [name for name in {*rows, *told} if _is_edited(name, rows, told)]
    now = look()
    for name in names:
        if now.get(name) == rows.get(name):
            detail = "not as the trail has it"
            yield AuditFault("", f"{table}/{name}", Kind.ROW_MISMATCH.value, detail)


def _is_edited(name: str, rows: Rows, told: Rows) -> bool:
    if name not in rows or name not in told:
        return True
    return any(rows[name].get(column) != value for column, value in told[name].items())
