"""Reconstruction targets in units that people know."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Independent

from prioria.distributions import has_length
from prioria.draw import Draw
from prioria.model import VAE
from prioria.objectives.probe import generated

LABELS = {"nats": "nats", "nats-per-dim": "nats per dimension", "rmse": "RMSE", "psnr": "PSNR"}
EXAMPLES = "'nats=80', 'nats-per-dim=0.1', 'rmse=0.05', 'rmse=8/255' or 'psnr=26'"


@dataclass(frozen=True)
class Target:
    """A bound kappa^2 on a reconstruction cost C, asked for in a unit.

    =============  =====================================  ==================
    unit           C(x, z), averaged over draws           kappa^2
    =============  =====================================  ==================
    nats           -log p(x|z)                            value
    nats-per-dim   -log p(x|z) / D                        value
    rmse           squared error of the mean of p(x|z),   value^2
                   averaged over the D dimensions
    psnr           the same, for data in [0, 1]           10^(-value / 10)
    =============  =====================================  ==================

    Attributes:
        value: what is asked, in the unit.
        unit: "nats", "nats-per-dim", "rmse" or "psnr".

    Raises:
        ValueError: an unknown unit, a value that is not finite, or one that no reconstruction can have.
    """

    value: float
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in LABELS:
            raise ValueError(f"unit={self.unit!r} is unknown; use one of {', '.join(LABELS)}")
        if not math.isfinite(self.value) or (self.unit in ("rmse", "psnr") and self.value <= 0):
            raise ValueError(f"target {self.unit}={self.value} cannot be met; ask for instance for {EXAMPLES}")

    @classmethod
    def parse(cls, text: str) -> Target:
        """Reads "nats=80", "nats-per-dim=0.1", "rmse=0.05", "rmse=8/255" or "psnr=26".

        Raises:
            ValueError: the text is none of these.

        Example:
            >>> Target.parse("rmse=8/255").kappa_squared
            0.000984
        """
        match = re.fullmatch(r"\s*([a-z-]+)\s*=\s*([^/\s]+)(?:\s*/\s*([^/\s]+))?\s*", text)
        try:
            unit, numerator, denominator = match.groups() if match else ("", text, None)
            value = float(numerator) / float(denominator or 1)
        except (ValueError, ZeroDivisionError) as error:
            raise ValueError(f"target={text!r} is not understood; write for instance {EXAMPLES}") from error
        return cls(value, unit)

    @classmethod
    def of_cost(cls, kappa_squared: float, unit: str) -> Target:
        """Returns the target whose bound on C this is.

        Example:
            >>> Target.of_cost(0.0025, "rmse")
            Target(value=0.05, unit='rmse')
        """
        return cls(_from_cost(kappa_squared, unit), unit)

    def __str__(self) -> str:
        return f"{self.unit}={self.value:.6g}"

    @property
    def kappa_squared(self) -> float:
        """The bound on C."""
        match self.unit:
            case "rmse":
                return self.value**2
            case "psnr":
                return 10 ** (-self.value / 10)
            case _:
                return self.value

    def cost(self, draw: Draw) -> Tensor:
        """Returns C (B,), averaged over the K draws."""
        match self.unit:
            case "nats":
                return draw.distortion.mean(0)
            case "nats-per-dim":
                return draw.distortion.mean(0) / dimensions(draw)
            case _:
                return squared_error(draw)

    def exchange_rate(self, draw: Draw) -> Tensor | float:
        """Returns what one unit of C weighs in delta = rate (C - kappa^2), by which multipliers move, per dimension.

        For RMSE and PSNR under a fixed variance s^2 it is 1 / (2 s^2): delta is in nats, a difference of two
        -log p(x|z) per dimension, as it is for targets in nats. A learned variance has no fixed rate; it is 1 then.
        """
        match self.unit:
            case "nats":
                return 1 / dimensions(draw)
            case "nats-per-dim":
                return 1.0
            case _:
                return _nats_per_squared_error(draw.px)

    def in_unit(self, cost: float) -> float:
        """Returns C in the unit of the target: the inverse of ``kappa_squared``."""
        return _from_cost(cost, self.unit)

    def shown(self, cost: float) -> str:
        """Returns C in words, such as "RMSE 0.081"."""
        return f"{LABELS[self.unit]} {self.in_unit(cost):.4g}"

    def verdict(self, cost: float) -> str:
        """Returns in one sentence whether a cost meets the target.

        Example:
            >>> Target.parse("rmse=0.05").verdict(0.081**2)
            'target not met: best RMSE 0.081, asked 0.05'
        """
        asked = f"asked {self.value:.4g}"
        if cost > self.kappa_squared:
            return f"target not met: best {self.shown(cost)}, {asked}"
        return f"target met: {self.shown(cost)}, {asked}"

    def check(self, model: VAE) -> None:
        """Raises ValueError where the likelihood has no such cost."""
        if self.unit in ("rmse", "psnr"):
            check_has_mean(generated(model).px, self)


def _from_cost(cost: float, unit: str) -> float:
    match unit:
        case "rmse":
            return math.sqrt(cost)
        case "psnr":
            return -10 * math.log10(max(cost, 1e-30))
        case _:
            return cost


def dimensions(draw: Draw) -> int:
    """Returns D, the number of values in one x."""
    return math.prod(draw.px.event_shape)


def squared_error(draw: Draw) -> Tensor:
    """Returns the squared error of the mean of p(x|z) (B,), averaged over dimensions and the K draws."""
    if draw.x is None:
        raise ValueError("a squared error needs data, and this draw was generated; use model.draw(x) instead")
    return (draw.x - draw.px.mean).square().flatten(2).mean((0, 2))


def check_has_mean(px: Distribution, target: Target) -> None:
    """Raises ValueError where the mean of p(x|z) is not a reconstruction that an error could be measured on."""
    base = px.base_dist if isinstance(px, Independent) else px
    if isinstance(base, Bernoulli | Categorical) or has_length(base) or not getattr(base, "closed_mean", True):
        raise ValueError(
            f"target={str(target)!r} is an error of grey values, and x is {type(base).__name__} here: 0/1, classes or "
            "counts; use nats, such as nats-per-dim=0.1 (train --suggest-target proposes a value), or "
            "likelihoods.Gaussian"
        )


def _nats_per_squared_error(px: Distribution) -> Tensor | float:
    # A scale that no parameter reaches is fixed. Where gradients are off all look so, but no multiplier moves then.
    scale = getattr(getattr(px, "base_dist", px), "scale", None)
    return 1.0 if scale is None or scale.requires_grad else (0.5 / scale.square()).mean()
