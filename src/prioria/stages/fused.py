"""The fused stage: a posterior with the prior's natural parameters plus evidence from x."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from prioria.distributions import fuse
from prioria.shared import held
from prioria.stage import Stage
from prioria.stages.gates import Gates


class Fused(Stage):
    r"""q(z_i | x, parents) with natural parameters eta_p(parents) + eta_e(x): one idea behind three kinds of model.

    Its family is that of the distributions which ``prior`` and ``evidence`` return. Gaussians in a chain are the
    ladder VAE (precision weighting; Soenderby et al., 2016), Bernoullis in a chain the binary hierarchy whose encoder
    approximates the backward messages log p(x | z_i) of a hidden Markov model, Gaussians with gates on their parents
    the latent dependency graph (He et al., 2019), and with a flow behind the fusion its combination with inverse
    autoregressive flow.

    Args:
        prior: p(z_i | parents), a conditional on the parents' values (on nothing for a top group).
        evidence: conditional on the features, of the prior's family.
        bottom_up: network of this group alone between the features and both ``evidence`` and ``flow``.
        parents: "last": a chain, the groups below (and the likelihood) see this group only; "all": they see every
            group so far.
        gates: module that multiplies the parents' values by their gates, see :class:`Gates`.
        flow: module of (distribution, features) -> distribution behind the fusion, such as
            :class:`prioria.posteriors.InverseAutoregressiveFlow`.
        root: posterior of a top group: "evidence" alone, as in the ladder, or "fused" with its prior, as in the binary
            hierarchy, which needs a prior of the evidence's family.

    Raises:
        ValueError: an unknown option, or a prior that is made of its posterior, as a VampPrior is, and would be
            fused with itself.
    """

    def __init__(
        self,
        prior: nn.Module,
        evidence: nn.Module,
        *,
        bottom_up: nn.Module | None = None,
        parents: Literal["last", "all"] = "last",
        gates: Gates | None = None,
        flow: nn.Module | None = None,
        root: Literal["evidence", "fused"] = "evidence",
    ) -> None:
        super().__init__(prior=prior, posterior=evidence)
        if parents not in ("last", "all"):
            raise ValueError(f"parents={parents!r} is unknown; use 'last' for a chain or 'all' for a graph")
        if root not in ("evidence", "fused"):
            raise ValueError(f"root={root!r} is unknown; use 'evidence' or 'fused'")
        if evidence in held(prior):
            raise ValueError(
                f"prior={type(prior).__name__} cannot be fused: it is made of posteriors, which would contain it in "
                "turn; give the top group a plain Stage(prior=..., posterior=...)"
            )
        self.bottom_up, self.gates, self.flow = bottom_up, gates, flow
        self.parents: Literal["last", "all"] = parents
        self.root = root

    def prior(self, above: Tensor | None) -> Distribution:
        return self.p(above if above is None or self.gates is None else self.gates(above))

    def posterior(self, features: Tensor, above: Tensor | None, prior: Distribution) -> Distribution:
        features = features if self.bottom_up is None else self.bottom_up(features)
        evidence = self.q(features)
        q = evidence if above is None and self.root == "evidence" else fuse(prior, evidence)
        return q if self.flow is None else self.flow(q, features)

    @property
    def leaves_prior(self) -> bool:
        return self.root == "evidence"  # a top group inferred from evidence alone

    @property
    def prior_parameters(self) -> list[nn.Parameter]:
        gates = [] if self.gates is None else [each for each in self.gates.parameters() if each.requires_grad]
        return [*super().prior_parameters, *gates]

    def at_epoch(self, epoch: int | None) -> None:
        if self.gates is not None:
            self.gates.at_epoch(epoch)

    @property
    def undecided(self) -> str | None:
        if self.gates is not None and not self.gates.is_frozen:
            return "its gates are still random; fix them with stages.freeze_gates(model.stages)"
        return None

    def merge(self, above: Tensor | None, z: Tensor) -> Tensor:
        return z if above is None or self.parents == "last" else torch.cat([above, z], -1)
