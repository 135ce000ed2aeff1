"""The worked example of docs/format-codec.md is what the codec reads and writes."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from codec import decode_frame
from models import registry
from tests.codec import reference_decoder

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "format-codec.md"


@pytest.fixture(scope="module")
def example() -> tuple[NDArray[np.uint16], bytes]:
    """The words and the stream of section 13."""
    section = DOCUMENT.read_text().split("## 13.")[1].split("## 14.")[0]
    blocks = re.findall(r"```\n(.*?)```", section, re.DOTALL)
    words = np.array([[int(n) for n in row.split()] for row in blocks[0].splitlines()], np.uint16)
    hexadecimal = "".join(line.split("|")[0] for line in blocks[1].splitlines())
    return words, bytes.fromhex(hexadecimal)


def test_the_fast_decoder_reads_the_example(example: tuple[NDArray[np.uint16], bytes]) -> None:
    words, stream = example
    shape = (words.shape[0], words.shape[1])
    assert np.array_equal(decode_frame(stream, shape, np.uint16, registry.all_models()), words)


def test_the_reference_reads_the_example(example: tuple[NDArray[np.uint16], bytes]) -> None:
    words, stream = example
    weights = files("models").joinpath("weights")
    models = {
        bytes.fromhex(entry.sha256)[:8]: reference_decoder.load_model(
            weights.joinpath(entry.file).read_bytes()
        )
        for entry in registry.entries()
    }
    shape = (words.shape[0], words.shape[1])
    assert np.array_equal(reference_decoder.decode(stream, shape, 2, models), words)
