"""
Missing values
==============

Rows with holes are scored by what is there; what is missing is filled in several times, and the spread says how sure it
is.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine

from prioria import build, data, fit, imputation

wine = load_wine(as_frame=True)
whole = wine.data[["alcohol", "flavanoids", "color_intensity", "proline"]]
holes = np.random.default_rng(0).random(whole.shape) < 0.15
table = whole.mask(holes)
source = data.load(table)
model = build.model(source, latents=2, network={"hidden": (64,)}, seed=0)
fit(model, build.objective(model), source, epochs=150, batch_size=50, learning_rate=3e-3, mask_rate=0.3, progress=False)
filled, found = imputation.complete(model, model.protocol.schema, table, 10, num_samples=200)
print(filled.head())

# %%
# Alcohol where it was taken out: the truth across, the mean of ten draws up, with their deviation.
lost = holes[:, 0]
draws = np.stack([filled[filled["draw"] == draw]["alcohol"].to_numpy()[lost] for draw in sorted(set(filled["draw"]))])
figure, axes = plt.subplots(figsize=(5, 4))
axes.errorbar(whole["alcohol"][lost], draws.mean(0), draws.std(0), fmt="o", ms=4)
axes.axline((13, 13), slope=1, color="grey", lw=1)
axes.set(xlabel="what was there", ylabel="filled in")
