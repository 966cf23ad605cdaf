"""What each level of a hierarchy decides: hold the groups above, draw those below anew."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from prioria.distributions import mean
from prioria.evaluate.sampling import device_of, measuring, seed_device, seed_generators
from prioria.model import VAE


def resample_below(
    model: VAE,
    group: str,
    *,
    rows: int = 8,
    columns: int = 8,
    x: Float[Tensor, "N D"] | None = None,
    seed: int = 0,
) -> Float[Tensor, "rows columns D"]:
    """Returns a grid of means of p(x | z): along a row the groups down to ``group`` stay, those below change.

    Args:
        model: a hierarchy.
        group: the last group that is held.
        rows: values to hold.
        columns: draws of what is below, for each of them.
        x: hold what is drawn from the posterior of these examples, the first ``rows`` of them, in place of prior draws.
        seed: of all draws.

    Raises:
        ValueError: the model has no such group, x has too few rows, or the grid is empty.

    Example:
        >>> from prioria import likelihoods, nets, stages
        >>> model = VAE(
        ...     encoder=nets.BottomUp(6, {"z0": 2, "z1": 3}),
        ...     stages=stages.BinaryHierarchy({"z0": 2, "z1": 3}),
        ...     likelihood=likelihoods.Bernoulli(nets.MLP(3, 6)),
        ... )
        >>> resample_below(model, "z0", rows=2, columns=4).shape
        torch.Size([2, 4, 6])
    """
    if min(rows, columns) < 1:
        raise ValueError(f"rows={rows} and columns={columns} must be at least 1")
    if x is not None and len(x) < rows:
        raise ValueError(f"x has {len(x)} rows, and rows={rows} are to be held; give more examples or ask for fewer")
    with measuring(model):
        seed_device(device_of(model), seed)
        drawn = model.generate(rows) if x is None else model.draw(x[:rows].to(device_of(model)))
        held = _down_to(model, group, drawn.z)
        repeated = {name: z.repeat_interleave(columns, 1) for name, z in held.items()}
        means = mean(model.generate(rows * columns, **repeated).px)[0]
    return means.unflatten(0, (rows, columns)).cpu().clone()


def reconstruct_levels(model: VAE, x: Float[Tensor, "N D"], *, seed: int = 0) -> dict[str, Float[Tensor, "N D"]]:
    """Returns for each group what the groups down to it know of x: a mean of p(x | z), z below it from the prior.

    The posterior is drawn from once; from one group to the next only one more group is taken from it.

    Args:
        model: a hierarchy.
        x: examples (N, D).
        seed: of all draws.
    """
    with measuring(model):
        seed_device(device_of(model), seed)
        z = model.draw(x.to(device_of(model))).z
        return {name: _rest_from_prior(model, _down_to(model, name, z), seed) for name in model.groups}


def _rest_from_prior(model: VAE, held: dict[str, Tensor], seed: int) -> Tensor:
    seed_generators(device_of(model), (seed, 1))  # not again the noise that the posterior was drawn with
    return mean(model.generate(next(iter(held.values())).shape[1], **held).px)[0].cpu().clone()


def _down_to(model: VAE, group: str, z: dict[str, Tensor]) -> dict[str, Tensor]:
    if group not in model.groups:
        raise ValueError(f"group={group!r} is unknown; this model has {', '.join(model.groups)}")
    return {name: z[name] for name in model.groups[: model.groups.index(group) + 1]}
