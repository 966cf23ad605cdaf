"""What is exported runs without prioria, on any number of rows, and equals the model."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from prioria import VAE, likelihoods, nets, posteriors, priors, stages, starts
from prioria.export import export

INPUTS = 6
HAS_ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime", "onnxscript"))
needs_onnx = pytest.mark.skipif(not HAS_ONNX, reason="the extra onnx is not installed")


def vamp() -> VAE:
    encoder, posterior = nets.GatedMLP(INPUTS, 8, gated_output=True), posteriors.Gaussian(8, 2)
    prior = priors.VampPrior(encoder, posterior, components=5, inputs=INPUTS)
    likelihood = likelihoods.Bernoulli(nets.GatedMLP(2, 8, INPUTS))
    return VAE(encoder=encoder, posterior=posterior, prior=prior, likelihood=likelihood)


def two_level() -> VAE:
    groups = stages.TwoLevel(
        prior=priors.StandardNormal(2), posterior=posteriors.Gaussian(8, 2), features=8, latents=(2, 3), hidden=4
    )
    return VAE(
        encoder={name: nets.GatedMLP(INPUTS, 8, gated_output=True) for name in groups},
        stages=groups,
        likelihood=likelihoods.Gaussian(nets.GatedMLP(5, 8, INPUTS), variance="global"),
    )


def graph(edges: list[tuple[str, str]] | None = (("z3", "z1"),)) -> VAE:
    """Gates, fused posteriors and batch normalization with moments of its own."""
    nodes = stages.DependencyGraph(nodes=3, latents=2, features=7, hidden=9, batch_norm=True, edges=edges)
    model = VAE(
        encoder=nets.MLP(INPUTS, 9, 7, activate_output=True, batch_norm=True),
        stages=nodes,
        likelihood=likelihoods.Bernoulli(nets.MLP(6, 9, INPUTS, batch_norm=True)),
    )
    for _ in range(3):
        model.draw(torch.rand(20, INPUTS))
    return model.eval()


def ladder(activation: str = "softplus") -> VAE:
    widths = {"z2": 7, "z1": 8}
    return VAE(
        encoder=nets.BottomUp(INPUTS, widths, activation=activation, activate_output=True),
        stages=stages.Ladder({"z2": 3, "z1": 4}, widths, hidden=9),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(4, INPUTS)),
    )


def table() -> VAE:
    """The model that a table with holes begins at: classes, and full covariances of what is missing."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(40, 3)) @ generator.normal(size=(3, 3))
    schema = {"columns": [{"name": f"x{d}", "kind": "real"} for d in range(3)]}
    return starts.build(starts.mixture(x[:30], x[30:], schema, classes=(1, 2), budget=1e7), hidden=4, full=True)


MODELS = {"VampPrior": vamp, "two-level": two_level, "dependency graph": graph, "ladder": ladder}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> VAE:
    return MODELS[request.param]()


def expected(model: VAE, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Mean and log-variance of the top group, from its own modules, then the means of the groups below."""
    name, *below = model.groups
    stage, features = model.stages[name], model.encoder_of(name)(x)
    features = features[name] if isinstance(features, dict) else features
    top = stage.q(features if getattr(stage, "bottom_up", None) is None else stage.bottom_up(features))
    means = {f"{group}_mean": model.encode(x, group) for group in below}
    return {f"{name}_mean": top.mean, f"{name}_log_variance": 2 * top.stddev.log(), **means}


@pytest.mark.slow
@torch.no_grad()
def test_programs_equal_the_model_on_another_number_of_rows(model: VAE, tmp_path: Path):
    export(model, torch.rand(4, INPUTS), tmp_path, onnx=False)
    x = torch.rand(9, INPUTS)
    outputs = torch.export.load(tmp_path / "encoder.pt2").module()(x)
    names = [f"{group}_{what}" for group in model.groups for what in ("mean", "log_variance")]
    found, wanted = dict(zip(names, outputs, strict=True)), expected(model, x)
    torch.testing.assert_close({name: found[name] for name in wanted}, wanted, rtol=1e-5, atol=1e-5)
    z = dict(zip(model.groups, outputs[::2], strict=True))
    (mean,) = torch.export.load(tmp_path / "decoder.pt2").module()(*z.values())
    torch.testing.assert_close(mean, model.decode(z).mean, rtol=1e-5, atol=1e-5)


def test_programs_of_another_model_do_not_stay_beside_these(tmp_path: Path):
    for name in ("decoder.onnx", "encoder.onnx", "notes.onnx"):
        (tmp_path / name).touch()
    export(vamp(), torch.rand(4, INPUTS), tmp_path, onnx=False)
    mine = ["decoder.pt2", "encoder.pt2", "export.json", "notes.onnx", "sampler.pt2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == mine


@pytest.mark.slow
@torch.no_grad()
def test_the_encoder_of_a_table_gives_classes_and_factors_of_rows_with_holes(tmp_path: Path):
    model, x = table(), torch.randn(9, 3)
    x[::2, 1] = torch.nan
    x[3] = torch.nan
    export(model, x[:4], tmp_path, onnx=False)
    outputs = torch.export.load(tmp_path / "encoder.pt2").module()(x)
    for group, (mean, log_variance) in zip("cz", zip(outputs[::2], outputs[1::2], strict=True), strict=True):
        q = next(q for name, q, _ in model.at_means(x) if name == group)
        torch.testing.assert_close(mean, model.encode(x, group), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(log_variance, q.variance.log().reshape(log_variance.shape), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@needs_onnx
@torch.no_grad()
def test_onnx_equals_the_model_on_another_number_of_rows(model: VAE, tmp_path: Path):
    import onnxruntime

    paths = export(model, torch.rand(4, INPUTS), tmp_path)
    names = {f"{part}.{suffix}" for part in ("decoder", "encoder", "sampler") for suffix in ("onnx", "pt2")}
    assert {path.name for path in paths} == names | {"export.json"}
    encoder, decoder = (onnxruntime.InferenceSession(tmp_path / f"{name}.onnx") for name in ("encoder", "decoder"))
    x = torch.rand(9, INPUTS)
    found = dict(zip((o.name for o in encoder.get_outputs()), encoder.run(None, {"x": x.numpy()}), strict=True))
    for name, wanted in expected(model, x).items():
        np.testing.assert_allclose(found[name], wanted, rtol=1e-5, atol=1e-5)
    z = {group: found[f"{group}_mean"] for group in model.groups}
    (mean,) = decoder.run(["x_mean"], z)
    wanted = model.decode({group: torch.from_numpy(value) for group, value in z.items()}).mean
    np.testing.assert_allclose(mean, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@needs_onnx
@torch.no_grad()
def test_a_fused_model_in_double_precision_stays_in_it(tmp_path: Path):
    import onnxruntime

    model = ladder("relu").double()  # onnxruntime has no softplus of double precision
    x = torch.rand(5, INPUTS, dtype=torch.float64)
    export(model, x, tmp_path)
    (mean,) = onnxruntime.InferenceSession(tmp_path / "encoder.onnx").run(["z1_mean"], {"x": x.numpy()})
    np.testing.assert_allclose(mean, model.encode(x, "z1"), rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_an_operator_that_onnxruntime_lacks_in_double_precision_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"Softplus.*export model\.float\(\)"):
        export(ladder().double(), torch.rand(5, INPUTS, dtype=torch.float64), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_mode_of_the_model_is_left_as_it_was(tmp_path: Path):
    model = vamp().train()
    model.likelihood.eval()
    export(model, torch.rand(2, INPUTS), tmp_path, onnx=False)
    assert model.training and not model.likelihood.training


def test_a_flow_has_no_deterministic_encoder(tmp_path: Path):
    model = VAE(
        encoder=nets.GatedMLP(INPUTS, 8, gated_output=True),
        posterior=posteriors.IAF(8, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 8, INPUTS)),
    )
    with pytest.raises(ValueError, match="group 'z' has a posterior without a closed mean"):
        export(model, torch.rand(2, INPUTS), tmp_path, onnx=False)
    assert list(tmp_path.iterdir()) == []


def test_gates_that_are_still_random_have_no_deterministic_encoder(tmp_path: Path):
    with pytest.raises(ValueError, match="freeze_gates"):
        export(graph(edges=None), torch.rand(2, INPUTS), tmp_path, onnx=False)


class Branching(nets.MLP):
    """Its program depends on values, so no trace of it holds for others."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x if x.sum() > 0 else -x)


def test_what_torch_cannot_export_is_one_line(tmp_path: Path):
    model = VAE(
        encoder=nets.GatedMLP(INPUTS, 8, gated_output=True),
        posterior=posteriors.Gaussian(8, 2),
        prior=priors.StandardNormal(2),
        likelihood=likelihoods.Bernoulli(Branching(2, 8, INPUTS)),
    )
    with pytest.raises(ValueError, match="torch cannot export it .*data-dependent") as refused:
        export(model, torch.rand(3, INPUTS), tmp_path, onnx=False)
    assert "\n" not in str(refused.value) and list(tmp_path.iterdir()) == []


def test_a_single_row_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="x has 1 rows"):
        export(vamp(), torch.rand(1, INPUTS), tmp_path, onnx=False)


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"onnx, onnxruntime, onnxscript missing; pip install 'prioria\[onnx\]'"):
        export(vamp(), torch.rand(2, INPUTS), tmp_path)
