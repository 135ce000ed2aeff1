"""What one receiver holds at a time: connections without an association yet, and associations.

Both are bounded, so that peers who connect and say nothing, or open one association after the
other, cost a known amount of memory and threads, and leave room for the others.
"""

from __future__ import annotations

import threading
from collections import Counter
from ipaddress import IPv6Address, ip_address, ip_network

from dicom.archive import Peer
from dicom.association import Transport


class HalfOpen:
    """Connections whose TLS handshake or A-ASSOCIATE-RQ is still to come, the oldest first.

    When there are too many, one that has waited longest among those of the address with the most
    of them is ended: who floods the port ends their own, and another peer still has its turn.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._sources: dict[Transport, str] = {}

    def add(self, transport: Transport, address: str) -> None:
        """Take a new connection in, at the cost of another one if need be."""
        with self._lock:
            self._sources[transport] = _source(address)
            if len(self._sources) <= self._limit:
                return
            ((most, _),) = Counter(self._sources.values()).most_common(1)
            evicted = next(held for held, source in self._sources.items() if source == most)
            del self._sources[evicted]
        evicted.shut_down()

    def remove(self, transport: Transport) -> None:
        """Forget a connection: it has its association, or is over, or was ended here."""
        with self._lock:
            self._sources.pop(transport, None)


class Slots:
    """Room for associations: so many in all, so many of one peer."""

    def __init__(self, total: int, of_one_peer: int) -> None:
        self._total = total
        self._of_one_peer = of_one_peer
        self._lock = threading.Lock()
        self._taken: Counter[tuple[str, str]] = Counter()

    def take(self, peer: Peer) -> bool:
        """Take a slot; False where none is left for this peer."""
        name = peer.calling_ae, peer.address
        with self._lock:
            if self._taken.total() >= self._total or self._taken[name] >= self._of_one_peer:
                return False
            self._taken[name] += 1
        return True

    def give_back(self, peer: Peer) -> None:
        """Give a slot back."""
        name = peer.calling_ae, peer.address
        with self._lock:
            self._taken[name] -= 1
            if not self._taken[name]:
                del self._taken[name]


def _source(address: str) -> str:
    """Name whom an address belongs to: in IPv6, one host may have a whole /64 (RFC 6177)."""
    host = ip_address(address.partition("%")[0])
    if isinstance(host, IPv6Address) and host.ipv4_mapped is None:
        return str(ip_network((host.packed[:8] + bytes(8), 64)))
    return address
