"""
Paths through motion
====================

A rod turns: between two angles the straight line through latent space leaves what was learned, the path through a graph
of samples does not.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from prioria import build, data, drawing, evaluate, explore, fit

whole = data.load("pendulum")
few = data.load(whole.train.tensor(1500).numpy().reshape(-1, 1, 16, 16))
model = build.model(few, latents=2, likelihood={"kind": "gaussian", "variance": "global"}, seed=0)
fit(model, build.objective(model), few, epochs=12, learning_rate=3e-3, progress=False)

# %%
# Frames of both ways, the straight one above.
graph = explore.latent_graph(model, nodes=300, neighbors=10)
start, end = whole.test.tensor(2).split(1)
ways = {
    "straight": explore.straight(model, start, end, nodes=12),
    "graph": explore.interpolate(model, graph, start, end),
}
figure, axes = plt.subplots(2, 1, figsize=(8, 2.6))
for place, (name, (path,)) in zip(axes, ways.items(), strict=True):
    frames = explore.decoded(model, explore.resample(torch.as_tensor(path.z), 12))
    place.imshow(np.concatenate(list(drawing.drawn(frames, whole.protocol)), 1))
    place.set_title(f"{name}: smoothness {evaluate.smoothness(frames[None]).overall}", fontsize=8, loc="left")
    place.axis("off")
