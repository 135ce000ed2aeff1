"""A codec for instances without frames: models are loaded for none of them."""

from __future__ import annotations

from typing import Any

from service.encode import Codec


class _NoModel:
    """Is never asked."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a model was asked for {name}")


NO_CODEC = Codec(_NoModel(), {})
