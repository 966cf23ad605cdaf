"""
My table
========

A table of numbers and names becomes a model in seconds: a classical mixture is fitted first, and networks are kept only
where they gain. Draws have the columns of the table.
"""

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_wine

from prioria import presets
from prioria.data import Schema

wine = load_wine(as_frame=True)
table = wine.data[["alcohol", "flavanoids", "color_intensity", "proline"]].copy()
table["grower"] = [f"grower {each}" for each in wine.target]
found = presets.train(table)
print(found)

# %%
# What was drawn, in the units of the table, beside what is there.
model = found.run.model
schema = model.protocol.schema
assert isinstance(schema, Schema)
draws: pd.DataFrame = schema.decode(model.sample(178).numpy())
print(draws.head())

figure, axes = plt.subplots(figsize=(6, 4))
for frame, name in ((table, "table"), (draws, "drawn")):
    axes.scatter(frame["alcohol"], frame["color_intensity"], s=12, label=name, alpha=0.7)
axes.set(xlabel="alcohol", ylabel="color intensity")
axes.legend()
