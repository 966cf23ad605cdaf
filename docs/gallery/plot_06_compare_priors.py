"""
Compare priors
==============

The same model under several priors, and the difference on the same rows with its error.
"""

import matplotlib.pyplot as plt

from prioria import build, data, evaluate, fit

digits = data.load("digits")
found = {}
for prior in ("standard", {"kind": "mixture", "components": 20}, {"kind": "vamp", "components": 20}):
    model = build.model(digits, prior=prior, latents=4, network={"kind": "gated", "hidden": (50,)}, seed=0)
    fit(model, build.objective(model), digits, epochs=15, learning_rate=3e-3, progress=False)
    name = prior if isinstance(prior, str) else prior["kind"]
    found[name] = evaluate.log_likelihood(model, digits.test, num_samples=100)
    print(f"{name:<10} {found[name].number} nats")

# %%
# Paired over rows the error of a difference is smaller than that of either number.
base = found.pop("standard")
figure, axes = plt.subplots(figsize=(5, 3))
for place, (name, estimate) in enumerate(found.items()):
    gain = evaluate.Difference.of(estimate.pointwise, base.pointwise)
    print(f"{name:<10} {gain} over the standard prior")
    axes.errorbar(gain.value, place, xerr=2 * gain.standard_error, fmt="o")
axes.axvline(0, color="grey", lw=1)
axes.set(yticks=range(len(found)), yticklabels=list(found), xlabel="nats over the standard prior")
