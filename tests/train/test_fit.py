"""What fit promises: the best weights, the caller's randomness, and no files unless asked for."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor, nn

from prioria import VAE, likelihoods, objectives, posteriors, priors
from prioria.train import Run, fit, resume
from prioria.train.run import read_specification, write_specification
from tests.train.small import OPTIONS, digits, elbo, exact, replace_rows, vamp


def train(model: VAE, objective: objectives.Objective, **options: object) -> Run:
    return fit(model, objective, digits(), **(OPTIONS | options))


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(value.equal(other[name]) for name, value in one.items())


class Scripted(objectives.ELBO):
    """Misses what is demanded by the numbers given, one for each validation, and keeps the weights it was shown."""

    def __init__(self, model: VAE, violations: list[float]) -> None:
        super().__init__()
        self.script, self.shown, self.watched = iter(violations), [], (model,)

    def violation(self, terms: dict[str, Tensor]) -> float:
        self.shown.append(state(self.watched[0]))
        return next(self.script)


def test_the_model_ends_with_the_weights_that_miss_the_demand_least() -> None:
    model = vamp()
    objective = Scripted(model, [3.0, 0.5, 2.0, 1.0])
    run = train(model, objective)
    assert run.best is not None and run.best["epoch"] == 2
    assert [line["best"] for line in run.history if line["split"] == "validation"] == [True, True, False, False]
    assert same(state(model), objective.shown[1]) and not same(state(model), objective.shown[3])


def test_among_those_that_meet_it_the_least_loss_wins() -> None:
    model = vamp()
    run = train(model, Scripted(model, [0.0, -5.0, 0.0, 0.0]))
    losses = {line["epoch"]: line["selection"] for line in run.history if line["split"] == "validation"}
    assert run.best is not None and run.best["epoch"] == min(losses, key=losses.__getitem__) == 4


def test_validation_is_the_bound_over_all_rows() -> None:
    model, decoder, rows = exact()  # with the exact posterior log_w is log p(x) whatever z is
    run = fit(model, objectives.ELBO(), rows, epochs=1, batch_size=7, learning_rate=1e-30, progress=False)
    w = decoder.weight.detach().double().numpy()
    marginal = multivariate_normal(np.zeros(3), w @ w.T + 0.25 * np.eye(3))
    expected = -marginal.logpdf(rows.validation.tensor().double().numpy()).mean()
    assert run.best is not None
    assert run.best["loss"] == pytest.approx(expected, rel=1e-5)
    assert run.best["selection"] == pytest.approx(expected, rel=1e-5)


def test_training_means_are_over_all_steps_since_the_last_line() -> None:
    model, decoder, rows = exact()
    rows = replace(rows, train=replace_rows(rows.train, 156))  # four batches of 39
    run = fit(model, objectives.ELBO(), rows, epochs=1, batch_size=40, learning_rate=1e-30, log_every=3, progress=False)
    lines = [line for line in run.history if line["split"] == "train"]
    assert [line["step"] for line in lines] == [3, 4]
    w = decoder.weight.detach().double().numpy()
    marginal = multivariate_normal(np.zeros(3), w @ w.T + 0.25 * np.eye(3))
    expected = -marginal.logpdf(rows.train.tensor().double().numpy()).mean()
    assert (3 * lines[0]["loss"] + lines[1]["loss"]) / 4 == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_training_ends_at_the_maximum_of_the_likelihood() -> None:
    model, decoder, rows = exact()
    x = rows.train.tensor().double().numpy()
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    rows = replace(rows, validation=rows.train)
    fit(
        model,
        objectives.ELBO(),
        rows,
        epochs=400,
        batch_size=160,
        learning_rate=0.2,
        schedule="cosine",
        progress=False,
    )
    w = decoder.weight.detach().double().numpy()
    expected = (values[-1] - 0.25) * np.outer(vectors[:, -1], vectors[:, -1])  # Tipping and Bishop, 1999, equation 7
    np.testing.assert_allclose(w @ w.T, expected, atol=1e-3)


def test_the_same_seed_gives_the_same_weights_and_logging_changes_nothing(tmp_path: Path) -> None:
    one = train(vamp(), elbo()).model
    other = train(vamp(), elbo(), log_every=1, out=tmp_path / "run", checkpoint_every="1 step").model
    third = train(vamp(), elbo(), seed=1).model
    assert same(state(one), state(other)) and not same(state(one), state(third))


def test_random_numbers_of_the_caller_are_left_alone() -> None:
    torch.manual_seed(1), np.random.seed(2)
    model = vamp()
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    train(model, elbo("1 epoch"), epochs=1)
    assert torch.get_rng_state().equal(before[0]) and (np.random.get_state()[1] == before[1]).all()
    random.seed(0)


def test_nothing_is_written_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert train(vamp(), elbo("1 epoch"), epochs=1).path is None
    assert not list(tmp_path.iterdir())


def test_a_run_is_not_overwritten_unless_told(tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    train(vamp(), elbo("1 epoch"), out=out, epochs=1)
    before = (out / "metrics.jsonl").read_bytes()
    with pytest.raises(ValueError, match="holds a run.*resume=True or overwrite=True"):
        train(vamp(), elbo("1 epoch"), out=out, epochs=1)
    assert (out / "metrics.jsonl").read_bytes() == before
    train(vamp(), elbo(), out=out, epochs=2, overwrite=True)
    assert len(Run.load(out, data=digits()).history) == 7 and (out / "notes.txt").read_text() == "mine"


def test_a_run_is_read_back(tmp_path: Path) -> None:
    run = train(vamp(), elbo(), out=tmp_path / "run")
    again = Run.load(tmp_path / "run", data=digits())
    assert same(state(run.model), state(again.model))
    assert again.history == run.history and again.best == run.best
    with pytest.raises(ValueError, match="data: this run was trained on 'digits' handed over in memory"):
        _ = Run.load(tmp_path / "run").data
    with pytest.raises(ValueError, match="is not what the run was trained on"):
        _ = Run.load(tmp_path / "run", data=digits(100)).data


def test_data_are_found_again_by_name(tmp_path: Path) -> None:
    fit(vamp(), elbo("1 epoch"), "digits", epochs=0, out=tmp_path / "run", progress=False)
    run = resume(tmp_path / "run", epochs=1, progress=False)
    assert run.data.name == "digits" and len(run.data.train) == 1297
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))


def test_going_on_with_another_model_is_refused(tmp_path: Path) -> None:
    train(vamp(), elbo("1 epoch"), out=tmp_path / "run", epochs=1)
    with pytest.raises(ValueError, match="^objective="):
        train(vamp(), objectives.ELBO(beta=2.0), out=tmp_path / "run", epochs=2, resume=True)
    with pytest.raises(ValueError, match="^learning_rate="):
        train(vamp(), elbo("1 epoch"), out=tmp_path / "run", epochs=2, resume=True, learning_rate=1e-4)


class Doubled(nn.Module):
    """A module that is not prioria's."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 12)

    def forward(self, x: Tensor) -> Tensor:
        return 2 * self.layer(x)


def foreign() -> VAE:
    torch.manual_seed(5)
    likelihood = likelihoods.Bernoulli(nn.Linear(2, 64))
    return VAE(
        encoder=Doubled(), posterior=posteriors.Gaussian(12, 2), prior=priors.StandardNormal(2), likelihood=likelihood
    )


def test_foreign_modules_are_handed_over_again(tmp_path: Path) -> None:
    whole = train(foreign(), elbo())
    train(foreign(), elbo(), out=tmp_path / "one", epochs=2)
    train(foreign(), elbo(), out=tmp_path / "two", epochs=2)
    with pytest.raises(ValueError, match="model.encoder"):
        resume(tmp_path / "one", data=digits(), progress=False)
    parts = {"encoder": Doubled(), "model.likelihood.net": nn.Linear(2, 64)}  # within the model, and within the run
    one = resume(tmp_path / "one", epochs=4, modules=parts, data=digits(), progress=False)
    two = train(foreign(), elbo(), out=tmp_path / "two", resume=True)
    assert same(state(whole.model), state(one.model)) and same(state(whole.model), state(two.model))


@pytest.mark.parametrize(("warmup", "patience", "last"), [("5 epochs", 1, 6), ("5 epochs", 3, 8), (None, 2, 3)])
def test_patience_counts_from_the_end_of_warm_up(warmup: str | None, patience: int, last: int) -> None:
    model = vamp()
    objective = Scripted(model, [1.0] + [2.0] * 20)
    objective.ramp = objectives.ELBO(warmup=warmup).ramp
    assert train(model, objective, epochs=20, patience=patience).history[-1]["epoch"] == last


@pytest.mark.parametrize("extra", [0, 1])
def test_patience_counts_from_the_epoch_after_the_last_step_of_warm_up(extra: int) -> None:
    model = vamp()
    steps = len(train(model, objectives.ELBO(), epochs=1, log_every=1).history) - 1  # and a line of validation
    objective = Scripted(model, [1.0] + [2.0] * 20)
    objective.ramp = objectives.ELBO(warmup=f"{3 * steps + extra} steps").ramp
    assert train(model, objective, epochs=20, patience=1).history[-1]["epoch"] == 4 + extra


def test_bf16_trains_the_networks_and_keeps_densities_in_float32() -> None:
    seen: set[torch.dtype] = set()

    class Spying(objectives.ELBO):
        def forward(self, draw: object, progress: objectives.Progress | None = None) -> objectives.Loss:
            seen.update({draw.log_w.dtype, draw.z["z"].dtype})  # type: ignore[attr-defined]
            return super().forward(draw, progress)  # type: ignore[arg-type]

    class Watched(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            y = super().forward(x)
            if self.training and torch.is_grad_enabled():  # neither the look before the first step nor validation
                outputs.add(y.dtype)
            return y

    outputs: set[torch.dtype] = set()
    model = VAE(
        encoder=Watched(64, 12),
        posterior=posteriors.Gaussian(12, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Bernoulli(nn.Linear(2, 64)),
    )
    train(model, Spying(), precision="bf16", epochs=1)
    assert outputs == {torch.bfloat16} and seen == {torch.float32}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    outputs.clear()
    train(model, objectives.ELBO(), epochs=1)  # the choice of one run does not stay for the next
    assert outputs == {torch.float32}


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "metrics.jsonl",
            '{"split": "tra',
            "digest is another; bring .* back, or remove it .* --resume, without its history",
        ),
        ("run.json", '{"format": 1}', "is not a run of format"),
        ("run.json", '{"format": 3, "step": 0, "data": 0, "options": {"epochs": 1, "warp": 9}}', "digest is another"),
        ("best/model.json", '{"format": 1}', "is not a model of format"),
    ],
)
def test_a_damaged_run_is_one_line(file: str, content: str, message: str, tmp_path: Path) -> None:
    train(vamp(), elbo("1 epoch"), epochs=1, out=tmp_path, trackers=(), overwrite=True)
    (tmp_path / file).write_text(content)
    with pytest.raises(ValueError, match=message):
        Run.load(tmp_path, data=digits())


def test_a_sealed_run_with_an_unknown_option_is_one_line(tmp_path: Path) -> None:
    train(vamp(), elbo("1 epoch"), epochs=1, out=tmp_path, trackers=())
    written = read_specification(tmp_path)
    write_specification(tmp_path, written | {"options": {**written["options"], "warp": 9}})
    with pytest.raises(ValueError, match=r"run.json' has other options than a run, or is none \(warp"):
        Run.load(tmp_path, data=digits())


def test_a_run_and_its_data_are_shown_in_one_line_and_escaped_in_a_notebook() -> None:
    protocol = replace(digits().protocol, name="<i>ours", title="<i>ours")
    named = replace(digits(), protocol=protocol)
    run = Run(vamp(), named, [{"split": "validation", "epoch": 2, "loss": 31.416, "best": True}], Path("runs/a"))
    assert repr(run) == "Run(z VampPrior, <i>ours, validation loss 31.42 at epoch 2, path='runs/a')"
    assert repr(Run(vamp(), named, [])) == "Run(z VampPrior, <i>ours)"
    assert repr(named) == "Dataset('<i>ours', shape (1, 8, 8), 240 + 90 + 300 rows, grey, dynamic bits)"
    for shown in (run, named):
        assert "&lt;i&gt;ours" in shown._repr_html_() and "<i>" not in shown._repr_html_()
