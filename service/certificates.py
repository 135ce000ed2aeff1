"""Certificates as the archive names and reads them: by fingerprint or subject, until when."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

_FINGERPRINT: Final = re.compile("[0-9a-f]{64}")


def normal(text: str) -> str:
    """Bring what names a certificate into its one form.

    Args:
        text: a SHA-256 fingerprint in hexadecimal, as ``openssl x509 -fingerprint -sha256`` prints
            it, or a subject after RFC 4514, as ``openssl x509 -subject -nameopt RFC2253`` does.

    Raises:
        ValueError: it is neither.
    """
    fingerprint = text.replace(":", "").lower()
    if _FINGERPRINT.fullmatch(fingerprint):
        return fingerprint
    try:
        subject = x509.Name.from_rfc4514_string(text).rfc4514_string()
    except ValueError:
        subject = ""
    if not subject:
        raise ValueError("neither a SHA-256 fingerprint nor a subject after RFC 4514")
    return subject


def is_named(certificate: bytes, name: str) -> bool:
    """Whether a certificate, in DER, is the one that a name in its normal form means."""
    parsed = x509.load_der_x509_certificate(certificate)
    if _FINGERPRINT.fullmatch(name):
        return parsed.fingerprint(SHA256()).hex() == name
    return parsed.subject == x509.Name.from_rfc4514_string(name)


def revocations_end(path: Path) -> datetime:
    """Say until when the first revocation list of a PEM file holds, in UTC.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds no revocation list, or one without an end.
    """
    end = x509.load_pem_x509_crl(path.read_bytes()).next_update_utc
    if end is None:
        raise ValueError("a revocation list without an end")
    return end


def ends(path: Path) -> datetime:
    """Say until when the first certificate of a PEM file is valid, in UTC.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds no certificate.
    """
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
