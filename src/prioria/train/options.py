"""The options of training: each is declared once, here, and offered by ``fit`` and the command line alike."""

from __future__ import annotations

import functools
import inspect
import math
import re
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields
from textwrap import fill
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from prioria.spelling import check_keywords

Function = TypeVar("Function", bound=Callable[..., Any])


def option(
    text: str, default: Any = MISSING, *, least: int | None = None, above: int | None = None, free: bool = False
) -> Any:
    """Declares an option.

    Args:
        text: what it means, after its name.
        default: its value where it is left out.
        least: the smallest value that it may have.
        above: what its value must exceed.
        free: a run that goes on may change it.
    """
    return field(default=default, metadata={"text": text, "least": least, "above": above, "free": free})


@dataclass(frozen=True)
class Options:
    """How to train.

    Raises:
        ValueError: a value that is unknown or out of range, or two options that contradict each other.
    """

    epochs: int = option("passes over the training data.", least=0, free=True)
    batch_size: int = option("rows of a step, over all processes.", 100, least=1)
    learning_rate: float = option("Adam's.", 5e-4, above=0)
    prior_learning_rate: float | None = option(
        "Adam's of what the prior of the top group owns alone, as a group apart; None: as for the model.", None, above=0
    )
    seed: int = option(
        "of the order of the data and of all noise, not of the weights: those the model has already.", 0, least=0
    )
    optimizer: Literal["adam", "adam-normalized"] = option(
        '"adam", or "adam-normalized", where the gradient of each tensor is first divided by its norm (Tomczak and '
        "Welling, 2018, their code).",
        "adam",
    )
    schedule: Literal["constant", "cosine"] = option(
        'of the learning rate: "constant", or "cosine" down to zero at the last step.', "constant"
    )
    gradient_clip: float | None = option("largest norm of the gradient.", None, above=0)
    ema: float | None = option(
        "decay of an average of the model's weights, min(ema, (1 + t) / (10 + t)) at step t, which is then what is "
        "validated and kept as the best.",
        None,
    )
    precision: Literal["float32", "bf16", "auto"] = option(
        '"bf16" runs the networks in bfloat16; densities stay in float32. "auto" measures once whether that is twice '
        "as fast here, in batches of 50 rows or more, and writes what it chose into ``run.json``.",
        "float32",
    )
    compile: bool | Literal["auto"] = option(
        "fuse each step with its backward pass into few kernels (``torch.compile``), after a minute of compilation; "
        "the draws are the same, the numbers up to rounding. All batches then have one size: the few rows that are "
        'over in an epoch are left out, other ones each time. "auto" compiles where a C++ compiler is there and more '
        "than ten minutes of processor time are ahead.",
        False,
    )
    device: str = option(
        '"auto" takes the accelerator where there is one; or "cpu", "cuda", "cuda:1", "mps", "xpu".', "auto", free=True
    )
    patience: int | None = option(
        "epochs without a better validation loss after which training stops, counted once warm-up has ended.",
        None,
        least=1,
        free=True,
    )
    mask_rate: float = option(
        "entries of each training row that are hidden, on average, from 0 to 0.5: of each row a fresh share, uniform "
        "from 0 to twice the rate. The objective is the mean over masks m of that of x_m, what is left of x: of the "
        "ELBO, E_m E_q(z|x_m)[log p(x_m, z) - log q(z|x_m)], at its largest where q(z|x_m) = p(z|x_m) for every m, "
        "which conditionals need. Only where encoder and likelihood leave holes out; validation is of whole rows.",
        0.0,
        least=0,
    )
    log_every: int = option(
        "steps between two lines of training means; each epoch ends with one.", 100, least=1, free=True
    )
    checkpoint_every: str = option(
        '"60 seconds" or "500 steps"; there is one at the start and one at the end.', "60 seconds", free=True
    )

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for each in fields(self):
            _check(each.name, getattr(self, each.name), hints[each.name], **each.metadata)
        if self.gradient_clip is not None and self.optimizer == "adam-normalized":
            raise ValueError(f"gradient_clip={self.gradient_clip} does nothing to normalized gradients; leave it out")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ValueError(f"ema={self.ema} must lie between 0 and 1, for instance 0.999")
        if self.seed >= 2**64:
            raise ValueError(f"seed={self.seed} must be below 2^64")
        if self.mask_rate > 0.5:
            raise ValueError(f"mask_rate={self.mask_rate} must be at most 0.5, at which shares go from 0 to 1")
        Interval.parse(self.checkpoint_every)

    def rate(self, step: int, steps: int) -> float:
        """Returns the factor on the learning rate at a step: 1, or half a cosine from 1 to 0 over all steps."""
        return 1.0 if self.schedule == "constant" else 0.5 + 0.5 * math.cos(math.pi * min(1.0, step / steps))


def _check(name: str, value: Any, hint: Any, *, least: int | None, above: int | None, **_: Any) -> None:
    if get_origin(hint) is Literal and value not in get_args(hint):
        raise ValueError(f"{name}={value!r} is unknown; use one of {', '.join(get_args(hint))}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name}={value} must be a finite number")
    if hint is int and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError(f"{name}={value!r} must be a whole number")
    leave = "; leave it out for none" if type(None) in get_args(hint) else ""
    if value is not None and least is not None and value < least:
        raise ValueError(f"{name}={value} must be at least {least}{leave}")
    if value is not None and above is not None and not value > above:
        raise ValueError(f"{name}={value} must be above {above}{leave}")


def takes_options(function: Function) -> Function:
    """Gives a function that ends in ``**options`` their names, types, defaults and documentation.

    Its docstring says where by a line ``**options:`` among its arguments.

    Example:
        >>> @takes_options
        ... def train(model, **options):
        ...     return Options(**options).batch_size
        >>> train(None, epochs=1), list(inspect.signature(train).parameters)[:3]
        (100, ['model', 'epochs', 'batch_size'])
        >>> train(None, epochs=1, batchsize=3)
        Traceback (most recent call last):
        ...
        TypeError: train() has no argument batchsize; did you mean batch_size?
    """
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    offered = [each for each in fields(Options) if each.name not in signature.parameters]
    options = [_parameter(each) for each in offered]
    whole = signature.replace(parameters=sorted([*options, *own], key=lambda p: p.kind))
    text = "".join(_described(each) for each in offered)

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        check_keywords(function.__name__, kwargs, whole.parameters)
        whole.bind(*args, **kwargs)  # names what is missing
        return function(*args, **kwargs)

    called.__signature__ = whole  # pyright: ignore[reportAttributeAccessIssue]
    called.__doc__ = re.sub(r" *\*\*options:.*\n", lambda _: text, function.__doc__ or "")
    return called  # pyright: ignore[reportReturnType]


def _parameter(each: Field[Any]) -> inspect.Parameter:
    default = inspect.Parameter.empty if each.default is MISSING else each.default
    return inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=each.type)


def _described(each: Field[Any]) -> str:
    text = f"{each.name}: {each.metadata['text']}"
    return fill(text, 120, initial_indent=" " * 8, subsequent_indent=" " * 12, break_long_words=False) + "\n"


@dataclass(frozen=True)
class Interval:
    """How often something is done, in seconds or in steps.

    Example:
        >>> Interval.parse("2 minutes")
        Interval(length=120, unit='seconds')
    """

    length: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> Interval:
        """Reads "60 seconds", "10 minutes" or "500 steps".

        Raises:
            ValueError: the text is none of them.
        """
        match = re.fullmatch(r"\s*([1-9]\d*)\s*(second|minute|step)s?\s*", text)
        if match is None:
            raise ValueError(f"checkpoint_every={text!r} is not understood; write '60 seconds' or '500 steps'")
        length = int(match[1])
        return cls(60 * length, "seconds") if match[2] == "minute" else cls(length, f"{match[2]}s")

    def passed(self, *, seconds: float, steps: int) -> bool:
        """Whether it is time, that many seconds and steps after the last time."""
        return (seconds if self.unit == "seconds" else steps) >= self.length
