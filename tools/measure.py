"""Measures the source: its size, its functions, its import cycles, and how many places a new part touches.

    python tools/measure.py             # this checkout
    python tools/measure.py c1e67cd .   # a commit, and this checkout, side by side

Cycles are those of modules, imports for type checkers and inside functions included. A *place* of a new prior,
objective or command is a file that must name it, counted at the existing one that the fewest files name: its own, other
sources without papers and reports, and the lists of the contract, the citations and the guide. A place of a new
training option is one where it is declared or passed on (field, argument, keyword, key): the lower median of all.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median, median_low, quantiles

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

ANNEXES = ("papers", "recipes", "report")  # no core: "recipes" is what "papers" was called
FAMILIES = {"prior": "priors", "objective": "objectives"}
LISTS = ("tests/contract/variants.py", "src/prioria/report/references.json", "docs/how-to-choose.md")
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Checkout:
    """The sources below a folder.

    Args:
        root: of the repository.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.source = root, root / "src" / "prioria"
        self.trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(self.source.rglob("*.py"))}

    def measured(self) -> dict[str, str]:
        """Everything, by what a table calls it."""
        bodies = sorted(body_length(function) for function in self.functions())
        p90 = quantiles(bodies, n=10)[8]
        core = self.core()
        return {
            "lines": f"{sum(map(lines, self.trees)):,}",
            "files": f"{len(self.trees)}",
            "lines without papers and report": f"{sum(map(lines, core)):,}",
            "longest file": f"{max(map(lines, self.trees))}",
            "functions: median / p90 / longest body": " / ".join(f"{n:.0f}" for n in (median(bodies), p90, bodies[-1])),
            "most branches in a function": f"{max(map(complexity, self.functions()))}",
            "modules in import cycles": f"{self.modules_in_cycles()}",
            **{f"places of a new {name}": f"{self.places(package)}" for name, package in FAMILIES.items()},
            "places of a new training option": f"{self.places_of_an_option():.0f}",
            "places of a new command": f"{self.places_of_a_command()}",
        }

    def functions(self) -> Iterator[Function]:
        """All functions and methods."""
        for tree in self.trees.values():
            yield from (node for node in ast.walk(tree) if isinstance(node, Function))

    def modules_in_cycles(self) -> int:
        """Modules from which imports lead back to themselves."""
        modules = {self.dotted(path): number for number, path in enumerate(self.trees)}
        edges = {
            (modules[self.dotted(path)], modules[name])
            for path, tree in self.trees.items()
            for name in self.imported(tree, modules)
            if name not in (self.dotted(path), "prioria")  # the root exports lazily
        }
        start, end = np.array(sorted(edges)).T
        graph = coo_array((np.ones(len(edges)), (start, end)), (len(modules), len(modules)))
        _, part = connected_components(graph, directed=True, connection="strong")
        return int((np.bincount(part)[part] > 1).sum())

    def dotted(self, path: Path) -> str:
        """The name that a file is imported by."""
        parts = path.relative_to(self.source.parent).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @staticmethod
    def imported(tree: ast.Module, modules: dict[str, int]) -> Iterator[str]:
        """The modules of the package that a file imports."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name in modules)
            elif isinstance(node, ast.ImportFrom) and node.module in modules:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    yield inner if inner in modules else node.module

    def places(self, package: str) -> int:
        """The fewest files that name a class which a package exports and the contract lists."""
        exports = names(self.trees[self.source / package / "__init__.py"])
        lists = [(self.root / name).read_text(encoding="utf-8") for name in LISTS]
        core = [names(self.trees[path]) for path in self.core()]
        return min(
            sum(cls in found for found in core) + sum(bool(re.search(rf"\b{cls}\b", text)) for text in lists)
            for cls in self.classes(package) & exports
        )

    def core(self) -> list[Path]:
        """The files outside the annexes."""
        return [path for path in self.trees if path.relative_to(self.source).parts[0] not in ANNEXES]

    def classes(self, package: str) -> set[str]:
        """The classes of a package that the contract lists."""
        contract = ast.parse((self.root / LISTS[0]).read_text(encoding="utf-8"))
        attributes = [node for node in ast.walk(contract) if isinstance(node, ast.Attribute)]
        return {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == package}

    def places_of_an_option(self) -> float:
        """The lower median of how often an option is declared or passed on by what trains."""
        tree = self.trees[self.source / "train" / "options.py"]
        options = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Options")
        names = [n.target.id for n in options.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
        trained = {self.source / "commands" / f"{name}.py" for name in ("train", "tune", "demo")}
        read = [path for path in self.trees if path in trained or path.parent == self.source / "train"]
        found = [name for path in read for name in mentioned(self.trees[path])]
        return median_low(found.count(name) for name in names)

    def places_of_a_command(self) -> int:
        """The fewest files that name the module of a command; itself is one."""
        texts = [path.read_text(encoding="utf-8") for path in self.trees]
        modules = {path.stem for path in (self.source / "commands").glob("[!_]*.py")}
        named = {name for name in modules if any(f"prioria.commands.{name}:" in text for text in texts)}
        return 1 + min(sum(f"prioria.commands.{name}" in text for text in texts) for name in named)


def names(tree: ast.Module) -> set[str]:
    """The identifiers of a file."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name) | ast.ClassDef(name=name):
                found.add(name)
    return found


def mentioned(tree: ast.Module) -> Iterator[str]:
    """The names of fields, arguments, keywords and keys, each as often as it stands there."""
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                yield name
            case ast.Dict(keys=keys):
                yield from (key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def lines(path: Path) -> int:
    """Lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def body_length(function: Function) -> int:
    """Lines from the first statement after the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def complexity(function: Function) -> int:
    """McCabe's count: one more than the branches."""
    branches = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp, ast.comprehension)
    return 1 + sum(isinstance(node, branches) for node in ast.walk(function))


def checkout(which: str, folder: Path) -> Checkout:
    """A folder as it is, or a commit unpacked into another."""
    if Path(which).is_dir():
        return Checkout(Path(which).resolve())
    archive = subprocess.run(["git", "archive", which], stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(folder / which, filter="data")
    return Checkout(folder / which)


def main() -> None:
    """Prints a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", nargs="*", default=["."], help="folders or commits")
    wanted = parser.parse_args().checkouts
    with tempfile.TemporaryDirectory() as folder:
        columns = [checkout(which, Path(folder)).measured() for which in wanted]
    print(f"| | {' | '.join('now' if which == '.' else f'`{which}`' for which in wanted)} |")
    print("|---|" + "--:|" * len(wanted))
    for row in columns[0]:
        print(f"| {row} | {' | '.join(column[row] for column in columns)} |")


if __name__ == "__main__":
    main()
