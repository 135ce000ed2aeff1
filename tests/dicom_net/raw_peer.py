"""A peer made of bytes: it breaks the protocol where no library would."""

from __future__ import annotations

import socket
import ssl
import struct

from dicom.association import (
    AssociateRequest,
    Command,
    ProposedContext,
    UserIdentity,
    UserInformation,
)
from dicom.association.pdu import RELEASE_RQ, PduType

EXPLICIT = "1.2.840.10008.1.2.1"


class RawPeer:
    """A connection whose PDUs are written by hand."""

    def __init__(
        self, port: int, source: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10, (source, 0))
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")

    def __enter__(self) -> RawPeer:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def associate(
        self,
        *sop_classes: str,
        called: str = "RADIOLITH",
        calling: str = "RAW",
        identity: UserIdentity | None = None,
    ) -> bytes:
        """Propose explicit VR little endian for each class; gives the answer's PDU."""
        contexts = tuple(
            ProposedContext(2 * index + 1, uid, (EXPLICIT,))
            for index, uid in enumerate(sop_classes)
        )
        user = UserInformation(16384, "1.2", "RAW", identity=identity)
        self.send(AssociateRequest(called, calling, contexts, user).encode())
        return self.read()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_pdv(self, context_id: int, control: int, data: bytes) -> None:
        self.send(pdata(context_id, control, data))

    def command(self, context_id: int, command: Command) -> None:
        self.send_pdv(context_id, 3, command.encode())

    def release(self) -> bytes:
        self.send(RELEASE_RQ)
        return self.read()

    def read(self) -> bytes:
        """Read one PDU; empty at the connection's end."""
        header = self._read_exactly(6)
        return header + self._read_exactly(struct.unpack(">xxL", header)[0]) if header else b""

    def _read_exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            received = self.socket.recv(count - len(data))
            if not received:
                return b""
            data += received
        return data


def pdata(context_id: int, control: int, data: bytes) -> bytes:
    return (
        struct.pack(">BxLLBB", PduType.P_DATA, len(data) + 6, len(data) + 2, context_id, control)
        + data
    )
