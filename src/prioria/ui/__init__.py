"""The explorer: a page in the browser over finished or growing runs, served to this machine alone."""

from prioria.ui.routes import application
from prioria.ui.server import serve

__all__ = ["application", "serve"]
