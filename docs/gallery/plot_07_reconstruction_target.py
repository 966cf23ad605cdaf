"""
Set a reconstruction target
===========================

How much should the rate count? Say how good reconstructions must be, and let the multiplier follow.
"""

import matplotlib.pyplot as plt

from prioria import build, data, fit

digits = data.load("digits")
prior = {"kind": "vamp", "components": 20}
model = build.model(digits, prior=prior, latents=4, network={"kind": "gated", "hidden": (50,)}, seed=0)
objective = build.objective(model, constraint={"kind": "rewo", "target": "nats-per-dim=0.38", "beta": 0.5})
run = fit(model, objective, digits, epochs=30, learning_rate=3e-3, log_every=5, progress=False)
train = [line for line in run.history if line["split"] == "train"]
print(train[-1])

# %%
# The distortion falls to its target; beta moves towards one where it is met.
steps = [line["step"] for line in train]
figure, (above, below) = plt.subplots(2, 1, figsize=(6, 5), sharex=True)
above.plot(steps, [line["distortion"] / 64 for line in train])
above.axhline(0.38, color="grey", lw=1)
above.set(ylabel="distortion, nats per pixel")
below.plot(steps, [line["beta"] for line in train])
below.set(xlabel="step", ylabel="beta")
