"""What an examination says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One weakness or fault, and what to do about it."""

    about: str
    """Its name, for scripts: it stays when the words change."""
    detail: str
    """Free of patient data and secrets."""
    remedy: str
