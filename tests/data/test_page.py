"""The page on data says of every set what its protocol says."""

import re
from pathlib import Path

import pytest

from prioria.data.known.catalogue import BY_NAME

PAGE = Path(__file__).parents[2] / "docs" / "data.md"


@pytest.mark.parametrize("name", BY_NAME)
def test_section(name):
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    section = " ".join(next(text for text in sections if text.startswith(f"{name}\n")).split())
    known = BY_NAME[name]
    sizes = " / ".join(f"{size:,}" for size in known.sizes)
    likelihoods = ", ".join(known.protocol.likelihoods)
    for fact in (sizes, known.protocol.split, known.protocol.source, known.protocol.note, f"| {likelihoods} |"):
        assert " ".join(fact.split()) in section
    files = [form for file in known.files for form in file.forms]
    assert len(files) > 6 or all(form.path in section for form in files)


def test_no_other_sections():
    headings = re.findall(r"^## (\S+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert headings == list(BY_NAME)
