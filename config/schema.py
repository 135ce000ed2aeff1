"""The sections of an archive's settings, their types and bounds.

``default.toml`` says what each one means and is the only place that states its default.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

AeTitle = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=16, pattern=r"^[\x20-\x5b\x5d-\x7e]+$"
    ),
]
"""PS3.5 Table 6.2-1, AE: printable ASCII without the backslash."""

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=1)]
Amount = Annotated[int, Field(ge=0)]
AttributeNames = tuple[Annotated[str, StringConstraints(pattern=r"^\w+$")], ...]


_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?")


def _safe_address(address: str) -> str:
    address = address.rstrip("/")
    if not address or re.fullmatch(r"https://[^/@\s]+", address) or _LOOPBACK.fullmatch(address):
        return address
    raise ValueError("must be https://HOST:PORT, or http on this machine's own loopback")


class Section(BaseModel):
    """A table of the settings file: typed, immutable, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Service(Section):
    """What the archive is called, where it listens and with how many processes."""

    ae_title: AeTitle
    host: str
    port: Port
    receivers: Count
    workers: Count
    max_associations: Count
    max_associations_per_peer: Count
    max_half_open: Count
    check_called_ae: bool
    open_to_unknown_peers: bool
    shutdown_grace_s: Seconds


class Tls(Section):
    """DICOM over TLS."""

    certificate: Path | None
    key_file: Path | None
    authorities: Path | None
    revoked: Path | None
    require_client_certificate: bool
    port: Port
    plain: bool
    min_version: Literal["1.2", "1.3"]
    ciphers: str

    @model_validator(mode="after")
    def _whole(self) -> Tls:
        if (self.certificate is None) != (self.key_file is None):
            raise ValueError("certificate and key_file need each other")
        if self.certificate is None and not self.plain:
            raise ValueError("without a certificate there is no port but the plain one")
        if self.certificate and self.require_client_certificate and not self.authorities:
            raise ValueError("require_client_certificate needs authorities to check them by")
        return self


class Store(Section):
    """Where sealed objects are kept."""

    path: Path


class Replica(Section):
    """A second store of objects and notes: a folder, or a bucket."""

    path: Path | None
    bucket: str
    prefix: Annotated[str, StringConstraints(pattern=r"^([^/]+(/[^/]+)*)?$")]
    endpoint: Annotated[str, StringConstraints(pattern=r"^(https?://.+)?$")]
    region: str
    credentials_file: Path | None
    mode: Literal["sync", "queue"]
    poll_s: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    retry_s: Seconds
    timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    @model_validator(mode="after")
    def _one_place(self) -> Replica:
        if self.path is not None and self.bucket:
            raise ValueError("path and bucket exclude each other")
        return self

    @property
    def is_set(self) -> bool:
        """Whether there is one."""
        return self.path is not None or bool(self.bucket)


class Keys(Section):
    """Where the root secret comes from: one of the two files."""

    passphrase_file: Path | None
    key_file: Path | None
    backup_path: Path | None

    @model_validator(mode="after")
    def _one_source(self) -> Keys:
        if self.passphrase_file is not None and self.key_file is not None:
            raise ValueError("passphrase_file and key_file exclude each other")
        return self


class Vault(Section):
    """A key of Vault's transit engine as root secret."""

    address: Annotated[str, AfterValidator(_safe_address)]
    mount: Annotated[str, StringConstraints(pattern=r"^[\w.-]+(/[\w.-]+)*$")]
    key: Annotated[str, StringConstraints(pattern=r"^[\w.-]*$")]
    namespace: Annotated[str, StringConstraints(pattern=r"^[\w./-]*$")]
    token_file: Path | None
    authorities: Path | None
    timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    attempts: Count

    @model_validator(mode="after")
    def _complete(self) -> Vault:
        if self.address and not (self.key and self.token_file):
            raise ValueError("an address needs a key and a token_file as well")
        return self


class Index(Section):
    """Which SQL database holds the index."""

    url: str
    busy_timeout_s: Seconds


class Receive(Section):
    """How instances are taken in."""

    journal_path: Path
    max_pdu_bytes: Annotated[int, Field(ge=4096, le=1 << 24)]
    acse_timeout_s: Seconds
    dimse_timeout_s: Seconds
    network_timeout_s: Seconds
    min_bytes_per_s: Amount
    min_free_bytes: Amount


class Worker(Section):
    """How the journal is encoded."""

    batch: Count
    lease_s: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    poll_s: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    retry_s: Seconds
    threads: Count


class Codec(Section):
    """How frames are coded."""

    key_frame_distance: Count


class Retrieve(Section):
    """How datasets are given back."""

    prefetch: Amount
    max_memory_bytes: Count
    connect_timeout_s: Seconds


class Query(Section):
    """Which attributes queries may ask for, level by level."""

    page: Count
    patient_keys: AttributeNames
    study_keys: AttributeNames
    series_keys: AttributeNames
    image_keys: AttributeNames


class Commitment(Section):
    """How storage commitment requests are answered."""

    wait_s: Seconds
    retries: Count
    retry_s: Seconds


class Duplicates(Section):
    """Which of an instance's revisions is served."""

    serve: Literal["newest", "first"]


class Deletion(Section):
    """How long what is deleted can be brought back."""

    grace_days: Annotated[float, Field(ge=0, le=36500, allow_inf_nan=False)]
    poll_s: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Scrub(Section):
    """How the objects are verified again and again while the archive serves."""

    days: Annotated[float, Field(ge=0, le=36500, allow_inf_nan=False)]
    max_share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    max_bytes_per_s: Amount
    replica: bool


class Syslog(Section):
    """Where the audit trail is sent (PS3.15 A.6, RFC 5425)."""

    host: str
    port: Port
    authorities: Path | None
    certificate: Path | None
    key_file: Path | None


class Rejection(Section):
    """What rejection notes (IHE RAD IOCM) do."""

    hide_quality: bool
    delete_expired: bool
    delete_from: tuple[AeTitle, ...]


class Log(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"]
    format: Literal["json", "console"]
    phi: bool
