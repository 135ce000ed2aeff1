"""The registry hands out released models, and this machine reproduces them."""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files

import pytest

from models import golden, registry
from models.network import Model, NetworkPredictor


def test_every_entry_loads_under_its_digest() -> None:
    models = registry.all_models()
    for entry in registry.entries():
        assert bytes.fromhex(entry.sha256)[:8] in models
    assert registry.default().digest in models


def test_this_machine_reproduces_the_golden_vectors() -> None:
    registry.self_test()


def changed() -> NetworkPredictor:
    """The default model with one weight changed by one."""
    stored = files("models").joinpath("weights", registry.entries()[0].file).read_bytes()
    model = Model.from_bytes(stored)
    weights = model.layers[1][0].weights.copy()
    weights[0, 0] += 1 if weights[0, 0] < 127 else -1
    model.layers[1][0].weights[:] = weights
    return NetworkPredictor(model.to_bytes())


def test_other_arithmetic_is_noticed() -> None:
    vectors = files("models").joinpath("weights", f"{registry.entries()[0].id}.golden").read_bytes()
    with pytest.raises(golden.GoldenError, match=r"phase1\.layer0"):
        golden.check(changed(), vectors)


def test_an_altered_weights_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = registry.entries()[0]
    other = registry.ModelEntry(
        entry.id, entry.file, sha256(b"").hexdigest(), entry.format, entry.training_set
    )
    with pytest.raises(registry.ModelError, match="is not the file of the manifest"):
        registry._load(other)
