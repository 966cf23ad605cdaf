"""Adam over the parameters of the model and, as a group of their own, those of the objective; and averaged weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import (  # the names that torch.optim itself uses
    Tensor,
    _foreach_add_,  # pyright: ignore[reportPrivateImportUsage]
    _foreach_div_,  # pyright: ignore[reportPrivateImportUsage]
    _foreach_lerp_,  # pyright: ignore[reportPrivateImportUsage]
    _foreach_norm,  # pyright: ignore[reportPrivateImportUsage]
    nn,
)
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from prioria.train.options import Options
from prioria.train.step import Step


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that share a learning rate, a clip norm and whether their gradients are normalized."""

    parameters: list[nn.Parameter]
    learning_rate: float
    betas: tuple[float, float]
    clip: float | None
    normalized: bool = False

    def prepare(self) -> Tensor:
        """Clips or normalizes the gradients and returns their norm as it was."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = get_total_norm(gradients)
        if self.clip is not None:
            clip_grads_with_norm_(self.parameters, self.clip, norm)
        if self.normalized and gradients:
            # each tensor by its own norm, g / (||g|| + 1e-7), as the VampPrior authors' code does
            norms = _foreach_norm(gradients)
            _foreach_add_(norms, 1e-7)
            _foreach_div_(gradients, norms)
        return norm


class Optimizer:
    """Fused Adam on the groups of a :class:`Step`."""

    def __init__(self, step: Step, options: Options) -> None:
        self.groups = [group for group in _groups(step, options) if group.parameters]
        if not self.groups:
            raise ValueError("model has no parameter that requires a gradient; nothing can be trained")
        self.adam = torch.optim.Adam(
            [{"params": g.parameters, "lr": g.learning_rate, "betas": g.betas} for g in self.groups], fused=True
        )

    def prepare(self, frozen: set[nn.Parameter]) -> Tensor:
        """Drops the gradients of frozen parameters, clips or normalizes the others, and returns their total norm."""
        for parameter in frozen:
            parameter.grad = None
        return torch.linalg.vector_norm(torch.stack([group.prepare() for group in self.groups]))

    def step(self, rate: float) -> None:
        """Moves the parameters, every learning rate times ``rate``, and forgets the gradients."""
        for group, settings in zip(self.groups, self.adam.param_groups, strict=True):
            settings["lr"] = group.learning_rate * rate
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Tensor]:
        """Returns the moments by number of the parameter, such as ``3.exp_avg``."""
        state = self.adam.state_dict()["state"]
        return {f"{index}.{name}": value for index, moments in state.items() for name, value in moments.items()}

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Takes back what :meth:`state_dict` returned.

        Raises:
            ValueError: they belong to other parameters: an older run does not know what was frozen when it began.
        """
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in state_dict.items():
            index, _, name = key.partition(".")
            state.setdefault(int(index), {})[name] = value
        parameters = [parameter for group in self.groups for parameter in group.parameters]
        shapes = {index: parameter.shape for index, parameter in enumerate(parameters)}
        for index, moments in state.items():
            _check_moments(index, moments)
        if any(moments["exp_avg"].shape != shapes.get(index) for index, moments in state.items()):
            raise ValueError(
                "the checkpoint has moments of other parameters than are trained now; freeze those that were frozen, "
                "and go on with fit(..., resume=True)"
            )
        self.adam.load_state_dict({"state": state, "param_groups": self.adam.state_dict()["param_groups"]})


def _check_moments(index: int, moments: dict[str, Tensor]) -> None:
    """Raises ValueError where moments are none that Adam has written."""
    if moments.keys() != {"step", "exp_avg", "exp_avg_sq"}:
        raise ValueError(f"the moments of parameter {index} are {', '.join(sorted(moments))}, not those of Adam")
    first, second, step = moments["exp_avg"], moments["exp_avg_sq"], moments["step"]
    whole = step.numel() == 1 and step.item() >= 1 and step.item() == int(step.item())
    if not whole or first.shape != second.shape or not (first.isfinite().all() and second.isfinite().all()):
        raise ValueError(f"the moments of parameter {index} are not finite, of two shapes, or of no whole step")
    if not first.is_floating_point() or second.dtype != first.dtype or second.min() < 0:
        raise ValueError(f"the moments of parameter {index} are of another type, or a square is below zero")


def _groups(step: Step, options: Options) -> list[ParameterGroup]:
    model = [p for p in step.model.parameters() if p.requires_grad]
    mine = {id(p) for p in step.model.parameters()}
    own = [p for p in step.objective.parameters() if p.requires_grad and id(p) not in mine]
    learning_rate, betas, clip = options.learning_rate, (0.9, 0.999), options.gradient_clip
    rates, normalized = step.objective.rates, options.optimizer == "adam-normalized"
    priors: list[nn.Parameter] = []
    if options.prior_learning_rate is not None:
        apart = {id(p) for p in step.model.top.prior_parameters}
        priors, model = [p for p in model if id(p) in apart], [p for p in model if id(p) not in apart]
        if not priors:
            raise ValueError(
                f"prior_learning_rate={options.prior_learning_rate} moves nothing: the prior of "
                f"{step.model.groups[0]!r} has no parameters of its own; leave it out"
            )
    return [
        ParameterGroup(model, learning_rate, betas, clip, normalized=normalized),
        ParameterGroup(priors, options.prior_learning_rate or learning_rate, betas, clip, normalized=normalized),
        ParameterGroup(own, rates.learning_rate or learning_rate, rates.betas or betas, rates.gradient_clip or clip),
    ]


class Average:
    """Exponential moving average of a model's parameters, with decay min(decay, (1 + t) / (10 + t)) after t steps."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.parameters = dict(model.named_parameters())
        self.averages = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Moves the averages towards the parameters as they are after a step, counted from zero."""
        decay = min(self.decay, (1 + step) / (10 + step))
        _foreach_lerp_(list(self.averages.values()), list(self.parameters.values()), 1 - decay)

    def state_dict(self) -> dict[str, Tensor]:
        """Returns the averages by the names of the parameters."""
        return self.averages

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Takes back what :meth:`state_dict` returned."""
        for name, average in self.averages.items():
            average.copy_(state_dict[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Puts the averages in place of the parameters for a while."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for name, parameter in self.parameters.items():
            kept = parameter.clone()
            parameter.copy_(self.averages[name])
            self.averages[name].copy_(kept)
