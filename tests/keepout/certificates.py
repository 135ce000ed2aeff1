"""A certificate authority of the tests' own, and what it issues, as PEM files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key in files."""

    certificate: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate, as openssl prints it."""
        parsed = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        return parsed.fingerprint(hashes.SHA256()).hex(":").upper()


class Authority:
    """Issues certificates into a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self.file = folder / f"{name}.pem"
        constraint = x509.BasicConstraints(ca=True, path_length=0)
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip
        certificate = (
            _builder(self._name, self._name, self._key.public_key())
            .add_extension(constraint, critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(
        self, name: str, host: str = "127.0.0.1", days: int = 30, password: bytes = b""
    ) -> Pair:
        """Issue a certificate for CN=name, O=Hospital and a host, and write it with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        address = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
        certificate = (
            _builder(_name(name), self._name, key.public_key(), days)
            .add_extension(address, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        pair = Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        pair.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        lock = BestAvailableEncryption(password) if password else NoEncryption()
        pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
        pair.key.chmod(0o600)
        return pair

    def revoke(self, *pairs: Pair, days: int = 100) -> Path:
        """Write the list of revoked certificates, which holds for so many days."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now - timedelta(days=1))
            .next_update(now + timedelta(days=days))
        )
        for pair in pairs:
            parsed = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
            revoked = x509.RevokedCertificateBuilder().serial_number(parsed.serial_number)
            builder = builder.add_revoked_certificate(revoked.revocation_date(now).build())
        path = self._folder / "revoked.pem"
        path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        return path


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Hospital"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int = 30
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
    )
