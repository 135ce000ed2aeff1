"""keyring.json: the keyring, sealed by the root secret (docs/format.md, "Keyring")."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from service.errors import DataFault, KeyringFault
from service.keys.keyring import KEYRING_FORMAT, Keyring
from service.keys.sources import RootSecret

_LARGEST: Final = 1 << 21
"""Bytes; some 8,000 keys, a rotation a day for twenty years."""


def seal_keyring(keyring: Keyring, root: RootSecret) -> bytes:
    """Write a keyring as the file has it.

    Raises:
        KeyringFault: the root secret cannot be had.
    """
    content = {"format": KEYRING_FORMAT, "root": root.seal(keyring.to_json())}
    return json.dumps(content, indent=2).encode("ascii") + b"\n"


def read_keyring(path: Path, root: RootSecret) -> Keyring:
    """Open a keyring.

    Raises:
        KeyringFault: the file cannot be read, or the root secret cannot be had.
        WrongSecret: the root secret does not open it.
        DataFault: it is no keyring, or of a later format.
    """
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_LARGEST))
        version, sealed = content["format"], content["root"]
    except OSError as fault:
        raise KeyringFault(f"cannot read {path}: {fault.strerror}") from fault
    except (KeyError, TypeError, ValueError, RecursionError) as fault:
        raise DataFault(f"{path} is not a keyring") from fault
    if version != KEYRING_FORMAT:
        raise DataFault(f"{path} has format {str(version)[:16]}, not known to this version")
    return Keyring.from_json(root.open(sealed))
