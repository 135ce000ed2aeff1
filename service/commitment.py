"""Storage commitment (PS3.4 Annex J): the archive's word that it has archived and verified.

Transactions are rows of the index, which judges each item: success where every revision of the
instance is in a verified object; until then the answer waits, up to ``commitment.wait_s`` after the
request, and is 0x0110 after that, 0x0112 for an instance never received, 0x0119 for one of another
SOP class. A report goes out on the requesting association while it is open
(:mod:`dicom.commitment`), else on one that the housekeeper opens, by whoever claims it first; it is
tried again ``commitment.retries`` times, also after a restart.
"""

from __future__ import annotations

from collections.abc import Sequence

from dicom.archive import Commitment
from service.home import Home


class Commitments:
    """The storage commitment transactions of an archive, for one process."""

    def __init__(self, home: Home) -> None:
        self._index = home.index.commitments
        self._settings = home.settings.commitment

    def request(self, commitment: Commitment) -> None:
        """Record a request, durably."""
        self._index.add(commitment, self._settings.wait_s)

    def due(self) -> Sequence[Commitment]:
        """Name the transactions whose report is to be sent now, outcome filled in."""
        return self._index.due()

    def claim(self, commitment: Commitment) -> bool:
        """Take a due report on; False where another process or thread has done so."""
        return self._index.claim(commitment)

    def reported(self, commitment: Commitment, delivered: bool) -> None:
        """Record an attempt at a report that was claimed."""
        self._index.reported(
            commitment,
            delivered=delivered,
            retries=self._settings.retries,
            retry_s=self._settings.retry_s,
        )
