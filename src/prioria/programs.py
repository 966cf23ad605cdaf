"""What is exported of a model: an encoder of raw rows, a decoder into them, and a sampler that noise is given to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

import prioria
from prioria.data import Protocol
from prioria.distributions import drawn_from, is_binary
from prioria.model import VAE


class Treatment:
    """How rows of the file become the numbers x that the networks read, and back.

    Bits stay as they are, so that what is put in may also be their probabilities.

    Args:
        protocol: of the model; None leaves rows as they are, flat.
        bits: whether p(x|z) is of bits.
    """

    def __init__(self, protocol: Protocol | None, bits: bool) -> None:
        self.protocol, self.bits = protocol, bits

    @classmethod
    def of(cls, model: VAE) -> Treatment:
        """Returns that of a model."""
        with torch.random.fork_rng(), torch.no_grad():
            return cls(model.protocol, is_binary(model.generate(1).px))

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (B, *shape) -> x (B, D)."""
        if self.protocol is None:
            return rows
        flat = rows.flatten(1)
        return flat if self.bits else self.protocol.treated(flat)

    def back(self, x: Tensor) -> Tensor:
        """X (B, D) -> rows (B, *shape)."""
        if self.protocol is None:
            return x
        values = x if self.bits else self.protocol.unscaled(x)
        return values.unflatten(-1, self.protocol.shape)


class Encoder(nn.Module):
    """Rows (B, *shape) -> mean and log-variance of each group in turn, (B, *event) each."""

    def __init__(self, model: VAE, treatment: Treatment) -> None:
        super().__init__()
        self.model, self.treatment = model, treatment
        self.inputs = ["x"]
        self.outputs = [f"{group}_{what}" for group in model.groups for what in ("mean", "log_variance")]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        means = self.model.at_means(self.treatment.forward(x))
        found = [(mean[0], q.variance.log().expand(mean.shape)[0]) for _, q, mean in means]
        return tuple(output for pair in found for output in pair)


class Decoder(nn.Module):
    """The values of all groups (B, *event), top first -> mean of p(x|z), as rows (B, *shape)."""

    def __init__(self, model: VAE, treatment: Treatment) -> None:
        super().__init__()
        self.model, self.treatment = model, treatment
        self.inputs = list(model.groups)
        self.outputs = ["x_mean"]

    def forward(self, *z: Tensor) -> tuple[Tensor]:
        above = None
        for stage, value in zip(self.model.stages.values(), z, strict=True):
            above = stage.merge(above, value[None])
        return (self.treatment.back(self.model.likelihood(above).mean[0]),)


class Sampler(nn.Module):
    """Noise -> a draw of every group from its prior, and the mean of p(x|z) there, as rows (B, *shape).

    Of each group one input is standard normal (B, *event), and one uniform on [0, 1) (B,), by which a mixture chooses
    its component: noise that comes from outside has the seed of whoever draws it.

    Raises:
        ValueError: a prior that noise cannot be turned into.
    """

    def __init__(self, model: VAE, treatment: Treatment) -> None:
        super().__init__()
        self.model, self.treatment = model, treatment
        self.inputs = [f"{group}_{what}" for group in model.groups for what in ("normal", "uniform")]
        self.outputs = ["x_mean", *model.groups]

    def forward(self, *noise: Tensor) -> tuple[Tensor, ...]:
        above, found = None, []
        for stage, normal, uniform in zip(self.model.stages.values(), noise[::2], noise[1::2], strict=True):
            z = drawn_from(stage.prior(above), normal[None], uniform[None])
            found.append(z[0] + 0 * uniform.reshape(-1, *[1] * (z.dim() - 2)))  # an input that is not read would go
            above = stage.merge(above, z)
        return (self.treatment.back(self.model.likelihood(above).mean[0]), *found)

    def noise(self, count: int, seed: int = 0) -> tuple[Tensor, ...]:
        """Returns inputs of that many rows."""
        with torch.random.fork_rng(), torch.no_grad():
            drawn = self.model.generate(1).z.values()
            torch.manual_seed(seed)
            pairs = [(z.new_empty(count, *z.shape[2:]).normal_(), z.new_empty(count).uniform_()) for z in drawn]
        return tuple(each for pair in pairs for each in pair)


def described(model: VAE, treatment: Treatment, programs: Mapping[str, Any], missing: str) -> dict[str, Any]:
    """Returns what a user of the files must know, as JSON: names, units, shapes, and what noise to give.

    Args:
        model: that was exported.
        treatment: of its rows.
        programs: name -> program.
        missing: why there is no sampler; an empty text where there is one.
    """
    protocol = treatment.protocol
    values = "in the units of the data; of a column of names the number of its level, from 0 on"
    if protocol is None or treatment.bits:
        values = "as the networks read them" if protocol is None else "bits, or their probabilities"
    columns = [] if protocol is None or protocol.schema is None else protocol.schema.features
    noise = {"normal": "standard normal", "uniform": "uniform on [0, 1)"}
    return {
        "prioria": prioria.__version__,
        "data": None if protocol is None else protocol.name,
        "likelihood": type(model.likelihood).__name__,
        "rows": {
            "shape": None if protocol is None else list(protocol.shape),
            "values": values,
            "columns": [
                {"name": each.name, "kind": each.kind} | ({"levels": list(each.levels)} if each.levels else {})
                for each in columns
            ],
        },
        "programs": {name: {"inputs": each.inputs, "outputs": each.outputs} for name, each in programs.items()},
        "noise": noise if not missing else {},
        "no_sampler": missing,
    }
