"""
Anomalies
=========

The lower log p(x), the stranger the row; the columns that make it so are named.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

from prioria import build, data, evaluate, fit

patients = load_breast_cancer(as_frame=True)
columns = ["mean radius", "mean texture", "mean smoothness", "mean concavity"]
benign = patients.data.loc[patients.target == 1, columns]
malignant = patients.data.loc[patients.target == 0, columns]
source = data.load(benign.iloc[:280])
model = build.model(source, latents=2, network={"hidden": (64,)}, seed=0)
fit(model, build.objective(model), source, epochs=100, batch_size=50, learning_rate=3e-3, progress=False)

# %%
# Trained on benign ones alone, it finds malignant ones strange.
scores = {}
for name, rows in (("benign", benign.iloc[280:]), ("malignant", malignant)):
    x = data.read_rows(rows, model.protocol)
    scores[name] = evaluate.scores(model, x.tensor(), num_samples=200).log_likelihood.numpy()
    print(name, np.median(scores[name]).round(2))

figure, axes = plt.subplots(figsize=(6, 3.5))
bins = np.linspace(-30, 5, 40)
for name, values in scores.items():
    axes.hist(values.clip(-30), bins, alpha=0.6, label=name, density=True)
axes.set(xlabel="log p(x), nats")
axes.legend()
