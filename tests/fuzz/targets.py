"""All targets, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.fuzz import datasets, network, queries, sealed, streams
from tests.fuzz.target import Target

CORPUS: Final = Path(__file__).parent / "corpus"
"""A folder for each target: cases worth trying again, failures found among them."""

ALL: Final = {
    target.name: target
    for module in (network, datasets, queries, sealed, streams)
    for target in module.TARGETS
}


def saved(target: Target) -> list[bytes]:
    """Give a target's saved cases and its seeds."""
    paths = sorted((CORPUS / target.name).glob("*"))
    return [*(path.read_bytes() for path in paths), *target.seeds()]
