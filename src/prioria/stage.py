"""A stage: one group of latents, its prior given the groups above and its posterior given features of x."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from prioria import shared
from prioria.module import Module


class Stage(Module):
    """One latent group z_i with prior p(z_i | above) and posterior q(z_i | features of x, above).

    ``above`` is what the last ``merge`` returned: None for the top group, else a tensor (or a feature map, in
    stages that override ``merge``). The posterior also sees the prior, which stages that fuse the two need.

    Args:
        prior: conditional on ``above`` (on nothing for the top group).
        posterior: conditional on the features, or on ``join(features, above)`` below the top.
        join: network of (features (B, F), above (K, B, L)); concatenation by default.
    """

    def __init__(self, *, prior: nn.Module, posterior: nn.Module, join: nn.Module | None = None) -> None:
        super().__init__()
        self.p, self.q, self.join = prior, posterior, join

    def prior(self, above: Tensor | None) -> Distribution:
        """Returns p(z | above)."""
        return self.p(above)

    def posterior(self, features: Tensor, above: Tensor | None, prior: Distribution) -> Distribution:
        """Returns q(z | features, above)."""
        if above is None:
            return self.q(features)
        join = _concatenate if self.join is None else self.join
        return self.q(join(features, above))

    def merge(self, above: Tensor | None, z: Tensor) -> Tensor:
        """Returns what the groups below and the likelihood see."""
        return z if above is None else torch.cat([above, z], -1)

    def bind(self, group: str, encoder: nn.Module) -> None:
        """Takes the name of its group and the network through which it reads x.

        Raises:
            ValueError: the prior was built for another group, or on networks that are not the model's.
        """
        shared.check_owned(group, self.p, encoder, self.q)
        if (own := getattr(self.p, "bind", None)) is not None:
            own(group, encoder, self.q)

    def check_training(self, encoder: nn.Module) -> None:
        """Raises ValueError, before the first step, where this stage cannot be trained with its encoder."""
        shared.check_moments(self.p, encoder, self.q)
        if (own := getattr(self.p, "check_training", None)) is not None:
            own()

    @property
    def prior_parameters(self) -> list[nn.Parameter]:
        """What is trained of p(z | above) itself, such as pseudo-inputs, and not of the encoder that it may share."""
        return [parameter for parameter in self.p.parameters() if parameter.requires_grad]

    @property
    def leaves_prior(self) -> bool:
        """Whether its posterior does not depend on its prior, so that another prior can take the place of that."""
        return type(self).posterior is Stage.posterior

    def with_prior(self, prior: nn.Module) -> Stage:
        """Returns a stage with another prior; all else is shared.

        Raises:
            ValueError: its posterior depends on its prior.
        """
        if not self.leaves_prior:
            raise ValueError(
                f"prior {type(self.p).__name__} is part of its posterior ({type(self).__name__}): another prior would "
                "change the encodings; train the model again with it"
            )
        return type(self)(**{**self.__dict__["_arguments"], "prior": prior})

    def at_epoch(self, epoch: int | None) -> None:
        """Takes the epochs completed, before each training step, for its own schedules; None is their end."""

    def begin(self, x: Tensor) -> None:
        """Passes some training rows (N, D) to the prior, before the first step of a new training."""
        if (told := getattr(self.p, "begin", None)) is not None:
            told(x)

    def at_rows(self, rows: Tensor | None) -> None:
        """Takes the numbers (B,) of the rows of a training step before it, and None after it."""
        if (told := getattr(self.p, "at_rows", None)) is not None:
            told(rows)

    @property
    def undecided(self) -> str | None:
        """What of the model itself is still random, with the remedy, so that evaluations refuse it; None: nothing."""
        return None


class Stages(nn.ModuleDict):
    """The stages of a model by name, top first: a ``ModuleDict`` that knows what it holds.

    Example:
        >>> two = Stages({name: Stage(prior=nn.Identity(), posterior=nn.Identity()) for name in ("z2", "z1")})
        >>> two.names
        ['z2', 'z1']
    """

    def __init__(self, stages: Mapping[str, Stage]) -> None:
        super().__init__(dict(stages))

    @property
    def names(self) -> list[str]:
        """The names of the groups, top first."""
        return list(self._modules)

    def __getitem__(self, key: str) -> Stage:
        return cast(Stage, super().__getitem__(key))

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def items(self) -> ItemsView[str, Stage]:
        return cast("ItemsView[str, Stage]", super().items())

    def values(self) -> ValuesView[Stage]:
        return cast("ValuesView[Stage]", super().values())


def check_decided(stages: Mapping[str, Stage] | Stages) -> None:
    """Raises ValueError where a part of the model itself is still random, such as the gates of a dependency graph."""
    for name, stage in stages.items():
        if stage.undecided is not None:
            raise ValueError(f"group {name!r}: {stage.undecided}")


def _concatenate(features: Tensor, above: Tensor) -> Tensor:
    return torch.cat([features.expand(*above.shape[:-1], -1), above], -1)
