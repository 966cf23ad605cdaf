"""
Learned dependency graph
========================

Which group of latents depends on which is learned: each possible edge has a gate with a probability.
"""

import matplotlib.pyplot as plt

from prioria import build, data, fit, stages

digits = data.load("digits")
model = build.model(
    digits,
    stages={"kind": "graph", "nodes": 3, "latents": 3},
    network={"kind": "gated", "hidden": (50,)},
    seed=0,
)
fit(model, build.objective(model), digits, epochs=10, learning_rate=3e-3, progress=False)
probabilities = stages.edge_probabilities(model.stages)
print(probabilities)

# %%
figure, axes = plt.subplots(figsize=(5, 2.5))
axes.bar([f"{parent} to {child}" for parent, child in probabilities], list(probabilities.values()))
axes.axhline(0.5, color="grey", lw=1)
axes.set(ylabel="probability of the edge", ylim=(0, 1))
