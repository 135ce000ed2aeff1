"""The codec, once for all."""

import pytest

from service.encode import Codec
from service.processes.worker import load_codec


@pytest.fixture(scope="session")
def codec() -> Codec:
    """The shipped models, self-tested."""
    return load_codec()
