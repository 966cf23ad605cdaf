"""
Write your own objective
========================

An objective is one method, the cost of each draw; averaging, progress and validation are the base's.
"""

import matplotlib.pyplot as plt

from prioria import build, data, fit
from prioria.objectives import Objective


class SquaredRate(Objective):
    """-log w + gamma (rate - target)^2: the rate is drawn towards a target in nats."""

    def __init__(self, target: float, gamma: float = 1.0) -> None:
        super().__init__()
        self.target, self.gamma = target, gamma

    def cost(self, draw, progress=None):
        return -draw.log_w + self.gamma * (draw.rate - self.target) ** 2


digits = data.load("digits")
figure, axes = plt.subplots(figsize=(6, 3.5))
for target in (2.0, 8.0):
    model = build.model(digits, latents=4, network={"kind": "gated", "hidden": (50,)}, seed=0)
    run = fit(model, SquaredRate(target), digits, epochs=10, learning_rate=3e-3, progress=False)
    lines = [line for line in run.history if line["split"] == "validation"]
    axes.plot([line["epoch"] for line in lines], [line["rate"] for line in lines], label=f"target {target:g}")
axes.set(xlabel="epoch", ylabel="rate on validation rows, nats")
axes.legend()
