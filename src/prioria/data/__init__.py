"""Data sets under a stated protocol: split, binarization, and the likelihoods that are legal."""

from prioria.data.base import Dataset, Protocol, Split
from prioria.data.column import Column
from prioria.data.errors import DataError
from prioria.data.kinds import infer
from prioria.data.known.catalogue import Entry, catalogue
from prioria.data.legality import check_likelihood
from prioria.data.loading import inspect, load, read_rows
from prioria.data.own.frames import TableInspection
from prioria.data.own.inspection import Inspection
from prioria.data.schema import Schema

__all__ = [
    "Column",
    "DataError",
    "Dataset",
    "Entry",
    "Inspection",
    "Protocol",
    "Schema",
    "Split",
    "TableInspection",
    "catalogue",
    "check_likelihood",
    "infer",
    "inspect",
    "load",
    "read_rows",
]
