"""Promises of the layout: imports point one way, files are short, nothing is unpickled, starting is quick."""

import ast
import functools
import importlib.util
import pkgutil
import re
import subprocess
import sys
import tomllib
import types
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
SOURCE = REPOSITORY / "src" / "prioria"
FILES = sorted(SOURCE.rglob("*.py"))
PARTS = [path for path in FILES if path != SOURCE / "__init__.py"]  # the root only re-exports

LAYERS = [
    {"atomic", "hub", "memory", "module", "packing", "rebuilding", "shared", "spelling", "storage", "workers"},
    {"distributions", "flows", "nets", "stage"},
    {"priors", "posteriors", "likelihoods", "stages"},
    {"data"},
    {"draw", "drawing", "conditionals", "model", "sizes"},
    {"adoption", "objectives", "evaluate", "explore", "theory", "programs"},
    {"build", "starts"},
    {"train"},
    {"estimator", "hashing", "imputation", "improvement"},
    {"presets", "tuning"},
    {"report", "export", "estimator"},
    {"papers", "ui"},
    {"commands"},
    {"commands", "cli", "__main__"},
]
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}

FORBIDDEN_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "runpy", "torchvision"}
# What is declared and not imported here is used by accelerate, torch.onnx, pooch and benchmarks, or is to come.
PENDING = {"websockets"}
LONG = {  # files above 300 lines, and why
    "src/prioria/data/kinds.py": "what a column may be, told from its values in the order of the questions",
    "src/prioria/estimator.py": "one class with the interface of scikit-learn, whose docstrings are its page",
    "src/prioria/evaluate/output/fidelity.py": "four measures of the same two tables, read together",
    "src/prioria/improvement.py": "one training by steps: its schedule, its choice of weights, and what it says",
    "src/prioria/evaluate/estimate.py": "one result: its numbers, how far they are to be trusted, and its JSON",
    "src/prioria/model.py": "one class, whose public methods carry their arguments and errors",
    "src/prioria/ui/opened.py": "one method for each thing that a page asks of a run",
    "src/prioria/train/loop.py": "a step, an epoch, and what both must remember when they are stopped, read as one",
}
FORBIDDEN_CALLS = {"exec", "eval", "compile", "__import__", "torch.load", "torch.save", "yaml.load"}


@functools.cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def part_of(path: Path) -> str:
    """The top-level part of prioria that a file belongs to, such as ``priors`` or ``draw``."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, at its top or inside a function."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parts_used(path: Path) -> set[str]:
    """The other parts of prioria that a file imports."""
    dotted = [item.split(".") for item in imported(path)]
    used = {names[1] for names in dotted if names[0] == "prioria" and len(names) > 1}
    return (used & set(LEVEL)) - {part_of(path)}


def body_length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def least_printed(code: str) -> float:
    """The least number that code prints last in two runs, as the first may compile bytecode."""
    runs = [subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True) for _ in range(2)]
    return min(float(run.stdout.split()[-1]) for run in runs)


def test_every_part_has_a_layer():
    assert {part_of(path) for path in PARTS} <= set(LEVEL)


@pytest.mark.slow
def test_imports_point_down():
    upward = [
        f"{path.relative_to(SOURCE)} -> {part}"
        for path in PARTS
        for part in parts_used(path)
        if LEVEL[part] > LEVEL[part_of(path)]
    ]
    assert upward == []


def test_parts_do_not_import_in_circles():
    graph = defaultdict(set)
    for path in PARTS:
        graph[part_of(path)] |= parts_used(path)
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_modules_do_not_import_in_circles():
    """Not for their types either: what two files need of each other belongs into a third."""
    assert len(checkout().trees) > 200 and checkout().modules_in_cycles() == 0


def test_the_core_knows_nothing_of_papers():
    """Only the command that reaches the annexe imports from it; it draws with what reports draw with."""
    others = [path for path in PARTS if part_of(path) != "papers" and "papers" in parts_used(path)]
    assert [str(path.relative_to(SOURCE)) for path in others] == ["commands/reproduce.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_is_unpickled_or_executed(path: Path):
    calls = [node for node in ast.walk(parse(path)) if isinstance(node, ast.Call)]
    keywords = [keyword for call in calls for keyword in call.keywords if keyword.arg == "allow_pickle"]
    assert not {item.split(".")[0] for item in imported(path)} & FORBIDDEN_MODULES
    assert not {ast.unparse(call.func) for call in calls} & FORBIDDEN_CALLS
    assert [ast.unparse(keyword.value) for keyword in keywords if ast.unparse(keyword.value) != "False"] == []


def test_every_package_that_is_imported_is_declared_and_the_other_way_round():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [item for name, items in project["optional-dependencies"].items() if name != "dev" for item in items]
    declared = {re.match(r"[\w-]+", item)[0] for item in [*project["dependencies"], *extras]}
    others = {item.split(".")[0] for path in FILES for item in imported(path)} - {*sys.stdlib_module_names, "prioria"}
    known = packages_distributions()
    used = {name.lower().replace("_", "-") for other in others for name in known[other]}
    assert used - declared == set()
    others = {"aim", "tensorboard", "mlflow", "onnx", "openpyxl", "pythae", "wandb", "zuko"}
    assert declared - used == others | PENDING


def test_files_are_short():
    folders = ("src", "tests", "docs", "tools", "benchmarks")
    paths = [path for folder in folders for path in (REPOSITORY / folder).rglob("*.py")]
    lengths = {str(p.relative_to(REPOSITORY)): len(p.read_text(encoding="utf-8").splitlines()) for p in paths}
    long = {path: length for path, length in lengths.items() if length > 300}
    assert {path: length for path, length in long.items() if length > 400} == {}
    assert long.keys() == LONG.keys(), "a file above 300 lines needs a reason here, and a reason needs such a file"


def test_functions_are_short():
    nodes = [(path, node) for path in FILES for node in ast.walk(parse(path))]
    functions = [(path, node) for path, node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    assert {f"{path.name}:{f.name}": body_length(f) for path, f in functions if body_length(f) > 60} == {}


def test_ruff_counts_the_branches_of_functions():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]
    assert "C90" in settings["select"] and settings["mccabe"]["max-complexity"] == 12
    assert [path for path in FILES if "noqa: C901" in path.read_text(encoding="utf-8")] == []


@functools.cache
def checkout() -> object:
    spec = importlib.util.spec_from_file_location("measure", REPOSITORY / "tools" / "measure.py")
    measure = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(measure)
    return measure.Checkout(REPOSITORY)


def test_a_training_option_is_declared_in_one_place():
    assert checkout().places_of_an_option() == 1


def test_a_new_part_touches_few_places():
    assert checkout().places("priors") <= 6
    assert checkout().places("objectives") <= 5
    assert checkout().places_of_a_command() == 2


@pytest.mark.slow
def test_importing_everything_takes_no_longer_than_torch_alone():
    code = (
        "from time import process_time as now; start = now(); import torch; torched = now(); import prioria\n"
        "for name in {*prioria.__all__} - {'papers', 'report'}: getattr(prioria, name)\n"
        "print((now() - torched) / (torched - start))"
    )
    assert least_printed(code) < 1.0  # for 0.3 to 0.4


def test_help_imports_little_and_no_torch():
    code = (
        "import sys; sys.argv = ['prioria', '--help']; from prioria.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert not {'torch', 'numpy', 'pandas'} & set(sys.modules); print(len(sys.modules))"
    )
    assert least_printed(code) < 500  # for 324


@pytest.mark.slow
def test_the_root_names_everything_public_and_loads_it_when_asked():
    code = (
        "import sys, prioria; print(len(sys.modules)); assert not {'torch', 'numpy'} & set(sys.modules)\n"
        "assert set(dir(prioria)) >= {'papers', 'report', 'train', 'export', 'explore', *prioria.__all__}\n"
        "for name in prioria.__all__: assert getattr(prioria, name) is not None, name\n"
        "assert not {'matplotlib', 'sklearn', 'torch._dynamo', 'scipy.stats'} & set(sys.modules); print(0)"
    )
    assert least_printed(code) == 0


def test_every_package_says_what_is_public():
    found = [module.name for module in pkgutil.walk_packages([str(SOURCE)], "prioria.") if module.ispkg]
    packages = [importlib.import_module(name) for name in found]
    public = [package for package in packages if any(imported(Path(package.__file__)))]
    assert len(public) > 15
    for package in public:
        assert [name for name in package.__all__ if not hasattr(package, name)] == [], package.__name__
        taken = {item.rpartition(".")[2] for item in imported(Path(package.__file__))} - {"Any", "TYPE_CHECKING"}
        assert {name for name in taken if not name.startswith("_")} == set(package.__all__), package.__name__


def test_no_function_hides_a_module_of_its_own_name():
    found = pkgutil.walk_packages([str(SOURCE)], "prioria.")
    packages = [importlib.import_module(name) for name in ("prioria", *(each.name for each in found if each.ispkg))]
    hidden = [
        f"{package.__name__}.{module.name}"
        for package in packages
        for module in pkgutil.iter_modules(package.__path__)
        if not isinstance(getattr(package, module.name, package), types.ModuleType)
    ]
    assert hidden == []


def test_torchvision_is_not_installed():
    assert importlib.util.find_spec("torchvision") is None
