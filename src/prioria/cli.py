"""The command line: names of commands, and where their functions are. Heavy imports wait for a command to run."""

from __future__ import annotations

import sys

from cyclopts import App

import prioria
from prioria.commands.options import shorthand

COMMANDS = {
    "demo": (
        "prioria.commands.demo:demo",
        "Train two small models on digits and write a report: one minute, no download.",
    ),
    "train": ("prioria.commands.train:train", "Train a model on a known data set or on your own file; resume a run."),
    "evaluate": (
        "prioria.commands.evaluate:evaluate",
        "Log-likelihood with an error bar, ELBO and active units of a run.",
    ),
    "diagnose": ("prioria.commands.diagnose:diagnose", "Say why the samples of a run are bad, and what to try."),
    "refit-prior": (
        "prioria.commands.diagnose:refit_prior",
        "Fit another prior to the frozen encoder of a run: better samples in a minute.",
    ),
    "report": ("prioria.commands.report:report", "Write the report page and the picture of a run."),
    "compare": ("prioria.commands.report:compare", "Put runs side by side, with paired differences."),
    "explore": (
        "prioria.commands.explore:explore",
        "Draw pockets and leaks of a run, lines through its latent space, and single latents.",
    ),
    "interpolate": (
        "prioria.commands.interpolate:interpolate",
        "Find shortest paths between test rows through a graph of prior samples.",
    ),
    "sample": (
        "prioria.commands.sample:sample",
        "Draw samples from a run, in the units of its data, into an .npz file.",
    ),
    "encode": ("prioria.commands.sample:encode", "Encode a file with a run into an .npz file."),
    "score": ("prioria.commands.sample:score", "Log-likelihood of each row of a file: anomaly scores."),
    "export": ("prioria.commands.export:export", "Write encoder and decoder of a run as ONNX and torch.export files."),
    "cite": ("prioria.commands.cite:cite", "Print BibTeX for exactly the methods that a run used."),
    "graph": (
        "prioria.commands.graph:graph",
        "Draw the latent dependency graph that a run learned, with priced edges.",
    ),
    "hash": (
        "prioria.commands.hashing:hashing",
        "Turn documents, as counts of words, into binary codes that similar documents share.",
    ),
    "reproduce": ("prioria.commands.reproduce:reproduce", "Regenerate a published table beside its published numbers."),
}
DATA_COMMANDS = {
    "list": (
        "prioria.commands.data:listing",
        "List every data set, its split and protocol, and whether it is at hand.",
    ),
    "inspect": ("prioria.commands.data:inspect", "Say what a file holds and which likelihoods are legal for it."),
}
FAMILIES = frozenset({"prior", "posterior", "likelihood", "objective", "constraint", "network", "stages", "tc"})


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; a bad argument ends it with one line, not with a traceback."""
    app = _app()
    try:
        app(shorthand(sys.argv[1:] if arguments is None else arguments, FAMILIES))
    except (ValueError, OSError, ArithmeticError) as error:
        print(f"prioria: {error}", file=sys.stderr)
        sys.exit(2)


def _app() -> App:
    app = App(
        name="prioria",
        help="Variational autoencoders with learned, structured latent spaces.",
        version=prioria.__version__,
    )
    data = App(name="data", help="Data sets: what there is, what a file holds.")
    for parent, commands in ((app, COMMANDS), (data, DATA_COMMANDS)):
        for name, (target, text) in commands.items():
            parent.command(target, name=name, help=text)
    app.command(data)
    return app
