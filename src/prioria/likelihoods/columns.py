"""Rows of a table, each column with a likelihood of its own kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from prioria import distributions
from prioria.distributions import at_least_float32
from prioria.distributions.spec import Spec
from prioria.likelihoods.heads import FAMILIES, OF_KIND, Head
from prioria.module import Module


class Heads(nn.Module):
    """The heads of a table's columns, one for each family, in the order of ``FAMILIES``.

    Args:
        schema: the columns.
        families: family of a column that is to have another than its kind's.
        levels: values, in original units, of columns of numbers that take these only.
        omit: families whose columns add nothing.

    Raises:
        ValueError: an unknown column or family, or a family that does not fit the column.
    """

    def __init__(
        self,
        schema: Any,
        families: Mapping[str, str] | None = None,
        levels: Mapping[str, Sequence[float]] | None = None,
        omit: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.columns = Spec.read(schema)
        self.levels = {name: torch.tensor(list(values)) for name, values in (levels or {}).items()}
        self.families = _families(self.columns, families or {}, self.levels)
        heads: dict[str, nn.Module] = {}
        for family, make in FAMILIES.items():
            found = {d: each for d, each in enumerate(self.columns) if self.families[d] == family}
            if found and family not in omit:
                heads[family] = make(found, [self.grid(each) for each in found.values() if family == "categorical"])
        self.heads = nn.ModuleDict(heads)
        scale = torch.tensor([each.scale for each in self.columns])
        center = [each.center if each.treatment == "log" else torch.nan for each in self.columns]
        self.register_buffer("log_scale", scale.log(), persistent=False)
        self.register_buffer("center", torch.tensor(center), persistent=False)

    def grid(self, column: Spec) -> Tensor:
        """Returns the values that a column with levels takes, in the units of x."""
        if column.name not in self.levels:
            return torch.arange(float(len(column.levels)))
        return (self.levels[column.name].double().sub(column.center) / column.scale).float().sort().values

    @property
    def parts(self) -> dict[str, Head]:
        """The head of each family that occurs."""
        return {family: head for family, head in self.heads.items() if isinstance(head, Head)}

    @property
    def sizes(self) -> list[int]:
        """How many outputs each head reads."""
        return [head.outputs for head in self.parts.values()]

    def forward(self, h: Tensor) -> distributions.Columns:
        pieces = h.split(self.sizes, -1)
        families = [head(piece) for head, piece in zip(self.parts.values(), pieces, strict=True)]
        return distributions.Columns(families, self.get_buffer("log_scale"), self.get_buffer("center"))


class Columns(Module):
    r"""p(x|z) = prod over the observed columns d of p_d(x_d | net(z)), in the units of the data.

    A column has the family of its kind, or the one that ``families`` gives it:

    ===================  ==================================  ==========================================
    family               of the kinds                        outputs of the network, for each column
    ===================  ==================================  ==========================================
    gaussian             real; positive (log-normal)         mean, log-variance
    student-t            on request                          location, log s^2, degrees of freedom
    poisson              on request                          log-rate
    negative-binomial    count                               log-mean, log-dispersion
    bernoulli            binary                              logit
    categorical          category; columns with ``levels``   one logit for each level
    ordinal              ordinal                             first threshold, logs of the gaps
    ===================  ==================================  ==========================================

    The outputs stand in the order of this table, those of one name for all columns of a family before the next name's.
    A learned standard deviation is at least sqrt(.3/12) of the width of the grid that a column lies on. NaN in x is a
    missing entry: log p(x|z) is that of the others, exactly. It is a log-density in the units of the data (and a
    log-probability for names and counts), in nats.

    Args:
        net: network (..., L) -> (..., outputs), see :meth:`outputs`.
        schema: the columns, a ``prioria.data.Schema`` or the JSON that it writes.
        families: family of a column by its name, where it is not the one of its kind.
        levels: values, in original units, of columns of numbers that take a few values only. They are categories then,
            each with the density of its probability over a cell of the grid, and a thin tail for other values.

    Raises:
        ValueError: an unknown column or family, or a family that does not fit the column.

    Example:
        >>> schema = {"columns": [{"name": "size", "kind": "real"}, {"name": "sex", "kind": "binary",
        ...                                                          "levels": ["f", "m"]}]}
        >>> model = Columns(nn.Linear(2, Columns.outputs(schema)), schema)
        >>> model(torch.zeros(4, 3, 2)).log_prob(torch.tensor([[0.1, 1.0], [torch.nan, 0.0], [0.0, torch.nan]])).shape
        torch.Size([4, 3])
    """

    legal_as = "Columns"  # see data.check_likelihood

    def __init__(
        self,
        net: nn.Module,
        schema: Any,
        *,
        families: Mapping[str, str] | None = None,
        levels: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        self.net = net
        self.heads = Heads(schema, families, levels)

    @staticmethod
    def outputs(
        schema: Any, families: Mapping[str, str] | None = None, levels: Mapping[str, Sequence[float]] | None = None
    ) -> int:
        """Returns how many outputs the network must have."""
        return sum(Heads(schema, families, levels).sizes)

    def forward(self, z: Tensor) -> Distribution:
        return self.heads(at_least_float32(self.net(z)))


def _families(columns: Sequence[Spec], families: Mapping[str, str], levels: Mapping[str, Tensor]) -> list[str]:
    if unknown := sorted({*families, *levels} - {each.name for each in columns}):
        raise ValueError(f"column {unknown[0]!r} is unknown; the schema has {', '.join(each.name for each in columns)}")
    found = []
    for each in columns:
        family = families.get(each.name, "categorical" if each.name in levels else OF_KIND.get(each.kind))
        if family not in FAMILIES:
            raise ValueError(f"column {each.name!r}: family {family!r} is unknown; use one of {', '.join(FAMILIES)}")
        if each.name in levels and family != "categorical":
            raise ValueError(f"column {each.name!r}: levels={levels[each.name].tolist()} are for 'categorical'")
        if (fits := FAMILIES[family].kinds) and each.kind not in fits and each.name not in levels:
            raise ValueError(f"column {each.name!r}: family {family!r} is for {' or '.join(fits)}, not for {each.kind}")
        found.append(family)
    return found
