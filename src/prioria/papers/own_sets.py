"""Tables and documents that installed packages ship, or that a few lines make: nothing is downloaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from prioria.data import Dataset, infer
from prioria.data.errors import NotInstalled
from prioria.data.own.frames import columns_data
from prioria.data.own.protocol import Treatment, own_data
from prioria.data.own.sources import Source, Table

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
MOST = 6000  # rows
ENDS = (0.7, 0.85)  # of the training and of the validation rows
SOURCES = ("numpy", "pandas", "scipy", "sklearn")  # packages whose modules are the documents of "code"
DOCUMENTS, WORDS = 1247, 500


def dataset(name: str, *, seed: int = 0, limit: int | None = None) -> Dataset:
    """Returns a table or corpus of this module, 70 / 15 / 15 % of rows that a seed permutes.

    Args:
        name: one of ``TABLES`` or ``CORPORA``.
        seed: of the order of the rows.
        limit: rows in all, at most; 6,000 in any case.

    Raises:
        NotInstalled: its package is not there.
    """
    rows = CORPORA[name]() if name in CORPORA else TABLES[name]()
    order = np.random.default_rng(seed).permutation(len(rows))[: min(limit or MOST, MOST)]
    first, second = (int(end * len(order)) for end in ENDS)
    if name in CORPORA:
        return own_data(
            Source(name, rows[order], sizes=(first, second - first, len(order) - second)), Treatment(), seed
        )
    frame = _frame(rows[order], first)
    parts = np.split(np.arange(len(order)), (first, second))
    return columns_data(Table(name, frame), infer(frame, training=parts[0]), parts, "random 70 / 15 / 15 %")


def _frame(rows: Array, training: int) -> pd.DataFrame:
    """Numbers as columns, whole ones as integers; those that are constant in the training rows are left out."""
    import pandas as pd

    kept = rows[:, rows[:training].std(0) > 0]
    whole = (kept == kept.round()).all(0)
    columns = [column.astype(np.int64) if each else column for column, each in zip(kept.T, whole, strict=True)]
    return pd.DataFrame({f"c{place}": column for place, column in enumerate(columns)})


def _numbers(frame: pd.DataFrame) -> Array:
    return frame.select_dtypes("number").dropna().to_numpy(float)


def _sklearn(name: str, **options: Any) -> Callable[[], Array]:
    def read() -> Array:
        from sklearn import datasets

        return getattr(datasets, f"load_{name}")(**options).data.astype(float)

    return read


def _statsmodels(name: str) -> Callable[[], Array]:
    def read() -> Array:
        folder_of("statsmodels")
        import statsmodels.api as sm

        return _numbers(getattr(sm.datasets, name).load_pandas().data)

    return read


def _vega(file: str, prepare: Callable[[Path], Array]) -> Callable[[], Array]:
    return lambda: prepare(folder_of("vega_datasets") / "_data" / file)


def folder_of(package: str) -> Path:
    """Returns where an installed package is; NotInstalled where it is not."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise NotInstalled(
            f"this table comes with the package {package}, which is not installed; pip install {package}"
        )
    return Path(next(iter(found.submodule_search_locations)))


def _cars(path: Path) -> Array:
    import pandas as pd

    frame: Any = pd.DataFrame(json.loads(path.read_text(encoding="utf-8")))
    return _numbers(frame.drop(columns=["Year"]))


def _csv(path: Path) -> Array:
    import pandas as pd

    return _numbers(pd.read_csv(path))


def _airports(path: Path) -> Array:
    import pandas as pd

    frame: Any = pd.read_csv(path)
    return _numbers(frame[["latitude", "longitude"]])


def _days(path: Path) -> Array:
    """Windows of 24 hours that begin every six."""
    import pandas as pd

    hours = pd.read_csv(path)["temp"].to_numpy(float)
    return np.lib.stride_tricks.sliding_window_view(hours, 24)[::6].copy()


def _series(name: str) -> Callable[[], Array]:
    """Rows of an archive of aeon, all time steps as columns; of several channels each step is a row."""

    def read() -> Array:
        folder = folder_of("aeon") / "datasets" / "data" / name
        found = []
        for part in ("TRAIN", "TEST"):
            text = (folder / f"{name}_{part}.ts").read_text(encoding="utf-8").split("@data")[1]
            for line in text.split():
                channels = [np.array(each.split(","), float) for each in line.split(":")[:-1]]
                found.append(channels[0][None] if len(channels) == 1 else np.stack(channels, 1))
        return np.concatenate(found)

    return read


def _patches() -> Array:
    from PIL import Image

    picture = np.asarray(Image.open(folder_of("skimage") / "data" / "astronaut.png"), float)
    corners = np.random.default_rng(0).integers(0, 508, (MOST, 2))
    return np.array([picture[a : a + 4, b : b + 4].mean(2).ravel() for a, b in corners])


def _rolled() -> Array:
    from sklearn.datasets import make_swiss_roll

    generator = np.random.default_rng(1)
    points = np.asarray(make_swiss_roll(3000, noise=0.5, random_state=0)[0])
    return np.tanh(points @ generator.normal(size=(3, 20)) / 20) + 0.1 * generator.normal(size=(3000, 20))


def _friedman() -> Array:
    from sklearn.datasets import make_friedman1

    x, y = make_friedman1(2000, n_features=10, random_state=0)
    return np.c_[x, y + np.random.default_rng(2).normal(size=2000)]


def _heavy_tails() -> Array:
    generator = np.random.default_rng(3)
    return generator.standard_t(3, size=(2000, 8)) @ generator.normal(size=(8, 8))


def _code() -> Array:
    """Modules of installed packages as counts of their words."""
    from sklearn.feature_extraction.text import CountVectorizer

    files = [path for package in SOURCES for path in sorted(folder_of(package).rglob("*.py"))]
    texts = [text for path in files if len(text := path.read_text(encoding="utf-8", errors="ignore")) > 2000]
    chosen = [texts[place] for place in np.arange(min(DOCUMENTS, len(texts))) * len(texts) // DOCUMENTS]
    counts: Any = CountVectorizer(max_features=WORDS, token_pattern=r"[A-Za-z]{2,}").fit_transform(chosen)
    return counts.toarray().astype(float)


def _topics() -> Array:
    """Documents of the very model that latent Dirichlet allocation is."""
    generator = np.random.default_rng(0)
    words, shares = generator.dirichlet(np.full(400, 0.05), 12), generator.dirichlet(np.full(12, 0.15), 1500)
    lengths = generator.poisson(generator.lognormal(4.6, 0.5, 1500)) + 20
    return np.stack([generator.multinomial(n, share @ words) for n, share in zip(lengths, shares, strict=True)]).astype(
        float
    )


TABLES: dict[str, Callable[[], Array]] = {
    "iris": _sklearn("iris"),
    "cancer": _sklearn("breast_cancer"),
    "wine": _sklearn("wine"),
    "diabetes": _sklearn("diabetes", scaled=False),
    "digits-table": _sklearn("digits"),
    "cars": _vega("cars.json", _cars),
    "weather": _vega("seattle-weather.csv", _csv),
    "airports": _vega("airports.csv", _airports),
    "temps24": _vega("seattle-temps.csv", _days),
    "fair": _statsmodels("fair"),
    "anes96": _statsmodels("anes96"),
    "star98": _statsmodels("star98"),
    "randhie": _statsmodels("randhie"),
    "macrodata": _statsmodels("macrodata"),
    "modechoice": _statsmodels("modechoice"),
    "ItalyPowerDemand": _series("ItalyPowerDemand"),
    "GunPoint": _series("GunPoint"),
    "JapaneseVowels": _series("JapaneseVowels"),
    "patches": _patches,
    "roll20": _rolled,
    "friedman": _friedman,
    "student8": _heavy_tails,
}
CORPORA: dict[str, Callable[[], Array]] = {"code": _code, "topics": _topics}
