"""Every code block of README.md and of the documentation runs, in order, as a reader would run it."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from torch import nn

import prioria
from prioria import likelihoods, posteriors, priors

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(?P<language>bash|python)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
SET_UP = ("git clone ", "make ", "pip install ", "python3 -m venv ", "source ")  # makes the machine, not the result


def blocks(text: str, language: str) -> list[str]:
    return [match["code"] for match in BLOCK.finditer(text) if match["language"] == language]


APART = ("README.md", "getting-started.md")  # what newcomers type first: there each command is a process, as theirs


def as_program(text: str, *, apart: bool) -> str:
    """A page as one Python program with the page's line numbers: bash runs by `shell`, prose is blank lines."""
    lines = [""] * text.count("\n")
    for match in BLOCK.finditer(text):
        code = match["code"].splitlines()
        if match["language"] == "bash":
            commands = "\n".join(line for line in code if not line.startswith(SET_UP))
            code = [f"import shell; shell.run({commands!r}, apart={apart})"]
        first = text.count("\n", 0, match.start("code"))
        lines[first : first + len(code)] = code
    return "\n".join(lines)


BASES = ("Module", "Prior")  # that are derived from, and chosen by nobody


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_runs(page: Path, tmp_path: Path):
    program = tmp_path / f"{page.stem}.py"
    text = as_program(page.read_text(encoding="utf-8"), apart=page.name in APART)
    program.write_text(text, encoding="utf-8")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    source = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    environment = {name: value for name, value in os.environ.items() if name != "PRIORIA_DATA"}
    environment |= {"PATH": path, "PYTHONPATH": source}
    command = [sys.executable, program]
    run = subprocess.run(command, check=False, cwd=tmp_path, env=environment, text=True, capture_output=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_is_in_a_language_that_runs(page: Path):
    fences = re.findall(r"^\s*```(\S+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert {language for language in fences if not language.startswith("{")} <= {"bash", "python", "text"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_in_prose_exist(page: Path):
    names = re.findall(r"`(?:prioria\.)?(\w+)\.(\w+)", page.read_text(encoding="utf-8"))
    parts = [(getattr(prioria, part), name) for part, name in names if part in prioria.__all__]
    missing = [f"{part.__name__}.{name}" for part, name in parts if not hasattr(part, name)]
    assert missing == []


@pytest.mark.parametrize("part", [priors, posteriors, likelihoods], ids=lambda part: part.__name__)
def test_how_to_choose_names_every_choice(part: ModuleType):
    page = (REPOSITORY / "docs" / "how-to-choose.md").read_text(encoding="utf-8")
    choices = [name for name, item in vars(part).items() if isinstance(item, type) and issubclass(item, nn.Module)]
    package = part.__name__.removeprefix("prioria.")
    assert [name for name in choices if name not in BASES and f"`{package}.{name}" not in page] == []


def test_make_targets_exist():
    pages = [*PAGES, REPOSITORY / "CONTRIBUTING.md"]
    commands = [code for page in pages for code in blocks(page.read_text(encoding="utf-8"), "bash")]
    targets = re.findall(r"^make (\w+)", "\n".join(commands), re.MULTILINE)
    assert {"demo", "test"} <= set(targets)
    subprocess.run(["make", "--dry-run", *sorted(set(targets))], cwd=REPOSITORY, stdout=subprocess.DEVNULL, check=True)
