"""
Likelihood with an error bar
============================

The bound tightens with samples; the curve says whether it has come to rest.
"""

import matplotlib.pyplot as plt

from prioria import build, data, evaluate, fit

digits = data.load("digits")
model = build.model(digits, latents=4, network={"kind": "gated", "hidden": (50,)}, seed=0)
fit(model, build.objective(model), digits, epochs=10, learning_rate=3e-3, progress=False)
curve = evaluate.bound_curve(model, digits.test, counts=[1, 5, 10, 50, 100, 500], limit=150)
print(curve.verdict)

# %%
number = curve.estimates[-1]
print(f"{number.statement} nats, {number.estimator}, {number.num_samples} samples, {number.examples} examples")
figure, axes = plt.subplots(figsize=(6, 3.5))
axes.errorbar(
    [each.num_samples for each in curve.estimates],
    [each.value for each in curve.estimates],
    [each.standard_error for each in curve.estimates],
    fmt="o-",
)
axes.set(xscale="log", xlabel="samples K", ylabel="log p(x), nats")
