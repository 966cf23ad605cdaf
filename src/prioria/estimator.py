"""A variational autoencoder with the interface of scikit-learn: it goes into pipelines and grid searches."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import Any, no_type_check

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, DensityMixin, TransformerMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from prioria import build
from prioria.data import Dataset, Protocol, Schema, Split, infer, inspect
from prioria.distributions import log_mean_exp
from prioria.train import fit

try:
    from sklearn.utils.validation import validate_data
except ImportError as error:
    raise ImportError("prioria.estimator needs scikit-learn 1.6 or newer: pip install 'prioria[sklearn]'") from error

TILE = 2**22  # values (samples, rows, features) decoded at once: 32 MB in float64


# ClassNamePrefixFeaturesOutMixin stands first: TransformerMixin looks for its get_feature_names_out.
class VAEEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, DensityMixin, BaseEstimator):
    r"""Trains a small VAE on rows; encodes, decodes, samples, and scores them by log p(x).

    Rows of zeros and ones get a Bernoulli likelihood. All others are standardized for each feature and get a Gaussian
    likelihood with one learned variance; densities and decoded rows are in the units of the data, a feature that never
    varies counting as of deviation one. Tables with words, dates or missing values (DataFrames of mixed columns, NaN
    in an array) are read under a schema, with a head of its kind for each column (``likelihoods.Columns``): missing
    entries are left out of log p(x), columns are matched by name, and decoded and drawn rows are DataFrames with the
    names and kinds of the training data. Training runs on the CPU in float32, everything after it in float64, so that
    the answer for a row does not depend on the rows beside it.

    Args:
        n_components: dimensions of z.
        hidden: width of the gated layer of the encoder, or the widths of several; the decoder mirrors them.
        pseudo_inputs: components of a VampPrior; None for the standard normal prior.
        likelihood: "gaussian", "bernoulli", or "auto" by the values.
        epochs: passes over the training rows.
        batch_size: rows of a step.
        learning_rate: Adam's.
        validation_fraction: share of the rows by which the best weights are chosen; where it is less than one row the
            training rows are.
        num_samples: S, importance samples of a log-likelihood.
        random_state: seed of weights, order, noise and held-out rows; an integer repeats all results.

    Attributes:
        model_: the trained :class:`prioria.VAE`, of standardized rows, in float64.
        history_: training and validation lines, in nats of standardized rows.
        scaler_: the ``sklearn.preprocessing.StandardScaler`` of the rows; it leaves zeros and ones as they are. None
            where there is a schema.
        schema_: the :class:`prioria.data.Schema` of mixed columns; None for rows of numbers.
        n_features_in_: features seen by ``fit``.

    Raises:
        ValueError: on ``fit``, an option is out of range, or "bernoulli" for values other than 0 and 1.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> estimator = VAEEstimator(epochs=2, random_state=0).fit(x)
        >>> estimator.transform(x).shape, estimator.score_samples(x).shape
        ((50, 2), (50,))
        >>> import pandas as pd
        >>> table = pd.DataFrame({"height": x[:, 0], "side": np.where(x[:, 1] > 0, "left", "right")})
        >>> VAEEstimator(epochs=2, random_state=0).fit(table).sample(1, random_state=0)["side"].tolist()
        ['right']
    """

    @no_type_check  # scikit-learn wants a constructor that takes anything, also under run-time type checks; fit checks
    def __init__(
        self,
        n_components: int = 2,
        *,
        hidden: int | Sequence[int] = 64,
        pseudo_inputs: int | None = None,
        likelihood: str = "auto",
        epochs: int = 100,
        batch_size: int = 100,
        learning_rate: float = 2e-3,
        validation_fraction: float = 0.1,
        num_samples: int = 200,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.hidden = hidden
        self.pseudo_inputs = pseudo_inputs
        self.likelihood = likelihood
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.num_samples = num_samples
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> VAEEstimator:  # noqa: N803
        """Trains on rows X (N, features); ``y`` is ignored."""
        self._check_options()
        self.schema_ = self._schema(X)
        generator = check_random_state(self.random_state)
        if self.schema_ is None:
            rows: Any = validate_data(self, X, dtype=np.float64)
            self._binary = self._is_binary(rows)
            self.scaler_: Any = StandardScaler(with_mean=not self._binary, with_std=not self._binary).fit(rows)
        else:
            self._binary, self.scaler_ = False, None
        self._seed = int(generator.randint(2**31 - 1))
        data = self._dataset(self._scaled(X if self.schema_ is not None else rows).float(), generator)
        model = build.model(
            data,
            prior="standard" if self.pseudo_inputs is None else {"kind": "vamp", "components": self.pseudo_inputs},
            likelihood=self._likelihood,
            network={"kind": "gated", "hidden": self._widths},
            latents=self.n_components,
            seed=self._seed,
        )
        run = fit(
            model,
            build.objective(model),
            data,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=self._seed,
            device="cpu",
            progress=False,
        )
        self.model_, self.history_ = run.model.double(), run.history
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Returns the posterior mean of z for each row (N, n_components)."""
        x = self._rows(X)
        with torch.inference_mode():
            return torch.cat([self.model_.encode(tile) for tile in x.split(self._tile(samples=1))]).numpy()

    def inverse_transform(self, X: Any) -> Any:  # noqa: N803
        """Returns the mean of p(x|z) for rows of z (N, n_components), in the units of the data (N, features).

        Of mixed columns these are the likeliest values, a DataFrame.
        """
        check_is_fitted(self)
        z = check_array(X, dtype="float64")
        if z.shape[1] != self.n_components:
            raise ValueError(f"X has {z.shape[1]} columns, but z has {self.n_components}; give rows of transform(X)")
        with torch.inference_mode():
            px = self.model_.decode(torch.tensor(z))
            return self._unscaled(px.mean if self.schema_ is None else px.mode)

    def score_samples(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        r"""Estimates log p(x) of each row in nats (N,), in the units of the data.

        log p(x) ~ log (1/S) sum_s p(x, z_s) / q(z_s | x),  z_s = m(x) + s(x) eps_s

        (Burda, Grosse and Salakhutdinov, 2016, eq. 8). All rows share the S draws eps_s, so that the score of a row
        depends on nothing but the row. ``prioria.evaluate.log_likelihood`` on ``model_`` gives standard errors.

        Rows without a finite estimate are -inf, with a warning: values that are too large, or other than 0 and 1 for a
        Bernoulli likelihood.

        Raises:
            ValueError: half of the rows, or more, have values other than 0 and 1, and the likelihood is Bernoulli.
        """
        x = self._rows(X)
        outside = ((x != 0) & (x != 1)).any(1) & self._binary
        if 2 * int(outside.sum()) >= max(len(x), 1):
            raise ValueError("X has values other than 0 and 1, but the likelihood is Bernoulli; binarize the rows")
        x = x.masked_fill(outside[:, None], 0.0)
        noise = torch.from_numpy(
            np.random.default_rng(self._seed).normal(size=(self.num_samples, 1, self.n_components))
        )
        with torch.inference_mode():
            scores = torch.cat([self._log_likelihood(tile, noise) for tile in x.split(self._tile(self.num_samples))])
        lost = ~scores.isfinite() | outside
        scores = scores.masked_fill(lost, -torch.inf)
        if len(lost := lost.nonzero()):
            warnings.warn(f"X[{int(lost[0])}] is one of {len(lost)} rows without a finite score: -inf", stacklevel=2)
        if self._binary or self.scaler_ is None:
            return scores.numpy()
        return scores.numpy() - float(np.log(np.asarray(self.scaler_.scale_)).sum())

    def score(self, X: Any, y: Any = None) -> float:  # noqa: N803
        """Returns the mean of :meth:`score_samples`; ``y`` is ignored."""
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1, *, random_state: int | np.random.RandomState | None = None) -> Any:
        """Draws rows from the model, in the units of the data (n_samples, features); of mixed columns a DataFrame."""
        check_is_fitted(self)
        if n_samples < 1:
            raise ValueError(f"n_samples={n_samples} must be at least 1")
        seed = int(check_random_state(random_state).randint(2**31 - 1))
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            torch.default_generator.manual_seed(seed)
            return self._unscaled(self.model_.sample(n_samples))

    @property
    def _n_features_out(self) -> int:
        return self.n_components

    def _check_options(self) -> None:
        for name in ("n_components", "epochs", "batch_size", "num_samples"):
            if not _is_count(getattr(self, name)):
                raise ValueError(f"{name}={getattr(self, name)!r} must be a whole number of at least 1")
        if self.pseudo_inputs is not None and not _is_count(self.pseudo_inputs):
            raise ValueError(
                f"pseudo_inputs={self.pseudo_inputs!r} must be a whole number of at least 1, or None for no VampPrior"
            )
        if not self._widths or not all(map(_is_count, self._widths)):
            raise ValueError(f"hidden={self.hidden!r} must be a whole number of at least 1, or one or more such widths")
        if not 0 <= self.validation_fraction < 1:
            raise ValueError(f"validation_fraction={self.validation_fraction} must be at least 0 and less than 1")
        if self.likelihood not in ("auto", "gaussian", "bernoulli"):
            raise ValueError(f"likelihood={self.likelihood!r} is unknown; use 'auto', 'gaussian' or 'bernoulli'")

    @property
    def _widths(self) -> tuple[Any, ...]:
        return tuple(np.atleast_1d(self.hidden).tolist())

    def _is_binary(self, rows: NDArray) -> bool:
        bits = _kind(rows) == "binary"
        if self.likelihood == "bernoulli" and not bits:
            raise ValueError("likelihood='bernoulli' but X has values other than 0 and 1; use 'gaussian' or binarize")
        return self.likelihood == "bernoulli" or (self.likelihood == "auto" and bits)

    def _schema(self, X: Any) -> Schema | None:  # noqa: N803
        """The schema of a table of words, dates or missing values; None for rows of numbers."""
        if not _is_mixed(X):
            return None
        if self.likelihood != "auto":
            raise ValueError(
                f"likelihood={self.likelihood!r} is for complete rows of numbers, and X has words or missing values; "
                "leave it at 'auto', or fill them in"
            )
        frame = self._frame(X, reset=True)
        if len(frame) < 2:
            raise ValueError(f"X has {len(frame)} sample (shape={frame.shape}); at least 2 are needed")
        schema = infer(frame, labels="")
        if out := [column.name for column in schema.columns if column.role != "feature"]:
            warnings.warn(f"X: columns that hold no numbers, categories or more than one value: {out}", stacklevel=3)
        return schema

    def _frame(self, X: Any, *, reset: bool) -> Any:  # noqa: N803
        """X as a DataFrame; after fit with the columns of the training table, by their names where it has names."""
        import pandas as pd

        if not isinstance(X, pd.DataFrame):
            rows: Any = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=reset)
            return pd.DataFrame(rows, columns=[f"x{number}" for number in range(rows.shape[1])])
        known = getattr(self, "feature_names_in_", None)
        if not reset and known is not None and set(known) <= set(X):
            X = X[list(known)]  # noqa: N806
        checked: Any = X
        validate_data(self, checked, skip_check_array=True, reset=reset)
        return X

    @property
    def _likelihood(self) -> Any:
        if self.schema_ is not None:
            return "columns"
        return "bernoulli" if self._binary else {"kind": "gaussian", "variance": "global"}

    def _dataset(self, x: Tensor, generator: np.random.RandomState) -> Dataset:
        kind, legal = ("binary", "Bernoulli") if self._binary else ("continuous", "Gaussian")
        if self.schema_ is not None:
            kind, legal = "columns", "Columns"
        protocol = Protocol(
            name="X",
            title="X",
            shape=tuple(x.shape[1:]),
            kind=kind,  # pyright: ignore[reportArgumentType]
            binarization="none",
            likelihoods=(legal,),
            split="random",
            source="the user's own data",
            schema=self.schema_,
        )
        held_out = int(self.validation_fraction * len(x))
        order = generator.permutation(len(x))
        train = Split(x[order[held_out:]], None, protocol)
        validation = Split(x[order[:held_out]], None, protocol) if held_out else train
        return Dataset(protocol, train, validation, validation)

    def _rows(self, X: Any) -> Tensor:  # noqa: N803
        check_is_fitted(self)
        if self.schema_ is not None:
            return self._scaled(self._frame(X, reset=False))
        rows: Any = validate_data(self, X, dtype=np.float64, reset=False)
        return self._scaled(rows)

    def _scaled(self, rows: Any) -> Tensor:
        if self.schema_ is None:
            return torch.from_numpy(self.scaler_.transform(rows))
        frame = rows if hasattr(rows, "columns") else self._frame(rows, reset=False)
        return torch.from_numpy(self.schema_.encode(frame)).double()

    def _unscaled(self, x: Tensor) -> Any:
        return self.scaler_.inverse_transform(x.numpy()) if self.schema_ is None else self.schema_.decode(x.numpy())

    def _tile(self, samples: int) -> int:
        return max(1, TILE // (samples * self.n_features_in_))  # pyright: ignore[reportAttributeAccessIssue]

    def _log_likelihood(self, x: Tensor, noise: Tensor) -> Tensor:
        condition = self.model_.condition(x)
        _, q = condition.top
        z = q.mean + q.stddev * noise
        return log_mean_exp(condition.draw(self.num_samples, given={"z": z}).log_w, 0)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64"]
        tags.input_tags.allow_nan = True
        return tags


def _kind(rows: NDArray) -> str:
    found: Any = inspect(rows)  # an array, no table
    return found.kind


def _is_mixed(X: Any) -> bool:  # noqa: N803
    """Whether X is a DataFrame with columns of other than numbers, or numbers of which some are NaN."""
    dtypes = getattr(X, "dtypes", None)
    if hasattr(X, "columns") and dtypes is not None:
        return any(getattr(each, "kind", "O") not in "biuf" for each in dtypes) or bool(X.isna().to_numpy().any())
    try:
        rows = np.asarray(X)
    except ValueError:
        return False  # of several lengths: what is wrong with them scikit-learn says
    return rows.dtype.kind == "f" and bool(np.isnan(rows).any())


def _is_count(value: Any) -> bool:
    return isinstance(value, Integral) and int(value) >= 1
