"""Where sealed objects live: one interface, and one conformance suite for all that implement it.

Order (docs/architecture.md, invariants 2 and 3): a draft is written and verified, then published;
only when :meth:`Draft.publish` has returned may a row say that the object exists. Removing goes the
other way: first the row, then the object.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from service.store.local import LocalStore

__all__ = ["Draft", "LocalStore", "ObjectStore"]


class Draft(Protocol):
    """An object being written. Leaving its ``with`` block unpublished leaves nothing behind."""

    @property
    def file(self) -> BinaryIO:
        """The draft's content: empty at first, readable, writable, seekable."""

    def publish(self, *, replace: bool = False) -> None:
        """Make the object durable under its id; on return it survives a power cut.

        Args:
            replace: put it in the place of another of that id, at once: one of the two is there
                at any moment. For repair alone.

        Raises:
            StoreFault, OutOfSpace: it could not be made durable; nothing is published.
            Conflict: an object of that id exists, and ``replace`` is off.
        """


class ObjectStore(Protocol):
    """Objects by id. Safe to use from several threads and processes.

    Every method raises StoreFault where the store fails.
    """

    def draft(self, object_id: bytes) -> AbstractContextManager[Draft]:
        """Begin to write an object.

        Raises:
            OutOfSpace: there is no room for it.
        """

    def open(self, object_id: bytes) -> BinaryIO:
        """Open an object for reading, seekable; the caller closes it.

        Raises:
            Missing: there is no such object.
        """

    def exists(self, object_id: bytes) -> bool:
        """Whether there is such an object."""

    def size(self, object_id: bytes) -> int:
        """Bytes of the object.

        Raises:
            Missing: there is no such object.
        """

    def ids(self) -> Iterator[bytes]:
        """Name every object, in ascending order; drafts are not objects."""

    def remove(self, object_id: bytes) -> None:
        """Remove an object durably; no fault if there is none."""

    def interrupted(self) -> list[bytes]:
        """Name the objects that were published, but whose writers did not end well after that.

        They never left their ``with`` block, or left it by an exception.

        Whether a row names such an object is for the caller to find out, before :meth:`sweep`.
        """

    def sweep(self) -> int:
        """Remove the drafts that a crash left; call before anything writes. Gives their number."""
