"""The archive's figures in Prometheus' text format, for node_exporter's textfile collector.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from service.index import Statistics
    from service.index.replication import Lag

_SECOND: Final = 1_000_000

_HELP: Final = {
    "patients": "Patients that queries find.",
    "studies": "Studies that queries find.",
    "series": "Series that queries find.",
    "instances": "Instances that queries find.",
    "hidden": "Instances that are deleted but not purged yet, or rejected.",
    "revisions": "Distinct byte strings received.",
    "quarantined": "Revisions that wait for an administrator's decision.",
    "damaged": "Revisions that were found damaged when they were last read.",
    "journal": "Revisions that are not archived yet.",
    "objects": "Sealed objects.",
    "received_bytes": "Bytes of all archived datasets as they came.",
    "stored_bytes": "Bytes of their objects.",
    "refused_users": "Associations refused since a user was not proven.",
}
_REPLICA_HELP: Final = {
    "waiting": "Objects that the replica is not known to hold.",
    "removals": "Files that are still to leave the replica.",
    "read_objects": "Objects that had to be read from the replica and are not repaired.",
    "damaged": "Copies in the replica that were found damaged when they were last read.",
}
_OLDEST: Final = "oldest_verification_timestamp_seconds"
_OLDEST_HELP: Final = "When the object was last verified that has waited longest, Unix time."


def exposition(statistics: Statistics, replica: Lag | None) -> str:
    """Write every figure as a gauge; what there is none of is left out."""
    return "".join([*_gauges(statistics), *([] if replica is None else _replica_gauges(replica))])


def _gauges(statistics: Statistics) -> Iterator[str]:
    counted = asdict(statistics)
    for name, told in _HELP.items():
        yield _gauge(name, told, counted[name])
    if statistics.oldest_verification is not None:
        yield _gauge(_OLDEST, _OLDEST_HELP, statistics.oldest_verification / _SECOND)


def _replica_gauges(lag: Lag) -> Iterator[str]:
    counted = asdict(lag)
    for name, told in _REPLICA_HELP.items():
        yield _gauge(f"replica_{name}", told, counted[name])


def _gauge(name: str, told: str, value: float) -> str:
    full = f"radiolith_{name}"
    return f"# HELP {full} {told}\n# TYPE {full} gauge\n{full} {value}\n"
