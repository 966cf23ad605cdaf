"""The explorer: a page in the browser over finished or growing runs, served to this machine alone."""

from prioria.ui.application import application as application
from prioria.ui.serve import serve as serve

__all__ = ["application", "serve"]
