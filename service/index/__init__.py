"""The SQL index: patients to revisions, nodes, commitments, corrections and the audit trail."""

from service.index.claims import Journalled
from service.index.comparison import Unlike
from service.index.corrections import Author, Corrected, patient
from service.index.coverage import Servable
from service.index.database import sqlite_url
from service.index.index import Index
from service.index.intake import Added
from service.index.levels import Level
from service.index.policy import Policy
from service.index.revisions import RevisionFacts
from service.index.statistics import Statistics
from service.index.tables import USER_REFUSED
from service.index.trail import Break, Entry

__all__ = [
    "USER_REFUSED",
    "Added",
    "Author",
    "Break",
    "Corrected",
    "Entry",
    "Index",
    "Journalled",
    "Level",
    "Policy",
    "RevisionFacts",
    "Servable",
    "Statistics",
    "Unlike",
    "patient",
    "sqlite_url",
]
