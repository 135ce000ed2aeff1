"""pynetdicom as the other side: an SCU and SCP that share no code with ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, build_context, build_role
from pynetdicom.association import Association

from tests.dicom_net.conftest import AE_TITLE, Served

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"

Handlers = Sequence[tuple[Any, ...]]


@contextmanager
def associated(
    served: Served,
    *contexts: tuple[str, str],
    scp_of: Sequence[str] = (),
    handlers: Handlers = (),
    calling: str = "PYNETDICOM",
) -> Iterator[Association]:
    """Open an association with one context for each (SOP class, transfer syntax)."""
    ae = AE(calling)
    ae.requested_contexts = [build_context(*context) for context in contexts]
    roles: list[Any] = [build_role(uid, scp_role=True) for uid in scp_of]
    association = ae.associate(
        "127.0.0.1",
        served.port,
        ae_title=AE_TITLE,
        ext_neg=roles,
        evt_handlers=list(handlers),
    )
    assert association.is_established
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


@contextmanager
def accepting(
    port: int, *contexts: tuple[str, Sequence[str]], handlers: Handlers, scu_of: Sequence[str] = ()
) -> Iterator[None]:
    """Accept these SOP classes in these syntaxes; of those in ``scu_of`` the requestor is SCP."""
    ae = AE("DEST")
    for uid, syntaxes in contexts:
        if uid in scu_of:
            ae.add_supported_context(uid, list(syntaxes), scu_role=False, scp_role=True)
        else:
            ae.add_supported_context(uid, list(syntaxes))
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=list(handlers))
    assert server is not None
    try:
        yield
    finally:
        server.shutdown()


def identifier(level: str, **keys: Any) -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(dataset, keyword, value)
    return dataset


def received_bytes(event: Any) -> bytes:
    """Give the dataset of a C-STORE event as it came over the wire."""
    data: bytes = event.request.DataSet.getvalue()
    return data
