"""
My counts
=========

Documents as counts of words: topics to begin with, networks where they gain, and codes in which neighbors are alike.
"""

import matplotlib.pyplot as plt
import numpy as np

from prioria import data, presets

generator = np.random.default_rng(0)
topics = generator.dirichlet(np.full(60, 0.1), size=4)
shares = generator.dirichlet(np.full(4, 0.3), size=400)
counts = np.stack([generator.multinomial(80, share @ topics) for share in shares])
documents = data.load(counts)
print(documents)

# %%
found = presets.train(documents)
print(found)

# %%
# The encodings of documents, colored by their largest topic.
z = found.run.model.encode(documents.test.tensor()).detach()
z = (z - z.mean(0)).numpy()
plane = z @ np.linalg.svd(z, full_matrices=False)[2][:2].T
rows = {tuple(row): share for row, share in zip(counts.tolist(), shares, strict=True)}
largest = [rows[tuple(map(int, row))].argmax() for row in documents.test.tensor().tolist()]
figure, axes = plt.subplots(figsize=(5, 4))
axes.scatter(*plane.T, c=largest, cmap="tab10", s=18)
axes.set(xlabel="first component", ylabel="second component")
