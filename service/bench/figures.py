"""Figures are drawn by matplotlib, which is of the extra `bench`."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from service.errors import NotInstalled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 100


def require_matplotlib() -> None:
    """See that figures can be drawn, before what they are to show is measured for minutes.

    Raises:
        NotInstalled: they cannot.
    """
    if find_spec("matplotlib") is None:
        raise NotInstalled("matplotlib: pip install radiolith[bench]")


def new_figure(width: float, height: float) -> Figure:
    """Give an empty figure, its sides in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", dpi=_DPI)
