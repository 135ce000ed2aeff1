"""The released models: which there are, and that this machine runs them exactly.

``MANIFEST.toml`` lists them. Released models stay: what they coded must decode for ever.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files

from codec.predictor import Predictor
from models.golden import check
from models.network import FORMAT_VERSION, NetworkPredictor

_PACKAGE = files("models")


class ModelError(Exception):
    """A model of the manifest is missing, altered or of a format that this version cannot read."""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A line of the manifest.

    Attributes:
        id: the model's name.
        file: its file under ``weights/``.
        sha256: of that file, hexadecimal; predictors are named by its first 8 bytes.
        format: the format version of the streams that it codes.
        training_set: SHA-256 over the digests of the files it was trained on.
    """

    id: str
    file: str
    sha256: str
    format: int
    training_set: str


@cache
def entries() -> tuple[ModelEntry, ...]:
    """All models of the manifest, the default one first."""
    manifest = tomllib.loads(_PACKAGE.joinpath("MANIFEST.toml").read_text())
    listed = [ModelEntry(**model) for model in manifest["model"]]
    return tuple(sorted(listed, key=lambda entry: entry.id != manifest["default"]))


@cache
def _load(entry: ModelEntry) -> NetworkPredictor:
    if entry.format != FORMAT_VERSION:
        raise ModelError(f"model {entry.id} has format {entry.format}, not {FORMAT_VERSION}")
    data = _PACKAGE.joinpath("weights", entry.file).read_bytes()
    if sha256(data).hexdigest() != entry.sha256:
        raise ModelError(f"model {entry.id}: {entry.file} is not the file of the manifest")
    return NetworkPredictor(data)


def default() -> Predictor:
    """The predictor to encode with.

    Raises:
        ModelError: its file is missing, altered or of another format.
    """
    return _load(entries()[0])


def self_test() -> None:
    """Reproduce every model's golden vectors: run it before coding on a machine.

    Raises:
        GoldenError: this machine does not compute what the models were released with.
        ModelError: a file is missing or altered.
    """
    for entry in entries():
        check(_load(entry), _PACKAGE.joinpath("weights", f"{entry.id}.golden").read_bytes())


def all_models() -> Mapping[bytes, Predictor]:
    """All predictors to decode with, by digest (8 bytes).

    Raises:
        ModelError: a file is missing, altered or of another format.
    """
    predictors = [_load(entry) for entry in entries()]
    return {predictor.digest: predictor for predictor in predictors}
