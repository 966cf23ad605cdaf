"""Training with masks: what the encoder sees, what the likelihood scores, and what it is good for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import nn

from prioria import VAE, data, evaluate, likelihoods, nets, objectives, posteriors, priors
from prioria.conditionals import hidden, masking
from prioria.train import fit
from tests.train.small import OPTIONS, digits, elbo, vamp

SCHEMA = {"columns": [{"name": name, "kind": "real"} for name in "abc"]}


def model(schema: Any = SCHEMA) -> VAE:
    torch.manual_seed(0)
    width = nets.ColumnsEncoder.inputs(schema)
    return VAE(
        encoder=nets.ColumnsEncoder(schema, nets.MLP(width, 16, activate_output=True)),
        posterior=posteriors.Gaussian(16, 1),
        prior=priors.StandardNormal(1),
        likelihood=likelihoods.Columns(nn.Linear(1, likelihoods.Columns.outputs(schema)), schema),
    )


def rows(count: int) -> torch.Tensor:
    z = torch.randn(count, 1, generator=torch.Generator().manual_seed(1))
    return z + 0.4 * torch.randn(count, 3, generator=torch.Generator().manual_seed(2))


def test_each_row_has_a_share_of_its_own_uniform_up_to_twice_the_rate() -> None:
    torch.manual_seed(0)
    shares = hidden(torch.zeros(2000, 5000), 0.2).isnan().double().mean(1)
    # binomial noise of a share is at most .007; false alarms: one run in 10,000
    assert stats.kstest(shares.numpy(), stats.uniform(0, 0.4).cdf).pvalue > 1e-4


def test_the_encoder_sees_and_the_likelihood_scores_one_part_while_training_alone() -> None:
    vae, x, seen = model(), rows(50), []
    vae.encoder["x"].register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    with masking(vae, 0.5):
        draw = vae.train().draw(x, 3)
        vae.eval().draw(x)
    vae.train().draw(x)
    assert seen[0].isnan().any() and torch.equal(seen[0].nan_to_num(), torch.where(seen[0].isnan(), 0.0, x))
    assert torch.equal(seen[1], x) and torch.equal(seen[2], x)
    assert torch.equal(draw.x.isnan(), seen[0].isnan()) and torch.equal(draw.log_px, draw.px.log_prob(seen[0]))


@pytest.mark.slow
def test_training_with_masks_infers_rows_with_holes_better() -> None:
    table = data.load(pd.DataFrame(rows(1000).numpy(), columns=list("abc")))
    holes = table.test.tensor()
    holes[:, 1:] = torch.nan
    found = {}
    for rate in (0.0, 0.5):
        run = fit(
            model(table.protocol.schema),
            objectives.ELBO(),
            table,
            epochs=15,
            learning_rate=1e-2,
            mask_rate=rate,
            progress=False,
        )
        found[rate] = evaluate.elbo(run.model, holes, num_samples=50).pointwise
        assert run.model.mask_rate == 0
    gain = (found[0.5] - found[0.0]).numpy()
    assert gain.mean() > 4 * gain.std() / len(gain) ** 0.5
    assert np.isfinite(gain).all()


def test_an_encoder_that_does_not_see_holes_is_refused_before_anything_is_written(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"^encoder GatedMLP does not see holes.*nets\.ColumnsEncoder"):
        fit(vamp(), elbo(), digits(), **OPTIONS, mask_rate=0.2, out=tmp_path / "run")
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").iterdir())
