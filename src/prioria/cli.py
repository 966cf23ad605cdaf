"""The command line: names of commands, and where their functions are. Heavy imports wait for a command to run."""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from typing import Any, get_args

from cyclopts import App, CycloptsError, Group
from cyclopts.help import DefaultFormatter, HelpPanel

import prioria

TASKS = {  # what one does -> command -> its function, and what it is for
    "Prepare": {
        "demo": (
            "prioria.commands.demo:demo",
            "Train two small models on digits and write a report: one minute, no download.",
        ),
    },
    "Train": {
        "train": (
            "prioria.commands.train:train",
            "Train a model on a known data set or on your own file; resume a run.",
        ),
        "tune": (
            "prioria.commands.tune:tune",
            "Search for the options of a training whose validation bound is best; resumable.",
        ),
    },
    "Measure": {
        "evaluate": (
            "prioria.commands.evaluate:evaluate",
            "Log-likelihood with an error bar, ELBO and active units of a run.",
        ),
        "score": ("prioria.commands.score:score", "Log-likelihood of each row of a file: anomaly scores."),
        "compare": ("prioria.commands.report:compare", "Put runs side by side, with paired differences."),
        "diagnose": ("prioria.commands.diagnose:diagnose", "Say why the samples of a run are bad, and what to try."),
    },
    "Look": {
        "ui": (
            "prioria.commands.ui:explorer",
            "Explore runs in a browser on this machine: drag a latent, see what it decodes to.",
        ),
        "report": ("prioria.commands.report:report", "Write the report page and the picture of a run."),
        "explore": (
            "prioria.commands.explore:explore",
            "Draw pockets and leaks of a run, lines through its latent space, and single latents.",
        ),
        "interpolate": (
            "prioria.commands.interpolate:interpolate",
            "Find shortest paths between test rows through a graph of prior samples.",
        ),
        "graph": (
            "prioria.commands.graph:graph",
            "Draw the latent dependency graph that a run learned, with priced edges.",
        ),
    },
    "Use": {
        "sample": ("prioria.commands.sample:sample", "Draw samples, in the units of the data: a table, or an array."),
        "encode": ("prioria.commands.sample:encode", "Encode a file: its posterior means, a table or arrays."),
        "impute": (
            "prioria.commands.impute:impute",
            "Fill missing entries of a table in, several times, and say how sure they are.",
        ),
        "hash": (
            "prioria.commands.hashing:hashing",
            "Turn documents, as counts of words, into binary codes that similar documents share.",
        ),
        "refit-prior": (
            "prioria.commands.diagnose:refit_prior",
            "Fit another prior to the frozen encoder of a run: better samples in a minute.",
        ),
    },
    "Share": {
        "pack": ("prioria.commands.pack:pack", "Make one file of a model that works anywhere, or put it on the Hub."),
        "export": (
            "prioria.commands.export:export",
            "Write encoder, decoder and sampler of a run as ONNX and .pt2 files.",
        ),
        "cite": ("prioria.commands.cite:cite", "Print BibTeX for exactly the methods that a run used."),
        "reproduce": (
            "prioria.commands.reproduce:reproduce",
            "Regenerate a published table beside its published numbers.",
        ),
    },
}
COMMANDS = {name: found for commands in TASKS.values() for name, found in commands.items()}
EXAMPLES = {
    "train": {
        "help_prologue": """```text
prioria train my.csv --label species            a table of your own
prioria train photos/ --resize 64x64            pictures, in one size
prioria train digits --prior vamp --epochs 20   a known set, a learned prior
prioria train mnist --levels 2 --prior vamp     two levels of latents
prioria train --resume RUN --epochs +50         go on where it was stopped
```"""
    }
}
MORE = """`prioria train --help all` shows every option: values, pictures, series, tables, parts of the model
(`--prior`, `--posterior`, `--likelihood`, `--objective`, `--network`, `--stages`, `--constraint`) and training
(`--batch-size`, `--learning-rate`, `--device`, `--tracker` and others)."""
DATA_COMMANDS = {
    "list": (
        "prioria.commands.data:listing",
        "List every data set, its split and protocol, and whether it is at hand.",
    ),
    "inspect": ("prioria.commands.data:inspect", "Say what a file holds and which likelihoods are legal for it."),
}
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
FAMILIES = frozenset({"prior", "posterior", "likelihood", "objective", "constraint", "network", "stages", "tc"})


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; whatever goes wrong is one line and status 2, and a traceback with ``--debug``."""
    if arguments is None:
        keep_freed_memory()
        warnings.formatwarning = lambda message, *_args, **_more: f"prioria: {message}\n"  # no lines of our source
    given = sys.argv[1:] if arguments is None else arguments
    typed = [each for each in given if each != "--debug"]
    everything = typed[-2:] in (["--help", "all"], ["-h", "all"])
    typed = typed[:-1] if everything else typed
    app = _app(everything)
    try:
        _check_alone(typed)
        spelled = shorthand(typed, FAMILIES)
        _check_whole(app, spelled)
        app(spelled, exit_on_error=False, print_error=False)
    except Exception as error:
        if "--debug" in given:
            raise
        print(f"prioria: {_line(error)}", file=sys.stderr)
        sys.exit(2)


def _line(error: Exception) -> str:
    if isinstance(error, (CycloptsError, ValueError, OSError, ArithmeticError, MemoryError)) and str(error):
        return str(error)
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first[:200]} (this should not happen; --debug shows where it did)"


def _check_alone(arguments: list[str]) -> None:
    """Refuses what --version would pass over."""
    if arguments[:1] == ["--version"] and len(arguments) > 1:
        raise ValueError(f"--version takes no argument, and {arguments[1]!r} follows; leave it out")


def _check_whole(app: App, arguments: list[str]) -> None:
    """Refuses 1.5 where a whole number is asked for, which the parser would round."""
    _, apps, rest = app.parse_commands(arguments)
    if not rest or apps[-1].default_command is None:
        return
    whole = {
        name
        for argument in apps[-1].assemble_argument_collection()
        for name in argument.names
        if int in (argument.hint, *get_args(argument.hint)) and float not in get_args(argument.hint)
    }
    for word, following in zip(rest, [*rest[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        value = value if equals else following
        if name in whole and "." in value and value.replace(".", "").lstrip("+-").isdecimal():
            raise ValueError(f"{name} {value} must be a whole number")


def shorthand(arguments: list[str], families: frozenset[str]) -> list[str]:
    """Rewrites ``--prior vamp`` to ``--prior.kind vamp``; the parser cannot mix both forms.

    Example:
        >>> shorthand(["--prior", "vamp", "--prior.components", "9"], frozenset({"prior"}))
        ['--prior.kind', 'vamp', '--prior.components', '9']
    """
    return [_with_kind(argument, families) for argument in arguments]


def _with_kind(argument: str, families: frozenset[str]) -> str:
    name, equals, value = argument.partition("=")
    return f"{name}.kind{equals}{value}" if name.removeprefix("--") in families and name.startswith("--") else argument


def keep_freed_memory() -> None:
    """Lets this process keep what it frees, up to 1 GiB; arrays above 32 MiB still go back at once.

    glibc hands freed memory back as soon as some megabytes lie at its end, so that every training step faults its
    activations and gradients in anew: up to a fifth of its time. Nothing happens with another C library, or where the
    environment already says how memory is to be kept.
    """
    named = os.environ.keys() & {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"}
    if named or "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}):
        return
    allocator = ctypes.CDLL(None)
    allocator.mallopt(M_MMAP_THRESHOLD, 32 << 20)
    allocator.mallopt(M_TRIM_THRESHOLD, 1 << 30)


def _app(everything: bool = False) -> App:
    app = App(
        name="prioria",
        help="Variational autoencoders with learned, structured latent spaces.",
        version=prioria.__version__,
    )
    groups = {task: Group(task, sort_key=number) for number, task in enumerate(TASKS)}
    own = Group("This program", sort_key=len(TASKS))
    app["--help"].group = app["--version"].group = own
    for task, commands in TASKS.items():
        for name, (target, text) in commands.items():
            more: dict[str, Any] = EXAMPLES.get(name, {})
            if name in EXAMPLES and not everything:
                more = more | {"help_formatter": Usual(), "help_epilogue": MORE}
            app.command(target, name=name, help=text, group=groups[task], **more)
    data = App(name="data", help="Data sets: what there is, what a file holds.", group=groups["Prepare"])
    for name, (target, text) in DATA_COMMANDS.items():
        data.command(target, name=name, help=text)
    app.command(data)
    text = "Complete names by the Tab key in this shell from now on."
    app.register_install_completion_command(group=own, help=text)
    return app


class Usual(DefaultFormatter):
    """Shows the first panel of options, the usual ones, and leaves the others to ``--help all``."""

    def __call__(self, console: Any, options: Any, panel: HelpPanel) -> None:
        if str(panel.title) in ("Parameters", "Arguments", "Commands"):
            super().__call__(console, options, panel)
