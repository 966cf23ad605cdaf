"""A loss that is not finite stops training with the term and the group, the batch saved and good weights kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributions import Distribution

from prioria import VAE, likelihoods, objectives, posteriors, priors
from prioria.distributions import normal
from prioria.train import NonFiniteLoss, fit
from tests.train.small import digits

# the checks of objective and shapes, five steps, two blocks of validation, one more step: the seventh step breaks
CALLS_BEFORE = 10


class Breaking(nn.Module):
    """A Gaussian on z that breaks in one way after so many calls, for ever."""

    def __init__(self, how: str, *, after: int = CALLS_BEFORE) -> None:
        super().__init__()
        self.heads, self.how, self.after, self.calls = nn.Linear(64, 4), how, after, 0
        self.slope = nn.Parameter(torch.zeros(()))

    def forward(self, context: Tensor | None = None) -> Distribution:
        assert context is not None
        self.calls += 1
        mean, log_variance = self.heads(context).chunk(2, -1)
        if self.calls > self.after and self.how == "mean":
            mean = mean / torch.zeros(2)
        if self.calls > self.after and self.how == "variance":
            log_variance = log_variance + torch.tensor([0.0, -1e4])
        if self.calls > self.after and self.how == "gradient":
            mean = mean + self.slope.abs().sqrt()  # finite at zero, its derivative is not
        if self.calls > self.after and self.how == "norm":
            mean = mean + 1e30 * self.slope  # its derivative is finite, the square of it is not
        return normal(mean, (0.5 * log_variance).exp())


def broken(how: str) -> VAE:
    return VAE(
        encoder=nn.Identity(),
        posterior=Breaking(how),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Bernoulli(nn.Linear(2, 64)),
    )


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ("mean", r"inf at \[.*\] of z of the group 'z'"),
        ("variance", r"(nan|inf) at \[.*\] of log_q of the group 'z'"),
        ("norm", "the norm of the gradient, though every density of the draw is finite; try data of smaller scale"),
        ("gradient", r"(nan|inf) at \[\] of the gradient of model\.stages\.z\.q\.slope"),
    ],
)
def test_what_is_not_finite_is_named_and_nothing_good_is_lost(how: str, named: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(NonFiniteLoss, match=rf"epoch 2, step 7: {named}.*learning_rate.*batch-0\.safetensors"):
        fit(broken(how), objectives.ELBO(), digits(), epochs=3, batch_size=50, out=out, trackers=(), progress=False)
    saved, rows = load_file(out / "batch-0.safetensors"), digits().train
    torch.set_rng_state(saved["torch"])
    assert rows.batch(saved["rows"]).equal(saved["x"]) and len(saved["x"]) == 48
    checkpoint = load_file(out / "checkpoint.safetensors")
    assert all(value.isfinite().all() for name, value in checkpoint.items() if name.startswith(("step.", "best.")))
    assert checkpoint["optimizer.1.step"].item() == 6


def test_weights_in_memory_are_those_before_the_failure() -> None:
    model = broken("mean")
    with pytest.raises(NonFiniteLoss, match="of z of the group 'z'"):
        fit(model, objectives.ELBO(), digits(), epochs=3, batch_size=50, progress=False)
    assert all(p.isfinite().all() for p in model.parameters())


class Infinite(objectives.ELBO):
    def forward(self, draw: object, progress: objectives.Progress | None = None) -> objectives.Loss:
        loss = super().forward(draw, progress)  # type: ignore[arg-type]
        return objectives.Loss(loss.value * float("inf"), loss.surrogate, loss.per_example, loss.terms)


def test_an_objective_may_be_to_blame() -> None:
    model = VAE(
        encoder=nn.Identity(),
        posterior=posteriors.Gaussian(64, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Bernoulli(nn.Linear(2, 64)),
    )
    with pytest.raises(NonFiniteLoss, match="the objective, though every density of the draw is finite"):
        fit(model, Infinite(), digits(), epochs=1, progress=False)
