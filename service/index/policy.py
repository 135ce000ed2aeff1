"""What the configuration decides about the index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from config.errors import SettingsError
from config.settings import Settings
from service.index.levels import REQUIRED_KEYS, Level, answerable


@dataclass(frozen=True, slots=True)
class Policy:
    """Choices of the administrator that adding and querying follow."""

    serve: Literal["newest", "first"] = "newest"
    """Which revision of an instance is served."""
    ae_title: str = "RADIOLITH"
    """What Retrieve AE Title (0008,0054) says."""
    keys: Mapping[Level, frozenset[str]] = field(default_factory=lambda: REQUIRED_KEYS)
    """Tags of the attributes that each level answers, besides the computed ones."""
    page: int = 200
    """Rows read at a time."""
    busy_timeout_s: float = 30.0

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        """Take the choices out of an archive's settings.

        Raises:
            SettingsError: a return key is no attribute, or not one of its level.
        """
        query = settings.query
        names = {
            Level.PATIENT: query.patient_keys,
            Level.STUDY: query.study_keys,
            Level.SERIES: query.series_keys,
            Level.IMAGE: query.image_keys,
        }
        return cls(
            serve=settings.duplicates.serve,
            ae_title=settings.service.ae_title,
            keys={level: _answerable(names[level], level) for level in Level},
            page=query.page,
            busy_timeout_s=settings.index.busy_timeout_s,
        )


def _answerable(names: Iterable[str], level: Level) -> frozenset[str]:
    try:
        return REQUIRED_KEYS[level] | answerable(names, level)
    except ValueError as error:
        raise SettingsError(f"query.{level.name.lower()}_keys: {error}") from None
