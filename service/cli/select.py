"""Build the queries that `ls`, `find` and `export` ask the index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from service.cli.options import user
from service.errors import DataFault, Unknown

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from dicom.archive import Query
    from service.home import Home
    from service.index import Servable


def query(level: str, keys: Mapping[str, str], *, patient_root: bool = False) -> Query:
    """Build a query from attribute keywords and values; an empty value asks for the attribute.

    Raises:
        BadParameter: a keyword is no attribute of the standard.
    """
    from pydicom.datadict import tag_for_keyword
    from pydicom.dataset import Dataset

    from dicom.archive import Model, Peer, Query

    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        if tag_for_keyword(keyword) is None:
            raise typer.BadParameter(f"{keyword} is no attribute's keyword (PS3.6)")
        setattr(identifier, keyword, value)
    model = Model.PATIENT_ROOT if patient_root else Model.STUDY_ROOT
    return Query(model, level, identifier, Peer(user(), "", "command line"))


def matches(home: Home, asked: Query) -> list[Dataset]:
    """Ask the index.

    Raises:
        DataFault: the keys don't fit the level.
    """
    from dicom.archive import ArchiveFault
    from service.inquiry import find

    try:
        return [match.attributes for match in find(home, asked)]
    except ArchiveFault as fault:
        raise DataFault(fault.comment) from fault


def select(home: Home, patient: str, study: str, series: str) -> Sequence[Servable]:
    """Name the served revisions of a patient, a study or a series.

    Raises:
        Unknown: there are none.
    """
    if patient:
        asked = query("PATIENT", {"PatientID": patient}, patient_root=True)
    elif series:
        asked = query("SERIES", {"StudyInstanceUID": study, "SeriesInstanceUID": series})
    else:
        asked = query("STUDY", {"StudyInstanceUID": study})
    chosen = home.index.select(asked)
    if not chosen:
        raise Unknown("nothing in the archive goes by that name")
    return chosen
