"""Data sets under a stated protocol: split, binarisation, and the likelihoods that are legal."""

from prioria.data.base import DataError, Dataset, Protocol, Split, check_likelihood
from prioria.data.catalogue import Entry, catalogue
from prioria.data.inspection import Inspection
from prioria.data.loading import inspect, load, read_rows

__all__ = [
    "DataError",
    "Dataset",
    "Entry",
    "Inspection",
    "Protocol",
    "Split",
    "catalogue",
    "check_likelihood",
    "inspect",
    "load",
    "read_rows",
]
