"""The suite that every root secret passes: what docs/format.md and the protocol promise of them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from service.errors import Fault, KeyringFault, WrongSecret
from service.keys import KeyringBackups, KeyStore, RootSecrets
from tests.keys.conftest import Pair

KEYS = b'{"format": 1, "keys": "the plaintext of a keyring"}'


def test_it_opens_what_it_sealed_also_after_json(pair: Pair) -> None:
    assert pair.one.open(json.loads(json.dumps(pair.one.seal(KEYS)))) == KEYS
    assert pair.one.open(pair.one.seal(b"")) == b""


def test_it_seals_a_keyring_as_large_as_keyrings_get(pair: Pair) -> None:
    large = KEYS * (1_400_000 // len(KEYS))
    assert pair.one.open(pair.one.seal(large)) == large


def test_the_sealing_shows_neither_secret_nor_plaintext_and_is_new_each_time(pair: Pair) -> None:
    sealings = [json.dumps(pair.one.seal(KEYS)).encode() for _ in range(3)]
    assert len(set(sealings)) == 3
    for hidden in (KEYS, *pair.secrets):
        assert not any(hidden in sealing for sealing in sealings)


def test_another_secret_of_its_kind_does_not_open_it(pair: Pair) -> None:
    with pytest.raises(WrongSecret):
        pair.other.open(pair.one.seal(KEYS))


def test_no_field_of_the_sealing_can_change(pair: Pair) -> None:
    sealed = pair.one.seal(KEYS)
    for name, value in sealed.items():
        text = str(value)
        forged: list[object] = [
            text[:-1] + ("1" if text[-1:] != "1" else "2"),
            text[:-1],
            text + "0",
            "",
            None,
        ]
        for changed in (*forged, 10**9, -1):
            if changed != value:
                with pytest.raises(WrongSecret):
                    pair.one.open(sealed | {name: changed})


def test_a_field_more_or_less_is_refused(pair: Pair) -> None:
    sealed = pair.one.seal(KEYS)
    with pytest.raises(WrongSecret):
        pair.one.open(sealed | {"more": 1})
    for name in sealed:
        if name not in ("log2_n", "r", "p") or sealed[name]:
            with pytest.raises(WrongSecret):
                pair.one.open({key: value for key, value in sealed.items() if key != name})
    wrongs: list[Any] = [{}, [], "text", None]
    for wrong in wrongs:
        with pytest.raises(WrongSecret):
            pair.one.open(wrong)


def test_a_secret_that_cannot_be_had_is_an_io_fault(pair: Pair) -> None:
    sealed = pair.one.seal(KEYS)
    with pytest.raises(KeyringFault):
        pair.lost.open(sealed)
    with pytest.raises(KeyringFault):
        pair.lost.seal(KEYS)


def test_no_message_repeats_a_secret(pair: Pair) -> None:
    sealed = pair.one.seal(KEYS)
    told = [repr(pair.one), repr(pair.lost)]
    for secret, wrong in itertools.product(
        (pair.other, pair.lost), (sealed, {}, sealed | {"k": 1})
    ):
        with pytest.raises(Fault) as caught:
            secret.open(wrong)
        told += [str(caught.value), repr(caught.value)]
    for hidden in (KEYS, *pair.secrets):
        assert not any(hidden.decode() in text for text in told)


def test_a_keyring_lives_under_it(pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    store = KeyStore.create(path, pair.one)
    old = store.keyring.active
    store.rotate(KeyringBackups(tmp_path / "backups"))
    store.retire(old.key_id)
    assert KeyStore(path, pair.one).keyring == store.keyring
    store.rewrap(pair.other)
    assert KeyStore(path, pair.other).keyring == store.keyring
    with pytest.raises(WrongSecret):
        _ = KeyStore(path, pair.one).keyring


def test_beside_others_the_one_that_sealed_opens(pair: Pair) -> None:
    class Stranger:
        kind = "stranger"

        def seal(self, _: bytes) -> dict[str, object]:
            return {"kind": self.kind}

        def open(self, _: object) -> bytes:
            raise AssertionError("asked although another one sealed")

    both = RootSecrets([Stranger(), pair.one])
    assert both.kind == "stranger"
    assert both.seal(KEYS) == {"kind": "stranger"}
    assert both.open(pair.one.seal(KEYS)) == KEYS
    with pytest.raises(WrongSecret):
        RootSecrets([Stranger()]).open(pair.one.seal(KEYS))
