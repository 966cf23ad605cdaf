"""
My photos
=========

A folder of pictures is data as it is: sizes and modes are brought to one. Here it is cut out of one photograph that
comes with scikit-learn.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

from prioria import build, data, drawing, fit

photograph = load_sample_image("flower.jpg")
with tempfile.TemporaryDirectory() as folder:
    generator = np.random.default_rng(0)
    for number in range(200):
        top, left = generator.integers(0, 427 - 32), generator.integers(0, 640 - 32)
        Image.fromarray(photograph[top : top + 32, left : left + 32]).save(Path(folder) / f"{number:03}.png")
    photos = data.load(folder, resize="16x16")
print(photos)

# %%
# Photographs have a likelihood of their own, of frequencies, which is taken without asking.
model = build.model(photos, latents=8, seed=0)
run = fit(model, build.objective(model), photos, epochs=3, batch_size=50, progress=False)
print(type(model.likelihood).__name__, run.best["loss"])

# %%
# Rows above, their reconstructions below.
rows = photos.test.tensor(8)
pictures = [drawing.drawn(each, photos.protocol) for each in (rows, model.decode(model.encode(rows)).mean.detach())]
figure, axes = plt.subplots(figsize=(8, 2.2))
axes.imshow(np.concatenate([np.concatenate(list(each), 1) for each in pictures], 0))
axes.axis("off")
