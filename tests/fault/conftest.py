"""What the attacks need of the system."""

from collections.abc import Callable

import pytest


@pytest.fixture
def storescu(peer_tool: Callable[[str], str]) -> str:
    """DCMTK's C-STORE service class user."""
    return peer_tool("storescu")


@pytest.fixture
def strace(peer_tool: Callable[[str], str]) -> str:
    """What watches system calls, and sends signals at them."""
    return peer_tool("strace")
