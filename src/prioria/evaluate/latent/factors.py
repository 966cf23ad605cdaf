"""How well single latents stand for single factors of variation: MIG, FactorVAE score, DCI and SAP.

All read codes (N, L), usually posterior means, and the factors (N, K) that made each example. A factor of whole numbers
has classes; one with a fraction anywhere is continuous, and where a score needs classes its values are cut into ten
bins with as many examples each. Rows are put in an order of their own first, so that no score depends on the order in
which they come.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from prioria.data.base import Split
from prioria.evaluate.aggregate import known_group
from prioria.evaluate.sampling import device_of, measuring, seed_device
from prioria.model import VAE

Codes = NDArray[np.float64]
Factors = NDArray[np.int64] | NDArray[np.floating[Any]]
Classes = NDArray[np.int64]

BINS = 20
QUANTILES = 10  # bins of a continuous factor, and of a code beside it
BATCH = 1000


class DCI(NamedTuple):
    """Disentanglement, completeness and informativeness, each in [0, 1]."""

    disentanglement: float
    completeness: float
    informativeness: float


@dataclass(frozen=True)
class Disentanglement:
    """All scores of one model; one is perfect.

    Attributes:
        mig: mutual information gap.
        factor_vae: FactorVAE score.
        dci: disentanglement, completeness, informativeness.
        sap: separated attribute predictability.
        examples: N.
        seed: of the rows, votes and trees.
        factors: names of the factors that varied.
        bins: into how many bins each continuous factor was cut, by its name.
        constant: names of the factors that did not vary; no score can tell them.
    """

    mig: float
    factor_vae: float
    dci: DCI
    sap: float
    examples: int
    seed: int
    factors: tuple[str, ...]
    bins: dict[str, int] = field(default_factory=dict)
    constant: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        names = {"factors": list(self.factors), "constant": list(self.constant)}
        return {**asdict(self), "dci": self.dci._asdict(), **names}


def disentanglement(
    model: VAE, x: Split, *, seed: int = 0, limit: int | None = 10_000, group: str | None = None
) -> Disentanglement:
    """Scores the posterior means of a group on data whose factors are known, such as dSprites.

    Args:
        model: the model; its mode and the global random numbers are left as they were.
        x: a split of a data set, rows with labels (N, K).
        seed: of the rows, votes and trees.
        limit: take so many rows only, drawn at random.
        group: name of the group, the top one by default.

    Raises:
        ValueError: the rows have no factors, fewer than two factors vary, or no such group.
    """
    if (labels := getattr(x, "labels", None)) is None or labels.dim() != 2:
        given = repr(x.protocol.name) if hasattr(x, "protocol") else type(x).__name__
        raise ValueError(f"x of {given} has no factors (N, K) as labels; use a split, for instance of dsprites")
    name = known_group(model, group)
    chosen = np.random.default_rng(seed).permutation(len(x))[:limit]
    with measuring(model):
        seed_device(device_of(model), seed)  # posteriors without a closed mean
        batches = [x.batch(rows).to(device_of(model)) for rows in torch.from_numpy(chosen).split(BATCH)]
        codes = torch.cat([model.encode(rows, name).flatten(1) for rows in batches]).double().cpu().numpy()
    factors = labels[torch.from_numpy(chosen)].numpy()
    names = np.array(x.protocol.factors or [str(k) for k in range(factors.shape[1])])
    varied = np.ptp(factors, axis=0) != 0
    found = scores(codes, factors[:, varied], seed=seed, names=tuple(names[varied].tolist()))
    return replace(found, constant=tuple(names[~varied].tolist()))


def scores(codes: Codes, factors: Factors, *, seed: int = 0, names: tuple[str, ...] = ()) -> Disentanglement:
    """Returns all scores of codes (N, L) against factors (N, K).

    Raises:
        ValueError: fewer than two factors or two codes, a code or factor that is not finite, or a factor with one value
            only, in all rows or in the half that SAP is trained on.
    """
    if min(codes.shape[1], factors.shape[1]) < 2:
        raise ValueError(f"{codes.shape[1]} latents and {factors.shape[1]} factors: at least two of each must vary")
    if not np.isfinite(codes).all():
        raise ValueError("codes must be finite, and one is not; check the model's weights and the rows")
    if not np.isfinite(factors).all():
        raise ValueError("factors must be finite, and one is not; leave its rows or its column out")
    if (constant := np.flatnonzero(np.ptp(factors, axis=0) == 0)).size:
        raise ValueError(f"factors: column {constant[0]} has one value only, which nothing can tell; leave it out")
    codes, factors = _ordered(codes, factors)
    classes = _classes(factors)
    _halves(classes, seed)  # refuses before forests are grown
    names = names or tuple(str(k) for k in range(factors.shape[1]))
    continuous = np.flatnonzero(_continuous(factors))
    return Disentanglement(
        mig=mig(codes, factors),
        factor_vae=factor_vae_score(codes, factors, seed=seed),
        dci=dci(codes, factors, seed=seed),
        sap=sap(codes, factors, seed=seed),
        examples=len(codes),
        seed=seed,
        factors=names,
        bins={names[k]: len(np.unique(classes[:, k])) for k in continuous},
    )


def mig(codes: Codes, factors: Factors) -> float:
    """Mean over factors of (I(z_a; v) - I(z_b; v)) / H(v), z_a and z_b the two most informative codes.

    Codes are cut into 20 bins of equal width (Chen et al., 2018, eq. 6; bins as in disentanglement_lib); beside a
    continuous factor, whose bins are quantiles, into as many quantiles: the bins of a code that is a monotone map of
    the factor are then those of the factor, whatever its distribution.

    Example:
        >>> v = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
        >>> mig(v.astype(float), v)
        1.0
    """
    from sklearn.metrics import mutual_info_score

    widths = [np.digitize(z, np.histogram_bin_edges(z, BINS)[:-1]) for z in codes.T]
    quantiles = [_quantile(z) for z in codes.T]
    classes, binned = _classes(factors).T, [quantiles if each else widths for each in _continuous(factors)]
    shared = np.array([[mutual_info_score(z, v) for z in bins] for bins, v in zip(binned, classes, strict=True)])
    entropy = np.array([mutual_info_score(v, v) for v in classes])
    best = np.sort(shared, axis=1)[:, ::-1]
    return float(np.mean((best[:, 0] - best[:, 1]) / entropy))


def factor_vae_score(
    codes: Codes, factors: Factors, *, votes: int = 800, batch: int = 64, seed: int = 0, threshold: float = 0.05
) -> float:
    """Accuracy of guessing which factor was held fixed from the code that varied least (Kim and Mnih, 2018, section 4).

    One vote: hold a random factor at a random value, take ``batch`` examples that have it, and name the code whose
    variance, relative to that of all examples, is least. Half as many votes again test the majority rule that the votes
    make. In the bin of a continuous factor the ranks of codes stand for codes, so that bins in a tail are as narrow as
    the others. Codes with a variance below ``threshold`` of the largest never vote.

    Args:
        codes: (N, L).
        factors: (N, K).
        votes: to learn the rule from, 800 in the paper.
        batch: examples of one vote.
        seed: of the votes.
        threshold: of variance, relative to that of the most varied code.

    Raises:
        ValueError: fewer than two votes, or than two examples in one.
    """
    if votes < 2 or batch < 2:
        raise ValueError(f"votes={votes} and batch={batch} must be at least 2, for a vote to test and a variance")
    codes, factors = _ordered(codes, factors)
    classes, ranks = _classes(factors), codes.argsort(0).argsort(0).astype(float)
    places = [ranks if each else codes for each in _continuous(factors)]
    generator, variance = np.random.default_rng(seed), codes.var(0)
    active = np.flatnonzero(variance > threshold * variance.max())
    spread = [each[:, active].var(0) for each in places]
    if len(active) == 0:
        return 0.0
    counts = np.zeros((2, codes.shape[1], factors.shape[1]), dtype=np.int64)
    for vote in range(votes + votes // 2):
        k = generator.integers(classes.shape[1])
        same = np.flatnonzero(classes[:, k] == classes[generator.integers(len(classes)), k])
        chosen = places[k][generator.choice(same, batch)][:, active]
        counts[int(vote >= votes), active[(chosen.var(0) / spread[k]).argmin()], k] += 1
    learned, test = counts
    rule = learned.argmax(1)
    return float(test[np.arange(len(rule)), rule].sum() / test.sum())


def dci(codes: Codes, factors: Factors, *, seed: int = 0, trees: int = 20) -> DCI:
    """Disentanglement, completeness and informativeness (Eastwood and Williams, 2018, section 2).

    A random forest predicts each factor from all codes on 80 % of the rows; its importances make the matrix, its
    accuracy on the other 20 % the informativeness. Disentanglement is 1 less the entropy (base K) of a code's
    importances, weighted by the code's share of all; completeness the same over codes, weighted by factor.

    Args:
        codes: (N, L).
        factors: (N, K).
        seed: of rows and trees.
        trees: in a forest.
    """
    from sklearn.ensemble import RandomForestClassifier

    codes, factors = _ordered(codes, factors)
    classes = _classes(factors).T
    order = np.random.default_rng(seed).permutation(len(codes))
    train, test = np.split(order, [int(0.8 * len(order))])
    options: dict[str, Any] = {"max_features": None, "min_samples_leaf": 5, "random_state": seed}
    forests = [RandomForestClassifier(trees, **options).fit(codes[train], v[train]) for v in classes]
    accuracy = np.mean([f.score(codes[test], v[test]) for f, v in zip(forests, classes, strict=True)])
    importance = np.stack([forest.feature_importances_ for forest in forests], 1)  # (L, K)
    return DCI(_concentration(importance), _concentration(importance.T), float(accuracy))


def sap(codes: Codes, factors: Factors, *, seed: int = 0) -> float:
    """Mean over factors of the gap between the two codes that predict it best on their own (Kumar et al., 2018).

    A code predicts a factor by a linear support-vector machine, trained on half of the rows and scored by its accuracy
    on the others (C = 0.01 and balanced classes, as in disentanglement_lib). Even a perfect code scores no more than
    the gap to guessing, and less where one number must tell several classes apart by straight cuts. A continuous factor
    is not cut: its score is the squared correlation with the code, one for a perfect one (section 3 there).

    Args:
        codes: (N, L).
        factors: (N, K).
        seed: of the halves and the machines.

    Raises:
        ValueError: a factor has one value only in the half to train on.
    """
    from sklearn.svm import LinearSVC

    codes, factors = _ordered(codes, factors)
    train, test = _halves(_classes(factors), seed)

    def predicted(z: Codes, v: Factors, continuous: bool) -> float:
        if continuous:
            return float(np.corrcoef(z, v)[0, 1] ** 2) if np.ptp(z) else 0.0
        machine = LinearSVC(C=0.01, class_weight="balanced", dual="auto", random_state=seed)
        return float(machine.fit(z[train, None], v[train]).score(z[test, None], v[test]))

    kinds = _continuous(factors)
    best = np.sort([[predicted(z, v, kind) for z in codes.T] for v, kind in zip(factors.T, kinds, strict=True)], axis=1)
    return float(np.mean(best[:, -1] - best[:, -2]))


def _continuous(factors: Factors) -> list[bool]:
    """Returns whether each factor (K,) has a value with a fraction."""
    return (factors != np.round(factors)).any(axis=0).tolist()


def _classes(factors: Factors) -> Classes:
    """Returns whole numbers (N, K): the classes of a factor, the bins of a continuous one."""
    kinds = _continuous(factors)
    parts = [_quantile(v) if kind else v.astype(np.int64) for v, kind in zip(factors.T, kinds, strict=True)]
    return np.stack(parts, 1)


def _quantile(values: NDArray[Any]) -> Classes:
    edges = np.quantile(values, np.linspace(0, 1, QUANTILES + 1)[1:-1])
    return np.searchsorted(edges, values, side="right")


def _concentration(importance: NDArray[np.float64]) -> float:
    """Returns 1 - entropy of each row (base: its length), weighted by the row's share; 0 where no tree has split."""
    totals = importance.sum(1, keepdims=True)
    if not totals.any():
        return 0.0
    shares = np.divide(importance, totals, out=np.full_like(importance, 1 / importance.shape[1]), where=totals > 0)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    concentrated = 1 + (shares * logs).sum(1) / np.log(importance.shape[1])
    return float(np.average(concentrated, weights=totals.squeeze(1)))


def _halves(factors: Classes, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the rows that SAP is trained on and those that it is scored on."""
    train, test = np.split(np.random.default_rng(seed).permutation(len(factors)), [len(factors) // 2])
    for k, v in enumerate(factors.T):
        if len(np.unique(v[train])) < 2:
            raise ValueError(
                f"factors: column {k} has one value only in the {len(train)} of {len(factors)} rows that SAP is "
                "trained on; use more rows, or leave it out"
            )
    return train, test


def _ordered(codes: Codes, factors: Factors) -> tuple[Codes, Factors]:
    order = np.lexsort([*codes.T, *factors.T])
    return codes[order], factors[order]
