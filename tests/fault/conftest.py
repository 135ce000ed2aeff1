"""What the attacks need of the system."""

from collections.abc import Callable

import pytest


@pytest.fixture
def storescu(peer_tool: Callable[[str], str]) -> str:
    """DCMTK's C-STORE service class user."""
    return peer_tool("storescu")
