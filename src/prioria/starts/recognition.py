"""The exact posterior of a mixture of factor analysers, and what a network adds to it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from prioria import nets
from prioria.likelihoods import Heads
from prioria.module import Module
from prioria.nets.skip import zero_last
from prioria.starts.unrolled import cholesky, invert

LOG_2PI = math.log(2 * math.pi)


class MixtureEncoder(Module):
    r"""x (B, D) -> {"c": logits (B, K), "z": mean and spread of the factors for each class (B, K, F)}.

    Given the class k, the real columns are m_k + U_k (A_k z + noise), U_k diagonal, and the other columns independent.
    The posteriors of c and of z given c are those of that model, exactly, of whatever entries a row has; a network adds
    to the logits and moves mean and spread. What it adds starts at zero.

    Args:
        schema: the columns.
        components: K.
        latents: L.
        families: as for ``likelihoods.Columns``.
        levels: as for ``likelihoods.Columns``.
        hidden: width of the network's two hidden layers.
        holes: the network reads rows with missing entries, too. False where it never saw any: these rows then have the
            posterior of the mixture.
        full: give the full covariance of z, which is that of a row with missing entries, in the form of
            ``posteriors.Given``; else the best diagonal one, exact for whole rows.
    """

    def __init__(
        self,
        schema: Any,
        components: int,
        latents: int,
        *,
        families: Mapping[str, str] | None = None,
        levels: Mapping[str, Sequence[float]] | None = None,
        hidden: int = 64,
        full: bool = False,
        holes: bool = True,
    ) -> None:
        super().__init__()
        self.holes = holes
        heads = Heads(schema, families, levels, omit=("gaussian",))
        self.components, self.latents, self.full = components, latents, full
        real = [d for d, family in enumerate(heads.families) if family == "gaussian"]
        self.register_buffer("real", torch.tensor(real, dtype=torch.long), persistent=False)
        self.others = heads
        self.logits = nn.Parameter(torch.zeros(components))
        self.register_buffer("center", torch.zeros(components, len(real)))
        self.register_buffer("unit", torch.ones(components, len(real)))
        self.register_buffer("free", torch.ones(components))  # classes that the network may move
        self.shift = nn.Parameter(torch.zeros(components, len(real)))  # in units, as a step of an optimizer is then
        self.log_unit = nn.Parameter(torch.zeros(components, len(real)))
        self.loadings = nn.Parameter(torch.zeros(components, len(real), latents))
        self.tables = nn.Parameter(torch.zeros(components, sum(self.others.sizes)))
        self.inputs = nets.ColumnsEncoder(schema, nn.Identity())
        outputs = components * (1 + 2 * latents)
        self.net = nets.MLP(nets.ColumnsEncoder.inputs(schema), hidden, hidden, outputs, activation="silu")
        zero_last(self.net)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        logits, mean, precision = self._exact(x)
        added = self.net(self.inputs(x))
        if not self.holes:
            added = added * ~x.isnan().any(-1, keepdim=True)
        more, moved = added[..., : self.components], added[..., self.components :]
        shift, widen = moved.unflatten(-1, (self.components, 2 * self.latents)).chunk(2, -1)
        free = self.get_buffer("free")
        more, shift = more * free, shift * free.unsqueeze(-1)
        widen = torch.tanh(widen / 2) * free.unsqueeze(-1)  # log s moves by one at most
        if self.full:
            triangle = _triangle(precision)
            mean = mean + (triangle @ shift.unsqueeze(-1)).squeeze(-1)
            diagonal = triangle.diagonal(dim1=-2, dim2=-1).log()
            triangle = triangle.tril(-1) * widen.exp().unsqueeze(-2) + torch.diag_embed(diagonal + widen)
            spread = triangle.expand(*mean.shape, self.latents).flatten(-2)
        else:
            log_variance = -precision.diagonal(dim1=-2, dim2=-1).log()
            mean = mean + shift * (0.5 * log_variance).exp()
            spread = log_variance + 2 * widen
        return {"c": (logits + more).log_softmax(-1), "z": torch.cat([mean, spread], -1)}

    def _exact(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns log p(x, c) (B, K), and mean (B, K, L) and precision (B or 1, K, L, L) of z given c."""
        values = x[..., self.get_buffer("real")]
        seen = ~values.isnan()
        center = self.get_buffer("center") + self.get_buffer("unit") * self.shift
        y = (values.nan_to_num().unsqueeze(-2) - center) * (-self.log_unit).exp() * seen.unsqueeze(-2)  # (B, K, G)
        eye = torch.eye(self.latents, dtype=x.dtype, device=x.device)
        exporting = torch.compiler.is_exporting()  # the files take rows with holes as well, and know no factorization
        if not exporting and seen.all():
            precision = (eye + self.loadings.mT @ self.loadings).unsqueeze(0)
        else:  # a sum over what is seen: where little is, a difference to the whole would leave rounding errors alone
            outer = (self.loadings.unsqueeze(-1) * self.loadings.unsqueeze(-2)).transpose(0, 1)  # (G, K, L, L)
            precision = eye + torch.tensordot(seen.to(x.dtype), outer, 1)
        evidence = torch.einsum("kgl,bkg->bkl", self.loadings, y).unsqueeze(-1)
        if exporting:
            root, triangle = cholesky(precision), _triangle(precision)
            mean = (triangle @ (triangle.mT @ evidence)).squeeze(-1)
        else:
            root = torch.linalg.cholesky(precision)
            mean = _solved(evidence.squeeze(-1), root)
        # |y|^2 - |explained|^2 in a form where nothing large cancels
        rest = (y - torch.einsum("kgl,bkl->bkg", self.loadings, mean)) * seen.unsqueeze(-2)
        distance = rest.square().sum(-1) + mean.square().sum(-1)
        volume = (self.log_unit * seen.unsqueeze(-2)).sum(-1) + root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        log_p = -0.5 * distance - volume - 0.5 * LOG_2PI * seen.sum(-1, keepdim=True)
        if self.others.sizes:
            log_p = log_p + self.others(self.tables).log_prob(x.unsqueeze(-2))
        return log_p + self.logits.log_softmax(-1), mean, precision


def _solved(evidence: Tensor, root: Tensor) -> Tensor:
    """Returns P^-1 e for evidence (B, K, L) and P = R R', R (B or 1, K, L, L)."""
    if len(root) == 1:  # one for all rows, which are the columns of one system then: nothing is copied for each
        return torch.cholesky_solve(evidence.permute(1, 2, 0), root[0]).permute(2, 0, 1)
    return torch.cholesky_solve(evidence.unsqueeze(-1), root).squeeze(-1)


def _triangle(precision: Tensor) -> Tensor:
    """Returns the lower triangle T with T T' = P^-1."""
    # P = R R' with R upper, from the Cholesky factor of P read backwards; then T = R'^-1
    exporting = torch.compiler.is_exporting()
    upper = (cholesky if exporting else torch.linalg.cholesky)(precision.flip(-1, -2)).flip(-1, -2)
    if exporting:
        return invert(upper.mT)
    eye = torch.eye(precision.shape[-1], dtype=precision.dtype, device=precision.device)
    return torch.linalg.solve_triangular(upper.mT, eye.expand_as(precision), upper=False)
