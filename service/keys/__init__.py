"""Archive keys: the keyring, the root secret that seals it, and what is derived from a key.

One archive key seals many objects, but never directly: every object and every journal entry has a
key of its own, derived with fresh salt (:mod:`service.keys.derivation`).
"""

from service.keys.backups import KeyringBackups
from service.keys.derivation import (
    CHECK_BYTES,
    KEY_BYTES,
    SALT_BYTES,
    Purpose,
    SealingKey,
)
from service.keys.keyfile import KeyFile
from service.keys.keyring import ArchiveKey, Keyring, KeyState
from service.keys.keystore import Keys, KeyStore
from service.keys.passphrase import PassphraseFile, PassphrasePrompt
from service.keys.sources import RootSecret, RootSecrets
from service.keys.transit import TransitKey
from service.keys.vault import VaultTransit

__all__ = [
    "CHECK_BYTES",
    "KEY_BYTES",
    "SALT_BYTES",
    "ArchiveKey",
    "KeyFile",
    "KeyState",
    "KeyStore",
    "Keyring",
    "KeyringBackups",
    "Keys",
    "PassphraseFile",
    "PassphrasePrompt",
    "Purpose",
    "RootSecret",
    "RootSecrets",
    "SealingKey",
    "TransitKey",
    "VaultTransit",
]
