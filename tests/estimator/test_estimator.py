"""The scikit-learn estimator: its own checks, and densities that are densities."""

import itertools

import numpy as np
import pandas as pd
import pytest
from palmerpenguins import load_penguins
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from prioria.estimator import VAEEstimator

FAST = {"epochs": 5, "hidden": 8, "num_samples": 20, "random_state": 0}


@pytest.fixture(scope="module")
def iris() -> np.ndarray:
    return load_iris(return_X_y=True)[0]


@parametrize_with_checks([VAEEstimator(**FAST), VAEEstimator(pseudo_inputs=3, **FAST)])
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)


@pytest.mark.slow
def test_the_density_of_real_values_integrates_to_one_in_their_own_units():
    x = np.random.default_rng(0).normal(loc=300.0, scale=20.0, size=(200, 1))
    estimator = VAEEstimator(1, epochs=50, num_samples=5000, random_state=0).fit(x)
    grid = np.linspace(150.0, 450.0, 301)
    density = np.exp(estimator.score_samples(grid[:, None]))
    assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("pseudo_inputs", [None, 20])
def test_scores_are_finite_and_fall_with_the_distance_from_ten_to_a_million_deviations(pseudo_inputs):
    rng = np.random.default_rng(0)
    estimator = VAEEstimator(epochs=20, pseudo_inputs=pseudo_inputs, random_state=0).fit(rng.normal(size=(500, 6)))
    distances = np.array([1, 10, 30, 100, 300, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6])
    for direction in [np.ones(6), -np.ones(6), np.eye(6)[0], rng.normal(size=6)]:
        scores = estimator.score_samples(np.outer(distances, direction / np.linalg.norm(direction)))
        assert np.isfinite(scores).all() and (np.diff(scores) < 0).all()


def test_a_feature_that_never_varies_counts_as_of_deviation_one():
    x = np.column_stack([np.random.default_rng(0).normal(size=30), np.full(30, 0.1)])
    assert x.std(0)[1] > 0  # of rounding alone: 0.1 is no binary fraction
    assert VAEEstimator(**FAST).fit(x).scaler_.scale_[1] == 1.0


@pytest.mark.slow
def test_the_probabilities_of_all_bits_sum_to_one():
    rng = np.random.default_rng(0)
    x = rng.random((300, 1)).round() * np.array([1, 1, 0, 0]) + rng.random((300, 4)).round() * np.array([0, 0, 1, 1])
    estimator = VAEEstimator(epochs=100, num_samples=2000, random_state=0).fit(x)
    every = np.array(list(itertools.product([0.0, 1.0], repeat=4)))
    probability = np.exp(estimator.score_samples(every))
    assert probability.sum() == pytest.approx(1.0, abs=0.02)
    first_two_differ = every[:, 0] != every[:, 1]  # never seen: the first two bits of a training row are one bit
    assert probability[first_two_differ].sum() < 0.25


@pytest.mark.slow
def test_training_on_iris_beats_a_diagonal_gaussian(iris):
    train, test = iris[::2], iris[1::2]
    independent = -0.5 * np.log(2 * np.pi * train.var(0)) - (test - train.mean(0)) ** 2 / (2 * train.var(0))
    assert (
        VAEEstimator(hidden=(64, 32), epochs=400, random_state=0).fit(train).score(test)
        > independent.sum(1).mean() + 0.5
    )


@pytest.mark.slow
def test_rows_are_decoded_and_drawn_in_their_own_units(iris):
    estimator = VAEEstimator(epochs=200, random_state=0).fit(iris)
    error = np.abs(estimator.inverse_transform(estimator.transform(iris)) - iris).mean(0)
    assert (error < 0.8 * np.abs(iris - iris.mean(0)).mean(0)).all()
    drawn = estimator.sample(2000, random_state=1)
    assert drawn.mean(0) == pytest.approx(iris.mean(0), abs=0.5)
    assert drawn.std(0) == pytest.approx(iris.std(0), rel=0.5)


def test_an_integer_seed_repeats_everything(iris):
    twins = [VAEEstimator(epochs=3, random_state=7).fit(iris) for _ in range(2)]
    for results in ([t.transform(iris) for t in twins], [t.score_samples(iris) for t in twins]):
        np.testing.assert_array_equal(*results)
    np.testing.assert_array_equal(*(t.sample(5, random_state=3) for t in twins))
    assert not np.array_equal(twins[0].sample(5, random_state=3), twins[0].sample(5, random_state=4))


def test_it_goes_into_a_pipeline_and_a_grid_search(iris):
    pipeline = make_pipeline(MinMaxScaler(), VAEEstimator(**FAST))
    search = GridSearchCV(pipeline, {"vaeestimator__n_components": [1, 2]}, cv=2).fit(iris)
    assert search.best_estimator_.transform(iris).shape == (150, search.best_params_["vaeestimator__n_components"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_components": 0}, "n_components=0"),
        ({"epochs": 0}, "epochs=0"),
        ({"epochs": 1.5}, "epochs=1.5 must be a whole number"),
        ({"hidden": 8.5}, "hidden=8.5 must be a whole number"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"pseudo_inputs": -2}, "pseudo_inputs=-2"),
        ({"hidden": 0}, "hidden=0"),
        ({"hidden": ()}, r"hidden=\(\)"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"likelihood": "poisson"}, "likelihood='poisson'"),
        ({"likelihood": "bernoulli"}, "other than 0 and 1"),
    ],
)
def test_bad_options_name_themselves(iris, options, message):
    with pytest.raises(ValueError, match=message):
        VAEEstimator(**options).fit(iris)


def test_a_width_may_be_numpys(iris):
    estimator = VAEEstimator(**(FAST | {"hidden": np.int64(8)})).fit(iris)
    assert estimator.transform(iris[:3]).shape == (3, 2)


def test_values_without_a_density_are_refused():
    bits = np.random.default_rng(0).integers(0, 2, (30, 3))
    with pytest.raises(ValueError, match="binarize the rows"):
        VAEEstimator(**FAST).fit(bits).score_samples(bits + 0.5)


def test_few_rows_without_a_density_are_minus_infinity_and_stop_no_others():
    """As in the command: a word that occurs twice among bits."""
    bits = np.random.default_rng(0).integers(0, 2, (30, 3))
    estimator = VAEEstimator(**FAST).fit(bits)
    other = bits.copy()
    other[[3, 7], 1] = 2, -1
    with pytest.warns(UserWarning, match=r"X\[3\] is one of 2 rows without a finite score: -inf"):
        found = estimator.score_samples(other)
    kept = np.delete(np.arange(30), [3, 7])
    assert (found[[3, 7]] == -np.inf).all()
    np.testing.assert_array_equal(found[kept], estimator.score_samples(bits)[kept])


@pytest.fixture(scope="module")
def penguins() -> pd.DataFrame:
    return load_penguins()


@pytest.fixture(scope="module")
def mixed(penguins) -> VAEEstimator:
    return VAEEstimator(**FAST).set_output(transform="pandas").fit(penguins)


def test_mixed_columns_with_holes_come_out_as_they_went_in(mixed, penguins):
    z = mixed.transform(penguins)
    assert list(z) == ["vaeestimator0", "vaeestimator1"] and z.index.equals(penguins.index) and z.notna().all().all()
    drawn = mixed.sample(50, random_state=0)
    assert list(drawn) == list(penguins) and set(drawn["species"]) <= set(penguins["species"])
    assert set(mixed.inverse_transform(z)["sex"]) <= {"male", "female"}
    assert np.isfinite(mixed.score_samples(penguins)).all()


def test_mixed_columns_are_matched_by_name_and_strange_rows_score_low(mixed, penguins):
    whole = mixed.score_samples(penguins.head(20))
    np.testing.assert_allclose(mixed.score_samples(penguins.head(20)[list(penguins)[::-1]]), whole)
    strange = penguins.head(20).copy()
    strange["bill_length_mm"] = strange["bill_length_mm"].astype(float)
    strange.loc[5, "bill_length_mm"] = 400.0
    assert mixed.score_samples(strange).argmin() == 5
    with pytest.raises(ValueError, match="species"):
        mixed.score_samples(penguins.drop(columns="species"))


def test_a_missing_entry_is_integrated_out(penguins):
    """Of two bits p(x_1) is the sum of p(x_1, x_2) over x_2, by the same draws of a z that the mask does not move."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.choice(["x", "y"], 80), "b": rng.choice(["u", "v"], 80)})
    table.loc[::9, "b"] = None
    estimator = VAEEstimator(**(FAST | {"num_samples": 4000})).fit(table)
    both = [estimator.score_samples(pd.DataFrame({"a": ["x"], "b": [each]})) for each in ("u", "v")]
    alone = estimator.score_samples(pd.DataFrame({"a": ["x"], "b": [None]}))
    assert np.exp(alone)[0] == pytest.approx(np.exp(both).sum(), rel=0.05)


def test_an_array_with_holes_is_a_table_too(iris):
    holes = iris.copy()
    holes[::7, 2] = np.nan
    estimator = VAEEstimator(**FAST).fit(holes)
    assert np.isfinite(estimator.score_samples(holes)).all() and estimator.transform(holes).shape == (150, 2)
    with pytest.raises(ValueError, match="likelihood='gaussian' is for complete rows"):
        VAEEstimator(likelihood="gaussian", **FAST).fit(holes)
    with pytest.raises(ValueError, match="NaN"):
        VAEEstimator(**FAST).fit(iris).transform(holes)
