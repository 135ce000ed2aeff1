"""Storage sub-operations of C-MOVE and C-GET: C-STORE as SCU (PS3.4 B.2, C.4.2, C.4.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from dicom.archive import Archive, ArchiveFault, StoredInstance
from dicom.association import Association, Command, CommandField, Context
from dicom.contexts import UNCOMPRESSED_LITTLE
from dicom.elements import Buffer
from dicom.status import RetrieveStatus, Status

_MEDIUM = 0
_WARNINGS = range(0xB000, 0xC000)


@dataclass(slots=True)
class Tally:
    """Counts of the sub-operations of one retrieval (PS3.7 9.1.4.1)."""

    remaining: int
    completed: int = 0
    failed: int = 0
    warning: int = 0
    failed_uids: list[str] = field(default_factory=list)

    def count(self, instance: StoredInstance, status: int) -> None:
        """Take the status of one sub-operation."""
        self.remaining -= 1
        if status == Status.SUCCESS:
            self.completed += 1
        elif status in _WARNINGS:
            self.warning += 1
        else:
            self.failed += 1
            self.failed_uids.append(instance.sop_instance_uid)

    def on(self, response: Command) -> Command:
        """Put the counts on a response; Remaining belongs on Pending and Cancel only."""
        is_open = response.status in (Status.PENDING, Status.CANCEL)
        return replace(
            response,
            remaining=self.remaining if is_open else None,
            completed=self.completed,
            failed=self.failed,
            warning=self.warning,
        )

    def final_status(self) -> int:
        """Conclude from the counts (PS3.4 Tables C.4-2 and C.4-3)."""
        if not self.failed and not self.warning:
            return Status.SUCCESS
        if not self.completed and not self.warning:
            return RetrieveStatus.OUT_OF_RESOURCES_SUBOPERATIONS
        return RetrieveStatus.SUBOPERATIONS_WITH_FAILURES


@dataclass(frozen=True, slots=True)
class Originator:
    """Who asked for a C-MOVE (PS3.7 9.1.1.1.6, 9.1.1.1.7)."""

    ae_title: str
    message_id: int | None


class StorageScu:
    """Sends instances over one association, in the encodings that its contexts allow."""

    def __init__(
        self,
        association: Association,
        archive: Archive,
        contexts: Sequence[Context],
        originator: Originator | None = None,
        *,
        coerced: bool = False,
    ) -> None:
        """Prepare to send.

        Args:
            association: an open association.
            archive: where the datasets come from.
            contexts: those contexts of the association in which the peer is SCP.
            originator: set for C-MOVE.
            coerced: whether the peer gets corrected attributes.
        """
        self._association = association
        self._archive = archive
        self._originator = originator
        self._coerced = coerced
        self._contexts = {
            (context.abstract_syntax, context.transfer_syntax): context.context_id
            for context in reversed(contexts)
        }

    def announce(self, instance: StoredInstance) -> None:
        """Let the archive prepare an instance that will be sent soon.

        Raises:
            ArchiveFault: the archive can prepare nothing; sending may yet succeed.
        """
        syntax = self._choose_syntax(instance)
        if syntax is not None:
            self._archive.prefetch(instance, _transcoding(instance, syntax))

    def send(self, instance: StoredInstance) -> int:
        """Perform one sub-operation.

        Returns:
            The peer's status, or that of the fault which kept the instance from being sent.

        Raises:
            AssociationFault: the association ended.
        """
        syntax = self._choose_syntax(instance)
        if syntax is None:
            return Status.SOP_CLASS_NOT_SUPPORTED
        context_id = self._contexts[instance.sop_class_uid, syntax]
        try:
            with self._dataset(instance, syntax) as dataset:
                response = self._association.exchange(context_id, self._request(instance), dataset)
        except ArchiveFault as fault:
            return fault.status
        return Status.PROCESSING_FAILURE if response.status is None else response.status

    def _choose_syntax(self, instance: StoredInstance) -> str | None:
        """Choose the stored encoding if the peer takes it, else the best uncompressed one."""
        choices = (instance.transfer_syntax, *UNCOMPRESSED_LITTLE)
        return next(
            (uid for uid in choices if (instance.sop_class_uid, uid) in self._contexts), None
        )

    @contextmanager
    def _dataset(self, instance: StoredInstance, syntax: str) -> Iterator[Buffer]:
        with self._archive.read(instance, _transcoding(instance, syntax)) as dataset:
            coerced = self._archive.coerce(instance, dataset, syntax) if self._coerced else None
            yield dataset if coerced is None else coerced

    def _request(self, instance: StoredInstance) -> Command:
        originator = self._originator
        return Command(
            CommandField.C_STORE,
            has_dataset=True,
            message_id=self._association.next_message_id(),
            priority=_MEDIUM,
            affected_sop_class_uid=instance.sop_class_uid,
            affected_sop_instance_uid=instance.sop_instance_uid,
            move_originator_ae=originator.ae_title if originator else None,
            move_originator_message_id=originator.message_id if originator else None,
        )


def _transcoding(instance: StoredInstance, syntax: str) -> str | None:
    """Name the syntax to transcode to, None where the peer takes the bytes received."""
    return None if syntax == instance.transfer_syntax else syntax
