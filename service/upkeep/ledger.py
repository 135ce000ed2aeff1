"""What the audit trail says of receptions, objects, keys and nodes: the record outside of them.

An object and its row, both set back to an earlier state that was sound, look sound. The trail, one
hash chain whose head is kept elsewhere too, has the later state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from service.index import Servable
from service.index.trail import Entry, Trail

Serve = Literal["newest", "first"]


class Ledger:
    """The trail's last word on each reception, key and node. It follows when it is asked."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._position = 0
        self.stored: dict[bytes, str] = {}
        """Entry ids, with the SOP Instance UID of each."""
        self.serve: dict[bytes, Serve] = {}
        """Entry ids of later revisions, with the setting that chose the served one then."""
        self.keys: dict[bytes, str] = {}
        """Archive keys that the trail names, the latest last: ``active`` or ``retired``."""
        self.nodes: dict[str, Mapping[str, Any]] = {}
        """AE titles of nodes, with the values that each was last given."""
        self.users: dict[str, Mapping[str, Any]] = {}
        """Usernames, likewise."""
        self._objects: dict[bytes, bytes] = {}
        self._entries: dict[bytes, bytes] = {}
        self.follow()

    def stale(self, servable: Servable) -> str | None:
        """Say how a row and its object are older than the trail; None where they are not."""
        if self._is_latest(servable):
            return None
        self.follow()
        if self._is_latest(servable):
            return None
        return f"the trail says that object {self._objects[servable.entry_id].hex()} holds it now"

    def follow(self) -> None:
        """Read what the trail got since the last look."""
        for entry in self._trail.entries(after=self._position):
            self._take(entry)
            self._position = entry.position

    def _is_latest(self, servable: Servable) -> bool:
        latest = self._objects.get(servable.entry_id)
        return latest is None or latest == servable.object_id

    def _take(self, entry: Entry) -> None:
        details = entry.details
        match entry.event:
            case "stored":
                self._store(_id(details.get("entry")), details)
            case "archived":
                self._holds(_id(details.get("entry")), _id(details.get("object")))
            case "sent again":
                self._objects.pop(_id(details.get("entry")), None)
            case "resealed":
                before = self._entries.get(_id(details.get("before")))
                if before is not None:
                    self._holds(before, _id(details.get("object")))
            case _:
                self._take_other(entry)

    def _take_other(self, entry: Entry) -> None:
        """Take what is said of the whole index, of keys and of nodes."""
        details = entry.details
        match entry.event:
            case "index rebuilt":
                # What came before was decided anew, by the setting of then.
                serve: Serve = "first" if details.get("serve") == "first" else "newest"
                self.serve = dict.fromkeys(self.stored, serve)
            case "archive initialised" | "key rotated" | "key retired":
                state = "retired" if entry.event == "key retired" else "active"
                self.keys.pop(_id(details.get("key")), None)
                self.keys[_id(details.get("key"))] = state
            case "node added":
                self.nodes[str(details.get("ae_title"))] = details
            case "node removed":
                self.nodes.pop(str(details.get("ae_title")), None)
            case "user added":
                self.users[str(details.get("username"))] = details
            case "user removed":
                self.users.pop(str(details.get("username")), None)

    def _store(self, entry_id: bytes, details: Mapping[str, Any]) -> None:
        self.stored[entry_id] = str(details.get("sop_instance_uid", ""))
        if details.get("serve") in ("newest", "first"):
            self.serve[entry_id] = details["serve"]

    def _holds(self, entry_id: bytes, object_id: bytes) -> None:
        self._objects[entry_id] = object_id
        self._entries[object_id] = entry_id


def _id(text: object) -> bytes:
    """Read an id; one that is malformed names nothing (:meth:`Trail.verify` is what tells)."""
    try:
        return bytes.fromhex(str(text))
    except ValueError:
        return b""
