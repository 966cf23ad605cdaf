"""A VAE of a table that begins as the best mixture of factor analysers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prioria import VAE, likelihoods, nets, stages
from prioria.data.kinds import widest
from prioria.distributions import Levels
from prioria.distributions.spec import NUMBERS, Spec
from prioria.distributions.spread import dequantize
from prioria.likelihoods import Heads
from prioria.likelihoods.heads import Head, LevelsHead
from prioria.starts.choice import BUDGET, CLASSES, Search
from prioria.starts.factors import BACKGROUND, Array, FactorMixture, Rows
from prioria.starts.recognition import MixtureEncoder

LISTED = ("bernoulli", "categorical", "ordinal")
Reading = tuple[dict[str, str], dict[str, list[float]]]  # families and levels, by name of column
CLOSE = 0.2  # nats by which a reading may be behind and yet be finished
REPEATED = 5  # rows that each value of a category has on average, at least
FEW = 12  # a column of numbers with at most so many values may be a category


@dataclass(frozen=True)
class TableStart:
    """A fitted mixture and what the model needs to hold it.

    Attributes:
        schema: the columns.
        mixture: in standardized units.
        center: of each real column, in the units of x (G,).
        scale: of each real column (G,).
        families: of the columns whose family is not the one of their kind.
        levels: values of the columns of numbers that are categories here.
        validation: log p(x) of each validation row, completed and dequantized, in the units of the data (N,), in nats.
        score: what it was chosen by: their mean, or where they are few that of cross-validation.
    """

    schema: Any
    mixture: FactorMixture
    center: Array
    scale: Array
    families: Mapping[str, str]
    levels: Mapping[str, Sequence[float]]
    validation: Array
    score: float


class Reader:
    """Turns rows x (N, D) into what EM reads, standardized by the training rows."""

    def __init__(self, heads: Heads, train: Array) -> None:
        self.heads = heads
        self.real = [d for d, family in enumerate(heads.families) if family == "gaussian"]
        self.counted = [d for d, each in enumerate(heads.families) if each in ("poisson", "negative-binomial")]
        self.discrete = [d for d, family in enumerate(heads.families) if family in LISTED]
        values = train[:, self.real]
        self.center = np.nanmean(values, 0) if self.real else np.zeros(0)
        found = [column[~np.isnan(column)] for column in values.T]
        scale = np.array([min(each.std(), widest(each)) if len(each) else 0.0 for each in found])
        self.scale = np.where(scale > 0, scale, 1.0)
        self.volume = heads(torch.zeros(sum(heads.sizes))).log_volume

    @property
    def floor(self) -> Array:
        """The least noise variance of each real column, in standardized units."""
        floors = np.array([self.heads.columns[d].floor for d in self.real])
        return np.maximum((floors / self.scale) ** 2, 1e-6) if self.real else floors

    def __call__(self, x: Array) -> Rows:
        real = (x[:, self.real] - self.center) / self.scale
        bits, constant, sizes = [np.zeros((len(x), 0))], -np.log(self.scale).sum() * np.ones(len(x)), []
        for d in self.discrete:
            column, grid = self.heads.columns[d], self.heads.grid(self.heads.columns[d]).double().numpy()
            code, seen, density = _code(column, grid, x[:, d])
            bits.append(np.eye(len(grid))[code] * seen[:, None])
            sizes.append(len(grid))
            constant = constant + density
        centers = np.array([self.heads.columns[d].center for d in self.counted])
        scales = np.array([self.heads.columns[d].scale for d in self.counted])
        counts = np.round(x[:, self.counted] * scales + centers) if self.counted else np.zeros((len(x), 0))
        volume = self.volume(torch.from_numpy(x)).numpy() - _volume_of_counts(self.heads, self.counted, x)
        return Rows(real, np.concatenate(bits, 1), tuple(sizes), counts, constant - volume)


def _code(column: Spec, grid: Array, x: Array) -> tuple[NDArray, NDArray, Array]:
    """Returns the level of each value, whether it is one, and what its cell adds to the log-density."""
    missing = np.isnan(x)
    distance = np.abs(np.nan_to_num(x)[:, None] - grid)
    code, seen, density = distance.argmin(1), ~missing, np.zeros(len(x))
    if column.kind in NUMBERS:
        width = (column.resolution or 1.0) / column.scale
        on_grid = distance.min(1) <= 0.5001 * width
        stray = np.log(Levels.STRAY / np.pi) - np.log1p(np.nan_to_num(x) ** 2)
        density = np.where(on_grid, np.log1p(-Levels.STRAY) - np.log(width), stray) * seen
        seen = seen & on_grid
    return code, seen, density


def _volume_of_counts(heads: Heads, counted: Sequence[int], x: Array) -> Array:
    scales = np.log([heads.columns[d].scale for d in counted]) if counted else np.zeros(0)
    return (~np.isnan(x[:, list(counted)]) * scales).sum(1)


def completed(heads: Heads, train: Array, validation: Array, *, seed: int) -> tuple[Array, Array]:
    """Fills missing entries of the real columns, for EM alone, by one draw of scikit-learn's IterativeImputer.

    A mean in their place would narrow the mixture. Other columns keep theirs: they are left out of a class's tables.
    """
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    real = [d for d, family in enumerate(heads.families) if family == "gaussian"]
    if not np.isnan(np.r_[train, validation][:, real]).any():
        return train, validation
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that its few rounds have not converged
        imputer = IterativeImputer(sample_posterior=True, random_state=seed, keep_empty_features=True).fit(
            train[:, real]
        )
        filled = [np.asarray(imputer.transform(rows[:, real])) for rows in (train, validation)]
    train, validation = train.copy(), validation.copy()
    train[:, real], validation[:, real] = filled
    return train, validation


def mixture(
    train: NDArray,
    validation: NDArray,
    schema: Any,
    *,
    classes: Sequence[int] = CLASSES,
    seed: int = 0,
    budget: float = BUDGET,
) -> TableStart:
    """Fits the best mixture of factor analysers to a table, numbers with few values as numbers and as categories.

    Missing entries of real columns are drawn once for the fit; the model that :func:`build` makes leaves
    them out exactly.
    It is seeded with scikit-learn's best Gaussian mixture too, so that by the validation rows it is never worse.

    Args:
        train: training rows (N, D) as ``schema.encode`` gives them.
        validation: validation rows.
        schema: the columns.
        classes: numbers of classes that are tried, without the two broad ones.
        seed: of first classes.
        budget: multiplications that the search for a mixture may take, about.
    """
    return best(screened(train, validation, schema, classes=classes, seed=seed, budget=budget))


class Screen:
    """One reading of a table, with sizes of mixtures compared on some of its rows.

    Attributes:
        score: of the best size, in the units of the data.
    """

    def __init__(
        self, train: Array, validation: Array, schema: Any, reading: Reading, *, seed: int, **options: Any
    ) -> None:
        self.schema, (self.families, self.levels) = schema, reading
        heads = Heads(schema, self.families, self.levels)
        train, validation = completed(heads, train, validation, seed=seed)
        self.reader = Reader(heads, train)
        rows = self.reader(dequantize(train, schema, seed=seed))
        self.held = self.reader(dequantize(validation, schema, seed=seed + 1))
        self.search = Search(rows, self.held, self.reader.floor, seed=seed, **options).screen()
        self.score = self.search.score

    def finish(self) -> TableStart:
        """Returns the best mixture of all training rows."""
        found, score = self.search.finish()
        center, scale = self.reader.center, self.reader.scale
        return TableStart(
            self.schema, found, center, scale, self.families, self.levels, found.log_prob(self.held), score
        )


def screened(train: NDArray, validation: NDArray, schema: Any, **options: Any) -> list[Screen]:
    """Compares sizes of mixtures for each reading of a table; the arguments are those of :func:`mixture`."""
    train, validation = np.asarray(train, np.float64), np.asarray(validation, np.float64)
    options = {"seed": 0, **options}
    return [Screen(train, validation, schema, each, **options) for each in _readings(Spec.read(schema), train)]


def best(screens: Sequence[Screen]) -> TableStart:
    """Returns the best start of several readings or treatments of a table; those far behind are not finished."""
    top = max(each.score for each in screens)
    close = [each for each in screens if each.search.folds is not None or each.score >= top - CLOSE]
    return max((each.finish() for each in close), key=lambda start: start.score)


def _readings(columns: list[Spec], train: Array) -> list[Reading]:
    """Which columns of numbers are numbers and which are categories: none, and those with few values."""
    numbers = {each.name: "gaussian" for each in columns if each.kind in NUMBERS}
    levels: dict[str, list[float]] = {}
    for d, each in enumerate(columns):
        if each.kind in NUMBERS and each.treatment != "log" and (each.resolution or each.kind == "count"):
            known = train[:, d][~np.isnan(train[:, d])]
            found = np.unique(known)
            if 2 <= len(found) <= min(FEW, len(known) / REPEATED):
                levels[each.name] = (found * each.scale + each.center).tolist()
    readings: list[Reading] = [(numbers, {})]
    if levels:
        readings.append(({name: family for name, family in numbers.items() if name not in levels}, levels))
    return readings


def build(
    start: TableStart, *, hidden: int = 64, full: bool = False, holes: bool = True, prior: nn.Module | None = None
) -> VAE:
    """Returns the VAE that is the mixture: c its class, z its factors, networks beside it that begin at zero.

    Its log-likelihood is the mixture's, to rounding. ``objectives.Enumerated`` trains it.

    Args:
        start: the mixture.
        hidden: width of the networks' two hidden layers.
        full: give z a full covariance, the exact one of rows with missing entries.
        holes: the network of the encoder is to read rows with missing entries, too; it should be trained on some then.
        prior: p(z|c) in place of N(0, I), over max(factors, 1) latents; it must begin as that for the model to be the
            mixture.
    """
    options = {"families": dict(start.families), "levels": dict(start.levels)}
    mixture = start.mixture
    components, latents = len(mixture.log_shares), max(mixture.latents, 1)
    encoder = MixtureEncoder(start.schema, components, latents, hidden=hidden, full=full, holes=holes, **options)
    outputs = likelihoods.Columns.outputs(start.schema, **options)
    net = nets.Chain(
        nets.Squash(start=components), nets.MLP(components + latents, hidden, hidden, outputs, activation="silu")
    )
    decoder = nets.ByClass(components, latents, outputs, linear=len(start.center), net=net)
    _set(start, encoder, decoder, latents)
    model = VAE(
        encoder=encoder,
        stages=stages.Classes(components, latents, full=full, prior=prior),
        likelihood=likelihoods.Columns(decoder, start.schema, **options),
    )
    with torch.no_grad():
        model.get_parameter("stages.c.p.logits").copy_(encoder.logits)
    return model.eval()


@torch.no_grad()
def _set(start: TableStart, encoder: MixtureEncoder, decoder: nets.ByClass, latents: int) -> None:
    mixture = start.mixture
    mean = torch.tensor(mixture.mean * start.scale + start.center)
    noise = torch.tensor(mixture.noise * start.scale**2)
    factors = torch.tensor(mixture.factors * start.scale[:, None])
    factors = nn.functional.pad(factors, (0, latents - factors.shape[-1]))  # a factor that moves nothing, where L = 0
    rest = _outputs(start, encoder.others)
    encoder.logits.copy_(torch.tensor(mixture.log_shares))
    unit, loadings = noise.sqrt(), factors / noise.sqrt().unsqueeze(-1)
    free = torch.ones(len(mean))
    free[-len(BACKGROUND) :] = 0  # broad classes stay as they are: they are what rows far away have
    encoder.get_buffer("center").copy_(mean)
    encoder.get_buffer("unit").copy_(unit)
    encoder.get_buffer("free").copy_(free)
    encoder.log_unit.copy_(unit.log())
    encoder.loadings.copy_(loadings)
    encoder.tables.copy_(rest)
    decoder.get_buffer("center").copy_(torch.cat([mean, noise.log(), rest], -1))
    decoder.get_buffer("unit")[:, : unit.shape[1]] = unit
    decoder.get_buffer("free").copy_(free)
    decoder.bias.zero_()
    decoder.weight.copy_(loadings.mT)


def _outputs(start: TableStart, heads: Heads) -> Tensor:
    """Returns the outputs (K, O) for which the heads of the discrete columns and counts give the mixture's tables."""
    mixture, classes = start.mixture, len(start.mixture.log_shares)
    discrete = [d for d, family in enumerate(heads.families) if family in LISTED]
    ends = np.cumsum([len(heads.grid(heads.columns[d])) for d in discrete])
    tables = dict(zip(discrete, np.split(mixture.tables, ends[:-1], -1), strict=True)) if discrete else {}
    found = [torch.zeros(classes, 0, dtype=torch.float64)]
    for head in heads.parts.values():
        columns = head.get_buffer("index").tolist()
        if columns[0] in tables:
            found.append(torch.cat([_listed(head).inverse(torch.tensor(tables[d])) for d in columns], -1))
        else:
            found.append(torch.tensor(np.moveaxis(mixture.counts, -1, 1).reshape(classes, -1)))
    return torch.cat(found, -1)


def _listed(head: Head) -> LevelsHead:
    assert isinstance(head, LevelsHead)
    return head
