"""Bad command lines, made from what the commands say that they take."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin

from prioria.cli import _app

COMMANDS = {  # with what each needs; RUN and OUT stand for folders
    "train": ["digits", "--epochs", "1", "--latents", "2", "--network.hidden", "4", "4", "--out", "OUT/run"],
    "sample": ["RUN", "--num-samples", "2", "--out", "OUT/s.npz"],
    "encode": ["RUN", "digits", "--out", "OUT/z.csv"],
    "score": ["RUN", "digits", "--num-samples", "2"],
    "evaluate": ["RUN", "--num-samples", "5", "--limit", "5"],
    "cite": ["RUN"],
}
LENGTHS = (
    "epochs",
    "num-samples",
    "num-steps",
    "certify",
    "layers",
    "steps",
    "warmup",
    "every",
    "hidden",
    "limit",
    "patience",
)
WHOLE = ["1.5", "-1", "x", "", "nan", "1e400", "0y10"]
HUGE = ["100000000000", "99999999999999999999999"]
REAL = ["inf", "nan", "-1", "x", "", "1e400"]
NAMES = ["", "/dev/null", "/nonexistent/x", "no-such", "a\0b", "x" * 5000, "..", "-"]


def options() -> dict[str, list[Any]]:
    """Every option of the commands, by command."""
    app = _app()
    return {
        name: [each for each in app[name].assemble_argument_collection() if each.names and each.name.startswith("--")]
        for name in COMMANDS
    }


def bad(rng: random.Random, known: dict[str, list[Any]]) -> list[str]:
    """Returns a command line with one bad value, one misspelled option, or one argument too many."""
    command = rng.choice(list(COMMANDS))
    line, kind = [command, *COMMANDS[command]], rng.random()
    option = rng.choice(known[command]) if known[command] else None
    if option is None or kind < 0.1:
        return [*line, rng.choice(["extra", "--no-such", "-x", "--out"])]
    if kind < 0.2:
        name = option.name
        at = rng.randrange(3, len(name)) if len(name) > 3 else 3
        return [*line, name[:at] + "q" + name[at:], "1"]
    return [*line, option.name.replace(".kind", ""), rng.choice(_values(option.name, option.hint))]


def _values(name: str, hint: Any) -> Sequence[str]:
    inner = {hint, *get_args(hint)}
    if any(get_origin(each) is Literal for each in inner):
        return ["no-such", "", "Adam "]
    if int in inner:
        return WHOLE if any(each in name for each in LENGTHS) else [*WHOLE, *HUGE]
    if float in inner:
        return REAL
    return NAMES if "out" in name or "resume" in name else ["", "no-such", "1e400"]
