"""What the audit trail says of receptions and objects: the record outside of rows and objects.

An object and its row, both set back to an earlier state that was sound, look sound. The trail, one
hash chain whose head is copied elsewhere by ``backup``, has the later state.
"""

from __future__ import annotations

from service.index import Servable
from service.index.trail import Entry, Trail


class Ledger:
    """The trail's last word on each reception."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._position = 0
        self.stored: dict[bytes, str] = {}
        """Entry ids, with the SOP Instance UID of each."""
        self._objects: dict[bytes, bytes] = {}
        self._entries: dict[bytes, bytes] = {}
        self._follow()

    def stale(self, servable: Servable) -> str | None:
        """Say how a row and its object are older than the trail; None where they are not."""
        if self._is_latest(servable):
            return None
        self._follow()
        if self._is_latest(servable):
            return None
        return f"the trail says that object {self._objects[servable.entry_id].hex()} holds it now"

    def _is_latest(self, servable: Servable) -> bool:
        latest = self._objects.get(servable.entry_id)
        return latest is None or latest == servable.object_id

    def _follow(self) -> None:
        """Read what the trail got since the last look."""
        for entry in self._trail.entries(after=self._position):
            self._take(entry)
            self._position = entry.position

    def _take(self, entry: Entry) -> None:
        details = entry.details
        if entry.event == "stored":
            uid = str(details.get("sop_instance_uid", ""))
            self.stored[_id(details.get("entry"))] = uid
        elif entry.event == "archived":
            self._holds(_id(details.get("entry")), _id(details.get("object")))
        elif entry.event == "resealed":
            before = self._entries.get(_id(details.get("before")))
            if before is not None:
                self._holds(before, _id(details.get("object")))

        elif entry.event == "purged":
            for revision in details.get("revisions", ()):
                self.stored.pop(_id(revision.get("entry")), None)

    def _holds(self, entry_id: bytes, object_id: bytes) -> None:
        self._objects[entry_id] = object_id
        self._entries[object_id] = entry_id


def _id(text: object) -> bytes:
    """Read an id; one that is malformed names nothing (:meth:`Trail.verify` is what tells)."""
    try:
        return bytes.fromhex(str(text))
    except ValueError:
        return b""
