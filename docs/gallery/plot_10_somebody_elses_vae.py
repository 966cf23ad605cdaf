"""
Refit a prior to somebody else's VAE
====================================

Networks that were trained elsewhere become a model that is measured like any other, and get a better prior with their
encoder frozen.
"""

import matplotlib.pyplot as plt
import torch
from torch import nn

import prioria
from prioria import data, likelihoods, priors
from prioria.train import refit_prior

torch.manual_seed(0)
digits = data.load("digits")
encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
decoder = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64))
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 3e-3)
for _ in range(400):  # a VAE as one writes it by hand
    x = digits.train.batch(torch.randint(len(digits.train), (100,)))
    mean, log_variance = encoder(x).chunk(2, -1)
    logits = decoder(mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean))
    rate = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1)
    loss = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1) + 0.3 * rate
    optimizer.zero_grad()
    loss.mean().backward()
    optimizer.step()

# %%
model = prioria.adopt(
    encode=lambda x: encoder(x).chunk(2, -1), decode=decoder, latents=2, likelihood=likelihoods.Bernoulli, shape=64
)
found = refit_prior(model, priors.Mixture(2, components=20), digits, steps=600, batch_size=200)
print(found)

# %%
# Encodings of test rows, and draws of the prior before and after.
z = model.encode(digits.test.tensor()).detach()
figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True)
for place, (name, each) in zip(axes, {"before": model, "after": found.model}.items(), strict=True):
    place.scatter(*z.T, s=6, color="lightgrey")
    place.scatter(*each.generate(300).z["z"][0].detach().T, s=6)
    place.set_title(name)
