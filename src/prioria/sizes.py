"""Whether data and the parts of a model agree in shape and type: one clear error instead of one of a matrix product."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from prioria.data import read_rows
from prioria.data.own.sources import is_frame
from prioria.draw import Draw, descend
from prioria.module import evaluation_mode

VAE = Any  # a prioria.model.VAE, whose module uses this one


def as_tensor(model: VAE, x: Any) -> Tensor:
    """Returns x as a tensor: a tensor as it is, an array, a list or a DataFrame in the type and place of the weights.

    A DataFrame given to a model of a table holds rows in the units of its data, whose columns are found by name; all
    else is x as the model reads it.

    Raises:
        ValueError: x holds no numbers.
    """
    if isinstance(x, Tensor):
        return x
    values = np.asarray(x) if (table := _table(model, x)) is None else table
    if values.dtype.kind == "O":  # a DataFrame of several types of number, or of text
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError):
            pass  # refused below, by its type
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"x is a {type(x).__name__} of {values.dtype} values; give numbers as a tensor, an array or a DataFrame, "
            "or a split such as dataset.test"
        )
    weights = next((each for each in model.parameters() if each.is_floating_point()), None)
    values = torch.from_numpy(np.ascontiguousarray(values))
    return values.to(torch.get_default_dtype()) if weights is None else values.to(weights.device, weights.dtype)


def _table(model: VAE, x: Any) -> np.ndarray | None:
    """Returns the numbers of a table's rows, where x is a DataFrame and the model knows its columns."""
    protocol = getattr(model, "protocol", None)
    if protocol is None or protocol.schema is None or not is_frame(x):
        return None
    return read_rows(x, protocol).tensor().numpy()


def as_rows(model: VAE, x: Any) -> Tensor:
    """Returns x as rows (N, *event); a single row is a batch of one.

    Raises:
        ValueError: x holds no numbers, or has more axes than rows have.
    """
    found, lead = flat(model, x)
    if len(lead) > 1:
        raise ValueError(
            f"x has shape {tuple(lead + found.shape[1:])}: one axis counts the rows; use x.flatten(0, {len(lead) - 1})"
        )
    return found


def flat(model: VAE, x: Any) -> tuple[Tensor, torch.Size]:
    """Returns x as rows (N, *event) and the axes that lead to them, none for a single row.

    Raises:
        ValueError: x holds no numbers, or its last axes are not those of a row.
    """
    x = as_tensor(model, x)
    if x.dim() == 2:
        return x, x.shape[:1]
    event = generated(model).px.event_shape
    lead = x.shape[: max(x.dim() - len(event), 0)]
    if x.shape[len(lead) :] != event:
        raise misfit(x if x.dim() > 1 else x[None], event)
    return x.reshape(-1, *event), lead


def lead(name: str, z: Tensor, event: torch.Size) -> torch.Size:
    """Returns the axes of latents before those of the group; ValueError where they do not end in these."""
    count = z.dim() - len(event)
    if count < 0 or z.shape[count:] != event:
        raise ValueError(f"z of group {name!r} has shape {tuple(z.shape)}, and must end in {tuple(event)}")
    return z.shape[:count]


def misfit(x: Tensor, event: torch.Size) -> ValueError:
    """Returns the error that names the shape of x and that of the rows that a model is of."""
    pictures = x.dim() > 2 and x.shape[1:].numel() == event.numel()
    remedy = "use x.flatten(1)" if pictures else "give data of that width, or a model of this one"
    return ValueError(
        f"x has rows of shape {tuple(x.shape[1:])}, and the likelihood is over {_rows(event)}; {remedy} (a likelihood "
        "of your own declares its event axes)"
    )


def check_count(name: str, count: Any) -> None:
    """Raises ValueError where a number of draws or rows is no whole number from 1 on."""
    if torch.compiler.is_compiling():
        return
    if not isinstance(count, Integral) or count < 1:
        raise ValueError(f"{name}={count!r} must be at least 1, a whole number")


def explain(model: VAE, x: Tensor | None = None, given: Mapping[str, Tensor] | None = None) -> None:
    """Raises ValueError that says what does not fit, where a pass through a model failed; returns where all fits.

    Args:
        model: the model.
        x: rows that were encoded; None where rows were generated.
        given: values that were held for some groups.

    Raises:
        ValueError: rows or values of another shape or type than the model is for, or two parts whose sizes do not
            agree.
    """
    for name, value in {"x": x, **{f"z of group {name!r}": value for name, value in (given or {}).items()}}.items():
        if value is not None:
            _check_type(name, value, model)
    if x is not None:
        if not len(x):
            raise ValueError(f"x of shape {tuple(x.shape)} holds no row; give at least one")
        event = generated(model).px.event_shape
        if x.shape[1:] != event:
            raise misfit(x, event)
    with evaluation_mode(model), torch.random.fork_rng(), torch.no_grad():
        walk(model, None if x is None else x[:2])


def _check_type(name: str, value: Tensor, model: VAE) -> None:
    kinds = {each.dtype for each in model.parameters() if each.is_floating_point()}
    if kinds and value.dtype not in kinds:
        found = ", ".join(sorted(str(kind) for kind in kinds))
        raise ValueError(
            f"{name} is {value.dtype}, and the weights of the model are {found}; use .to({found.split(', ')[0]})"
        )


def walk(model: VAE, x: Tensor | None) -> None:
    """Runs a model part by part, without encoder and posteriors where there are no rows.

    Raises:
        ValueError: a part does not take what it is given; the message names it.
    """
    features: dict[str, Any] = {}
    for name in () if x is None else model.groups:
        with _part("encoder", x):
            features[name] = model.features_of(name, model.encoder_of(name)(x))
    above: Any = None
    for name, stage in model.stages.items():
        with _part(f"prior of group {name!r}", above):
            p = stage.prior(above)
        if not p.event_shape and p.batch_shape:
            raise ValueError(
                f"prior of group {name!r} is over single numbers, in a batch of shape {tuple(p.batch_shape)}; a "
                "distribution of your own declares its event axes, for instance by Independent(p, 1)"
            )
        q = None
        if x is not None:
            with _part(f"posterior of group {name!r}", features[name], above):
                q = stage.posterior(features[name], above, p)
        shape = (1, 1 if x is None else len(x))
        latents, _ = descend({name: stage}, shape, features=None if x is None else features, top=(p, q))
        with _part(f"merge of group {name!r}", above, latents[name].z):
            above = stage.merge(above, latents[name].z)
    with _part("likelihood", above):
        model.likelihood(above)


def generated(model: VAE) -> Draw:
    """Returns one row that the model generates, in evaluation mode; it and the random numbers stay as they were."""
    with evaluation_mode(model), torch.random.fork_rng(), torch.no_grad():
        return model.generate(1)


def check_range(x: Tensor, px: Distribution) -> None:
    """Raises ValueError where rows hold values beyond the range of the likelihood, such as -1 for bits.

    Grey values in [0, 1] pass for probabilities of bits.
    """
    low, high = _range(px)
    if x.numel() and (x.amin() < low or x.amax() > high):
        raise ValueError(
            f"x goes from {x.amin():.3g} to {x.amax():.3g}, and the likelihood has probabilities from {low:g} to "
            f"{high:g} only; bring x to that range, or use likelihoods.Gaussian"
        )


def within(model: VAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns rows, and which of them (N,) the likelihood has probabilities for; others get its least value.

    Raises:
        ValueError: rows of another shape, or most of them beyond the range of the likelihood.
    """
    px = generated(model).px
    if x.shape[1:] != px.event_shape:
        raise misfit(x, px.event_shape)
    low, high = _range(px)
    if torch.inf in (-low, high):
        return x, torch.ones(len(x), dtype=torch.bool)
    held = ((x >= low) & (x <= high)).flatten(1).all(1)  # not where a value is missing
    if 2 * held.sum() < len(x) and x.isfinite().all():
        check_range(x, px)
    return torch.where(held.reshape(-1, *[1] * (x.ndim - 1)), x, low), held.cpu()


def unreadable(model: VAE, x: Tensor) -> int | None:
    """Returns the place of a row with a value that is not finite and that the model cannot leave out, if there is one.

    The model is asked, whoever wrote it: it draws once, and its random numbers stay as they were.
    """
    if x.isfinite().all():
        return None
    lost = x.flatten(1).isinf().any(1), x.flatten(1).isnan().any(1)
    places = [int(each.nonzero()[0]) for each in lost if each.any()]
    row = x[places[0]][None].to(next((each.device for each in model.parameters()), x.device))
    with evaluation_mode(model), torch.random.fork_rng(), torch.no_grad():
        try:
            log_px = model.draw(row).log_px
        except ValueError:  # torch's distributions refuse values that are not numbers
            return places[0]
    return None if log_px.isfinite().all() else places[0]


def shapes(draw: Draw) -> Iterator[str]:
    """Yields one line for each group of a draw of K = 3 and B = 2, and one for x.

    Raises:
        ValueError: a density that is not (K, B).
    """
    for name, latent in draw.latents.items():
        for term, value in {"log_q": latent.log_q, "log_p": latent.log_p}.items():
            if value is None or value.shape != (3, 2):
                found = None if value is None else tuple(value.shape)
                raise ValueError(
                    f"group {name!r} gives {term} of shape {found}, not (K, B); declare the event axes of its "
                    "distribution"
                )
        posterior, prior = type(latent.q).__name__, type(latent.p).__name__
        yield f"{name}: {tuple(latent.z.shape[2:])}, posterior {posterior}, prior {prior}"
    if draw.log_px is None or draw.log_px.shape != (3, 2):
        raise ValueError(
            f"likelihood gives log p(x|z) of shape {tuple(draw.distortion.shape)}, not (K, B); declare event axes"
        )
    yield f"x: {tuple(draw.px.event_shape)}, {type(draw.px).__name__} {tuple(draw.px.event_shape)}"


def _range(px: Distribution) -> tuple[float, float]:
    try:
        support: Any = px.support
    except NotImplementedError:
        return -torch.inf, torch.inf
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    if support is constraints.boolean:
        return 0.0, 1.0
    ends = getattr(support, "lower_bound", -torch.inf), getattr(support, "upper_bound", torch.inf)
    low, high = (torch.as_tensor(end) for end in ends)
    return float(low.min()), float(high.max())


@contextmanager
def _part(name: str, *given: Any) -> Iterator[None]:
    try:
        yield
    except (NotImplementedError, torch.OutOfMemoryError):
        raise
    except (RuntimeError, IndexError) as error:
        shapes = [str(tuple(each.shape)) for each in given if isinstance(each, Tensor)] or ["what it is given"]
        found, cause = " and ".join(shapes), str(error).splitlines()[0]
        raise ValueError(f"{name} does not take {found}: {cause}; make the sizes of the two agree") from error


def _rows(event: torch.Size) -> str:
    return f"rows of shape {tuple(event)}" if event else "single numbers"
