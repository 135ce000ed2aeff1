"""Who may open an association, and what for: what nodes and users say, and nothing beyond it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import structlog

from dicom.archive import Node, Peer, Right
from dicom.association import IdentityType, UserIdentity
from service import certificates
from service.index import USER_REFUSED, Index

ANY_NODE = "*"
"""Stands for every node among a node's move destinations."""

_LONGEST_NAME: Final = 64
"""Characters of a username that the trail takes: one that is only claimed may have 64 KiB."""

_log = structlog.get_logger()

Address = IPv4Address | IPv6Address


class Access:
    """The rules of one archive. They are looked up each time: a change counts at once."""

    def __init__(self, index: Index, *, is_open: bool) -> None:
        """Take the rules.

        Args:
            index: has the nodes and the users.
            is_open: whether AE titles that are no nodes have every right.
        """
        self._index = index
        self._is_open = is_open

    def admits(self, peer: Peer, identity: UserIdentity | None) -> bool:
        """Whether a peer may open an association; if not, the log says why, the peer isn't told.

        Raises:
            IndexFault: it cannot be told for now.
        """
        node = self._index.nodes.get(peer.calling_ae)
        if objection := self._objection(node, peer):
            _refuse(peer, objection)
        elif objection := self._user_objection(node, identity):
            _refuse(peer, objection)
            self._record(USER_REFUSED, peer, identity, {"reason": objection})
        elif identity is not None and identity.username:
            proven = identity.kind == IdentityType.USERNAME_AND_PASSCODE
            self._record("user authentication", peer, identity, {"proven": proven})
        return objection is None

    def permits(self, peer: Peer, right: Right) -> bool:
        """Whether a peer may use a service."""
        node = self._index.nodes.get(peer.calling_ae)
        return self._is_open if node is None else right in node.rights

    def permits_move(self, peer: Peer, destination: Node) -> bool:
        """Whether a peer may have instances sent to a node."""
        node = self._index.nodes.get(peer.calling_ae)
        if node is None:
            return self._is_open
        allowed = node.destinations or (node.ae_title,)
        return destination.ae_title in allowed or ANY_NODE in allowed

    def _record(
        self, event: str, peer: Peer, identity: UserIdentity | None, told: Mapping[str, object]
    ) -> None:
        """Leave the trail entry of who a peer said that uses it (PS3.15 B.4, B.5)."""
        user = "" if identity is None else identity.username[:_LONGEST_NAME]
        whence = {"peer": peer.calling_ae, "address": peer.address}
        self._index.trail.append(event, {**whence, "user": user, **told})

    def _objection(self, node: Node | None, peer: Peer) -> str | None:
        if node is None:
            return None if self._is_open else "no node"
        if not calls_from_its_place(node, peer.address):
            return "not from the node's address"
        if node.tls and not peer.is_secure:
            return "not over TLS"
        if node.certificate and not _shows(peer, node.certificate):
            return "not with the node's certificate"
        return None

    def _user_objection(self, node: Node | None, identity: UserIdentity | None) -> str | None:
        """Object to a user; a username without a passcode is a claim, which proves nothing."""
        needed = node.users if node is not None else ()
        if needed and (identity is None or identity.username not in needed):
            return "not a user of the node"
        if identity is None:
            return None
        if identity.kind != IdentityType.USERNAME_AND_PASSCODE:
            return "no passcode" if needed else None
        if self._index.users.is_passcode(identity.username, identity.passcode):
            return None
        return "wrong username or passcode"


def _refuse(peer: Peer, reason: str) -> None:
    _log.warning(
        "association refused", ae_title=peer.calling_ae, address=peer.address, reason=reason
    )


def calls_from_its_place(node: Node, address: str) -> bool:
    """Whether an address is one that a node may call from: of its networks, else its host's."""
    caller = _address(address)
    if node.sources:
        return any(caller in ip_network(source) for source in node.sources)
    return caller in _addresses_of(node.host)


def network(text: str) -> str:
    """Bring a network or an address into its one form.

    Raises:
        ValueError: it is neither.
    """
    found = ip_network(text)
    if isinstance(found, IPv6Network) and found.network_address.ipv4_mapped is not None:
        raise ValueError("write it as an IPv4 network")
    return str(found)


def _shows(peer: Peer, name: str) -> bool:
    return peer.certificate is not None and certificates.is_named(peer.certificate, name)


def _addresses_of(host: str) -> set[Address]:
    try:
        return {_address(host)}
    except ValueError:
        pass  # A name, not an address.
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as fault:
        _log.warning("a node's host has no address", host=host, exc_info=fault)
        return set()
    return {_address(str(place[0])) for *_, place in found}


def _address(text: str) -> Address:
    """Read an address; a socket that listens on IPv6 gives IPv4 peers as mapped ones."""
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
