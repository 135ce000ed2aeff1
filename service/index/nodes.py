"""Known peer Application Entities, as rows: changes count at once, for every process."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import delete, insert, select

from dicom.archive import Node, Right
from service.errors import Unknown
from service.index import trail
from service.index.database import AnyRow, Database
from service.index.tables import KnownNode


class Nodes:
    """The peers of one archive."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, node: Node) -> None:
        """Add a node, or change the one of that AE title."""
        values = {
            "ae_title": node.ae_title.strip(),
            "host": node.host,
            "port": node.port,
            "rights": ",".join(sorted(right.value for right in node.rights)),
            "coerced": node.coerced,
            "tls": node.tls,
            "certificate": node.certificate,
            "sources": json.dumps(node.sources),
            "destinations": json.dumps(node.destinations),
            "users": json.dumps(node.users),
        }
        with self._database.write() as connection:
            connection.execute(delete(KnownNode).where(KnownNode.ae_title == values["ae_title"]))
            connection.execute(insert(KnownNode).values(**values))
            trail.append(connection, "node added", values)

    def remove(self, ae_title: str) -> None:
        """Forget a node.

        Raises:
            Unknown: there is none of that AE title.
        """
        with self._database.write() as connection:
            gone = connection.execute(
                delete(KnownNode).where(KnownNode.ae_title == ae_title.strip())
            )
            if gone.rowcount != 1:
                raise Unknown(f"no node has the AE title {ae_title}")
            trail.append(connection, "node removed", {"ae_title": ae_title.strip()})

    def get(self, ae_title: str) -> Node | None:
        """Look a node up."""
        statement = select(KnownNode.__table__).where(KnownNode.ae_title == ae_title.strip())
        with self._database.read() as connection:
            row = connection.execute(statement).one_or_none()
        return _node(row) if row is not None else None

    def rows(self) -> dict[str, dict[str, Any]]:
        """Give all nodes as their rows are, by AE title: what the trail's entries name."""
        with self._database.read() as connection:
            rows = connection.execute(select(KnownNode.__table__))
            return {row.ae_title: row._asdict() for row in rows}

    def list(self) -> list[Node]:
        """Give all nodes by AE title."""
        statement = select(KnownNode.__table__).order_by(KnownNode.ae_title)
        with self._database.read() as connection:
            return [_node(row) for row in connection.execute(statement)]


def _node(row: AnyRow) -> Node:
    rights = frozenset(Right(name) for name in row.rights.split(",") if name)
    return Node(
        row.ae_title,
        row.host,
        row.port,
        rights,
        coerced=row.coerced,
        tls=row.tls,
        certificate=row.certificate,
        sources=tuple(json.loads(row.sources)),
        destinations=tuple(json.loads(row.destinations)),
        users=tuple(json.loads(row.users)),
    )
