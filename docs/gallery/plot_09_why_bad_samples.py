"""
Why are my samples bad?
=======================

Pockets of the prior, dead units, a decoder that is too wide: each is measured, and comes with what to try.
"""

import matplotlib.pyplot as plt

from prioria import build, data, drawing, evaluate, fit

digits = data.load("digits")
model = build.model(digits, latents=8, network={"kind": "gated", "hidden": (50,)}, seed=0)
run = fit(model, build.objective(model), digits, epochs=4, learning_rate=3e-3, progress=False)
print(evaluate.diagnose(run.model, digits))

# %%
# The samples themselves, as means of p(x|z).
pictures = drawing.drawn(model.generate(12).px.mean[0].detach(), digits.protocol)
figure, axes = plt.subplots(1, 12, figsize=(9, 1))
for place, picture in zip(axes, pictures, strict=True):
    place.imshow(picture)
    place.axis("off")
