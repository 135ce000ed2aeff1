"""DIMSE statuses and failure reasons, by service (PS3.7 Annex C, PS3.4)."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """Statuses that more than one service answers (PS3.7 Annex C)."""

    SUCCESS = 0x0000
    NO_SUCH_ATTRIBUTE = 0x0105
    """C.5.11"""
    INVALID_ATTRIBUTE_VALUE = 0x0106
    """C.5.7"""
    PROCESSING_FAILURE = 0x0110
    """C.5.21"""
    DUPLICATE_INVOCATION = 0x0210
    """C.5.9"""
    UNRECOGNIZED_OPERATION = 0x0211
    """C.5.24"""
    MISTYPED_ARGUMENT = 0x0212
    """C.5.17"""
    NO_SUCH_SOP_INSTANCE = 0x0112
    """C.5.19"""
    NO_SUCH_ACTION = 0x0123
    """C.5.10"""
    NO_SUCH_SOP_CLASS = 0x0118
    """C.5.20"""
    CLASS_INSTANCE_CONFLICT = 0x0119
    """C.5.6"""
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    """C.5.22"""
    NOT_AUTHORIZED = 0x0124
    """C.5.18"""
    RESOURCE_LIMITATION = 0x0213
    """C.5.22, also as a commitment's Failure Reason (PS3.3 C.14.1.1)"""
    CANCEL = 0xFE00
    """C.2"""
    PENDING = 0xFF00
    """C.1.3"""


class StoreStatus(IntEnum):
    """C-STORE responses (PS3.4 Table B.2-1)."""

    OUT_OF_RESOURCES = 0xA700
    DATASET_DOES_NOT_MATCH_SOP_CLASS = 0xA900
    CANNOT_UNDERSTAND = 0xC000
    COERCION_OF_DATA_ELEMENTS = 0xB000
    ELEMENTS_DISCARDED = 0xB006
    DATASET_DOES_NOT_MATCH_SOP_CLASS_WARNING = 0xB007


class FindStatus(IntEnum):
    """C-FIND responses (PS3.4 Table C.4-1)."""

    OUT_OF_RESOURCES = 0xA700
    IDENTIFIER_DOES_NOT_MATCH_SOP_CLASS = 0xA900
    UNABLE_TO_PROCESS = 0xC000
    PENDING_OPTIONAL_KEYS_UNSUPPORTED = 0xFF01


class RetrieveStatus(IntEnum):
    """C-MOVE and C-GET responses (PS3.4 Tables C.4-2 and C.4-3)."""

    OUT_OF_RESOURCES_MATCHES = 0xA701
    OUT_OF_RESOURCES_SUBOPERATIONS = 0xA702
    MOVE_DESTINATION_UNKNOWN = 0xA801
    IDENTIFIER_DOES_NOT_MATCH_SOP_CLASS = 0xA900
    UNABLE_TO_PROCESS = 0xC000
    SUBOPERATIONS_WITH_FAILURES = 0xB000
    """Complete, with one or more failures or warnings."""


class FailureReason(IntEnum):
    """Failure Reason (0008,1197) of storage commitment (PS3.3 C.14.1.1)."""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_OBJECT_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119
    REFERENCED_SOP_CLASS_NOT_SUPPORTED = 0x0122
    DUPLICATE_TRANSACTION_UID = 0x0131
    RESOURCE_LIMITATION = 0x0213
