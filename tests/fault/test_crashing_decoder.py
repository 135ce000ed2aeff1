"""A decoder that crashes over one image takes no worker with it, and no other request."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config.settings import Settings, load
from service.errors import Undecodable
from service.processes.transcoder import Transcoder
from tests.fault.failing import ARMED
from tests.service.made import EXPLICIT
from tests.service.test_transcoding import FILES, sample, uncompressed

CRASHES, OTHER = FILES[1], FILES[2]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("PYTHONPATH", str(ARMED), prepend=os.pathsep)
    monkeypatch.setenv("CRASHING_IMAGE", sample(tmp_path, CRASHES).sop_instance_uid)
    return load(tmp_path)


def test_a_decoder_that_crashes_fails_its_image_alone(tmp_path: Path, settings: Settings) -> None:
    crashing, other = sample(tmp_path, CRASHES), sample(tmp_path, OTHER)
    transcoder = Transcoder(settings)
    for _ in range(2):
        with pytest.raises(Undecodable, match="crashed"):
            transcoder.to_uncompressed(crashing.dataset(), crashing.transfer_syntax, EXPLICIT)
        given = transcoder.to_uncompressed(other.dataset(), other.transfer_syntax, EXPLICIT)
        assert given == uncompressed(other)
