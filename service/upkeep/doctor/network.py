"""The network's part: TLS, certificates, and what nodes need to prove."""

from __future__ import annotations

import socket
import tomllib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final

from config.settings import DEFAULTS, Settings
from dicom.archive import Node
from dicom.association import AssociationFault
from dicom.requestor import verify
from service import certificates
from service.options import server_options
from service.upkeep.doctor.finding import Finding

_SOON: Final = timedelta(days=30)
"""How long before its end a certificate is to be renewed: issuing one takes some sites weeks."""


def weaknesses(settings: Settings, nodes: Sequence[Node]) -> Iterator[Finding]:
    """Name what lets strangers in, or lets them listen."""
    yield from _ports(settings)
    yield from _certificates(settings)
    yield from _admission(settings)
    yield from _limits(settings)
    yield from _nodes(settings, nodes)


def unreachable(settings: Settings, nodes: Sequence[Node]) -> Iterator[Finding]:
    """Call each node by C-ECHO, and name those that do not answer as they should."""
    options = server_options(settings)
    for node in nodes:
        try:
            verify(node, options)
        except AssociationFault as fault:
            detail = f"{node.ae_title} at {node.host}:{node.port}: {fault}"
            yield Finding("node-unreachable", detail, "ask who runs it, or nodes rm")


def is_loopback(host: str) -> bool:
    """Whether an address to listen on, or a node's, is this machine's own alone."""
    if not host:
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _ports(settings: Settings) -> Iterator[Finding]:
    tls = settings.tls
    if is_loopback(settings.service.host):
        return
    if tls.certificate is None:
        detail = f"associations on {settings.service.host} are not encrypted: there is no TLS"
        yield Finding("no-tls", detail, "set tls.certificate, tls.key_file and tls.authorities")
    elif tls.plain:
        detail = f"port {settings.service.port} takes associations without TLS"
        yield Finding("plain-port", detail, "set tls.plain = false once every peer speaks TLS")
    if tls.certificate is not None and not tls.require_client_certificate:
        detail = "peers of the TLS port need no certificate: an AE title and an address are enough"
        yield Finding("no-client-certificate", detail, "set tls.require_client_certificate = true")


def _certificates(settings: Settings) -> Iterator[Finding]:
    tls = settings.tls
    for name, path, end in (
        ("tls.certificate", tls.certificate, certificates.ends),
        ("tls.authorities", tls.authorities, certificates.ends),
        ("tls.revoked", tls.revoked, certificates.revocations_end),
    ):
        if path is not None:
            yield from _certificate(name, path, end)


def _certificate(name: str, path: Path, ends: Callable[[Path], datetime]) -> Iterator[Finding]:
    try:
        end = ends(path)
    except (OSError, ValueError):
        yield Finding("certificate-unreadable", f"{name} holds none", "put one there")
        return
    left = end - datetime.now(UTC)
    if left < timedelta(0):
        yield Finding("certificate-expired", f"{name} ended on {end:%Y-%m-%d}", "renew it now")
    elif left < _SOON:
        detail = f"{name} ends on {end:%Y-%m-%d}, in {left.days} days"
        yield Finding("certificate-ends-soon", detail, "renew it; no restart is needed")


def _admission(settings: Settings) -> Iterator[Finding]:
    service = settings.service
    if service.open_to_unknown_peers:
        detail = "whoever reaches the port may store, query and retrieve everything"
        remedy = "set service.open_to_unknown_peers = false, and add the nodes"
        yield Finding("open-to-unknown-peers", detail, remedy)
    if service.ae_title == _default("service", "ae_title"):
        detail = f"the AE title is the one of every new archive, {service.ae_title}"
        yield Finding("default-ae-title", detail, "set service.ae_title to one of your own")


def _limits(settings: Settings) -> Iterator[Finding]:
    waits = ("acse_timeout_s", "dimse_timeout_s", "network_timeout_s", "min_bytes_per_s")
    for name in waits:
        if not getattr(settings.receive, name):
            detail = f"receive.{name} is 0: silent or slow peers hold their association for ever"
            yield Finding("endless-wait", detail, "give it a value above 0")


def _nodes(settings: Settings, nodes: Sequence[Node]) -> Iterator[Finding]:
    def named(is_weak: Callable[[Node], bool]) -> str:
        return ", ".join(node.ae_title for node in nodes if is_weak(node))

    if weak := named(lambda node: not node.tls and not is_loopback(node.host)):
        remedy = "nodes set AET --tls, with a --certificate of their own"
        yield Finding("node-without-tls", f"nothing is encrypted with {weak}", remedy)
    if weak := named(lambda node: _is_anywhere(node) and not node.certificate):
        detail = f"from any address, the AE title alone is enough to be {weak}"
        yield Finding("node-from-anywhere", detail, "nodes set AET --from CIDR, or --certificate")
    if weak := named(lambda node: bool(node.users) and not node.tls):
        detail = f"passcodes of users at {weak} cross the network in the clear"
        yield Finding("passcode-in-the-clear", detail, "nodes set AET --tls")
    if settings.tls.certificate is None and (weak := named(lambda node: node.tls)):
        detail = f"{weak} is to be met over TLS, which is not set up here"
        yield Finding("node-needs-tls", detail, "set tls.certificate and what belongs to it")
    if weak := named(lambda node: not _has_address(node.host)):
        detail = f"the host of {weak} has no address: it is neither reached nor let in"
        yield Finding("node-without-address", detail, "nodes set AET --host, or mend DNS")


def _is_anywhere(node: Node) -> bool:
    return any(ip_network(source).prefixlen == 0 for source in node.sources)


def _has_address(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False


def _default(section: str, key: str) -> object:
    value: object = tomllib.loads(DEFAULTS.read_text())[section][key]
    return value
