"""
Write your own prior
====================

Any module that returns a distribution is a prior; nothing is registered.
"""

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.distributions import Independent, Laplace

from prioria import build, data, fit


class LaplacePrior(nn.Module):
    """A learned scale for each latent."""

    def __init__(self, latents: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(latents))

    def forward(self, context=None):
        return Independent(Laplace(torch.zeros_like(self.log_scale), self.log_scale.exp()), 1)


digits = data.load("digits")
model = build.model(digits, prior=LaplacePrior, latents=4, network={"kind": "gated", "hidden": (50,)}, seed=0)
run = fit(model, build.objective(model), digits, epochs=10, learning_rate=3e-3, progress=False)
print(model.top.p.log_scale.exp().detach())

# %%
z = model.encode(digits.test.tensor()).detach()
figure, axes = plt.subplots(figsize=(5, 4))
axes.scatter(z[:, 0], z[:, 1], c=digits.test.labels, cmap="tab10", s=10)
