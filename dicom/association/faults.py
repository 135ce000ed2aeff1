"""How an association can end other than by an orderly release."""

from __future__ import annotations

from enum import IntEnum


class AbortReason(IntEnum):
    """Reason/Diag. of an A-ABORT PDU whose source is the service provider (PS3.8 Table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class AssociationFault(Exception):
    """An association ended early, or could not be opened."""


class ProtocolFault(AssociationFault):
    """The peer broke PS3.7 or PS3.8; it is told so by an A-ABORT with this reason."""

    def __init__(self, detail: str, reason: AbortReason = AbortReason.INVALID_PARAMETER) -> None:
        super().__init__(detail)
        self.reason = reason


class ConnectionLost(AssociationFault):
    """The transport connection failed or was closed."""


class TimedOut(AssociationFault):
    """The peer sent or took nothing for longer than the timeout."""


class PeerAborted(AssociationFault):
    """The peer sent an A-ABORT."""


class AssociationRejected(AssociationFault):
    """The peer answered with an A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""

    def __init__(self, result: int, source: int, reason: int) -> None:
        super().__init__(f"rejected: result {result}, source {source}, reason {reason}")
        self.result = result
        self.source = source
        self.reason = reason
