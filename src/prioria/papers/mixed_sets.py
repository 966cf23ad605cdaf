"""Tables of numbers and names that installed packages ship, with entries taken away: nothing is downloaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from prioria.data import Dataset, infer
from prioria.data.own.frames import columns_data
from prioria.data.own.sources import Table
from prioria.evaluate.output.holes import removed
from prioria.papers.own_sets import ENDS, folder_of

if TYPE_CHECKING:
    import pandas as pd

MOST = 1000  # rows


def dataset(name: str, *, rate: float, depends_on: str | None, seed: int = 0, limit: int | None = None) -> Dataset:
    """Returns a table of this module, 70 / 15 / 15 % of rows that a seed permutes, holes in all but the test rows.

    Args:
        name: one of ``MIXED``.
        rate: share of the training and validation entries that is taken away.
        depends_on: None, or the column on whose value it depends; see :func:`prioria.evaluate.imputation`.
        seed: of the order of the rows, and of the holes.
        limit: rows in all, at most; 1,000 in any case.

    Raises:
        NotInstalled: its package is not there.
    """
    whole = MIXED[name]()
    order = np.random.default_rng(seed).permutation(len(whole))[: min(limit or MOST, MOST)]
    frame = whole.iloc[order].reset_index(drop=True)
    first, second = (int(end * len(order)) for end in ENDS)
    kinds = infer(frame)
    gone = removed(kinds.encode(frame)[:second].astype(float), kinds, rate, depends_on, seed=seed)
    for d, column in enumerate(kinds.features):
        frame[column.name] = frame[column.name].mask(np.r_[gone[:, d], np.zeros(len(frame) - second, bool)])
    parts = np.split(np.arange(len(order)), (first, second))
    return columns_data(Table(name, frame), infer(frame, training=parts[0]), parts, "random 70 / 15 / 15 %")


def _penguins() -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(folder_of("palmerpenguins") / "data" / "penguins.csv")


def _cars() -> pd.DataFrame:
    import pandas as pd

    text = (folder_of("vega_datasets") / "_data" / "cars.json").read_text(encoding="utf-8")
    frame: Any = pd.DataFrame(json.loads(text))
    return frame.drop(columns="Name").assign(Year=frame["Year"].str[:4].astype(int))


def _weather() -> pd.DataFrame:
    import pandas as pd

    frame: Any = pd.read_csv(folder_of("vega_datasets") / "_data" / "seattle-weather.csv")
    return frame.drop(columns="date")


def _wine() -> pd.DataFrame:
    from sklearn.datasets import load_wine

    found: Any = load_wine(as_frame=True)
    return found.data.assign(grower=[f"grower {each}" for each in found.target])


def _diabetes() -> pd.DataFrame:
    from sklearn.datasets import load_diabetes

    found: Any = load_diabetes(as_frame=True, scaled=False)
    sex = np.where(found.data["sex"] > 1.5, "second", "first")  # the source does not say which is which
    return found.data.assign(sex=sex, progression=found.target)


def _named(name: str, columns: tuple[str, ...], *left_out: str) -> Callable[[], pd.DataFrame]:
    """A table of statsmodels, codes of some columns as names."""

    def read() -> pd.DataFrame:
        folder_of("statsmodels")
        import statsmodels.api as sm

        frame: Any = getattr(sm.datasets, name).load_pandas().data.drop(columns=list(left_out))
        return frame.assign(**{column: [f"{column} {int(each)}" for each in frame[column]] for column in columns})

    return read


MIXED: dict[str, Callable[[], pd.DataFrame]] = {
    "penguins": _penguins,
    "cars": _cars,
    "weather": _weather,
    "wine": _wine,
    "diabetes": _diabetes,
    "anes96": _named("anes96", ("PID", "vote"), "logpopul"),
    "fair": _named("fair", ("occupation", "occupation_husb")),
    "modechoice": _named("modechoice", ("mode", "choice"), "individual"),
}
DEPENDS_ON = {  # the column that is never taken away: the higher it is, the more others are
    "penguins": "body_mass_g",
    "cars": "Weight_in_lbs",
    "weather": "temp_max",
    "wine": "proline",
    "diabetes": "bmi",
    "anes96": "age",
    "fair": "age",
    "modechoice": "gc",
}
