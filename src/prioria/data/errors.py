"""The error of data."""

from __future__ import annotations


class DataError(ValueError):
    """A data set that cannot be used: one line that names the file or array, the defect and the remedy."""


class NotInstalled(DataError):
    """A data set that comes with a package which is not there: what others are asked for goes on without it."""
