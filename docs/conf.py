"""Sphinx configuration. Pages need no network: equations become MathML, which browsers draw themselves."""

import re
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

import prioria

project = "prioria"
author = "The prioria authors"
version = release = prioria.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
    "myst_parser",
]
sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples",
    "abort_on_example_error": True,
    "filename_pattern": r"/plot_",
    "within_subsection_order": "FileNameSortKey",
    "show_memory": False,
}
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 2
autodoc_member_order = "bysource"
autodoc_typehints = "description"
napoleon_numpy_docstring = False

exclude_patterns = ["_build", "gallery"]
html_theme = "furo"
html_title = f"prioria {release}"
html_copy_source = False
html_math_renderer = "mathml"


def inline_equation(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def block_equation(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(f'<div style="padding: 0.4em 0">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def escape_mathematics(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """In docstrings a shape (K, B, *event) is not emphasis, and a magnitude |delta| not a substitution."""
    shape, magnitude = r"(?<![*`\w])\*(?=[a-z]+\b(?!\*))", r"(?<![`\w])\|(?=\w)"
    lines[:] = [re.sub(f"({shape}|{magnitude})", r"\\\1", line) for line in lines]


def include_results(app: Sphinx, name: str, source: list[str]) -> None:
    """The page of results shows every page in the folder of results, in the order of their names."""
    if name == "results":
        pages = sorted((Path(app.srcdir).parent / "results").glob("*.md"))
        options = ":heading-offset: 1\n:relative-images:"
        source[0] += "".join(f"\n```{{include}} ../results/{page.name}\n{options}\n```\n" for page in pages)


def setup(app: Sphinx) -> None:
    app.connect("source-read", include_results)
    app.connect("autodoc-process-docstring", escape_mathematics)
    app.add_html_math_renderer("mathml", (inline_equation, None), (block_equation, None))
