"""evaluation.json: what it holds, and what is refused."""

import functools
import hashlib
import json
from pathlib import Path

import pytest
import torch

from prioria import Run, evaluate
from prioria.report.evaluation import FILE, POINTWISE, Evaluation, digest, read, read_pointwise
from prioria.storage import read_tensors, write_sealed, write_tensors
from tests.report.conftest import LATENTS, evaluated


def stored(folder: Path) -> dict:
    return json.loads((folder / FILE).read_text())


def test_file_says_what_was_measured_and_how(folder: Path):
    run = Run.load(folder / "vamp")
    estimate = evaluate.log_likelihood(run.model, run.data.test, num_samples=20, limit=20)
    found = stored(folder / "vamp")
    assert found["log_likelihood"]["value"] == estimate.value
    assert found["log_likelihood"]["standard_error"] == estimate.standard_error
    assert (found["log_likelihood"]["num_samples"], found["log_likelihood"]["examples"]) == (20, 20)
    assert (found["split"], found["limit"], found["data"]) == ("test", 20, "digits")
    assert found["estimator"] == estimate.estimator
    assert found["active_units"]["units"] == {"z": LATENTS}
    assert set(found["parts"]) == {"distortion", "rate"}
    assert found["elbo"]["value"] == pytest.approx(-sum(part["value"] for part in found["parts"].values()), abs=1e-4)


def test_what_is_read_is_what_was_written(folder: Path):
    found = evaluated(Run.load(folder / "vamp"))
    again = read(folder / "vamp")
    assert again.to_json() == found.to_json() | {"weights": again.weights, "rows": again.rows}
    assert again.log_likelihood == found.log_likelihood
    assert read(folder / "vamp" / FILE).to_json() == again.to_json()


def test_digest_is_that_of_the_best_weights(folder: Path):
    weights = (folder / "vamp" / "best" / "model.safetensors").read_bytes()
    assert read(folder / "vamp").weights == digest(folder / "vamp") == hashlib.sha256(weights).hexdigest()
    assert digest(folder) == ""


def test_rows_are_those_of_the_split(folder: Path):
    assert read(folder / "vamp").rows == Run.load(folder / "vamp").data.test.digest()


def test_pointwise_values_are_kept_in_the_order_of_the_split(folder: Path):
    run = Run.load(folder / "vamp")
    estimate = evaluate.log_likelihood(run.model, run.data.test, num_samples=20, limit=20)
    found = read_pointwise(folder / "vamp")
    assert found is not None
    assert torch.equal(found, estimate.pointwise)


def test_evaluation_without_pointwise_values_removes_older_ones(folder: Path):
    evaluated(Run.load(folder / "vamp")).write(folder / "vamp")
    assert read_pointwise(folder / "vamp") is None


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("log_likelihood", None, "log_likelihood: field required"),
        ("log_likelihood.value", None, "log_likelihood.value: field required"),
        ("log_likelihood.value", "high", "log_likelihood.value: input should be a valid number"),
        ("log_likelihood.num_samples", 0.5, "log_likelihood.num_samples: input should be a valid integer"),
        ("active_units.counts", [3], "active_units.counts: input should be a valid dictionary"),
        ("active_units.counts", {"z": 99}, "active_units.counts: .* does not belong to the variances"),
        ("curve", {"estimates": []}, "curve.estimates: 0 of at least 2 estimates"),
        ("certificate", {}, "certificate.lower: field required"),
        ("baselines", {"models": [{"name": 3}]}, r"baselines.models\[0\].name: input should be a valid string"),
        ("baselines", {"models": []}, "baselines.fitted: field required"),
        ("per_value", {"bits per dimension": "few"}, "per_value.bits per dimension: input should be a valid number"),
        ("surprise", 3, "surprise: no such field"),
        ("split", 3, "split: input should be a valid string"),
    ],
)
def test_damage_is_named(place: str, value: object, message: str, folder: Path):
    found = stored(folder / "vamp")
    *path, last = place.split(".")
    target = functools.reduce(dict.__getitem__, path, found)
    if value is None:
        del target[last]
    else:
        target[last] = value
    write_sealed(folder / "vamp" / FILE, {name: value for name, value in found.items() if name != "digest"})
    with pytest.raises(ValueError, match=message) as error:
        read(folder / "vamp")
    assert str(folder / "vamp" / FILE) in str(error.value)
    assert "evaluate the run again" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_number_that_is_none_is_no_json(folder: Path):
    text = (folder / "vamp" / FILE).read_text()
    (folder / "vamp" / FILE).write_text(text.replace('"value":', '"value": NaN, "other":', 1))
    with pytest.raises(ValueError, match="NaN is no number"):
        read(folder / "vamp")


def test_file_that_is_no_json_is_named(folder: Path):
    (folder / "vamp" / FILE).write_text("{")
    with pytest.raises(ValueError, match="cannot be read as JSON"):
        read(folder / "vamp")


def test_values_that_are_no_object_are_refused():
    with pytest.raises(ValueError, match="evaluation: the whole file"):
        Evaluation.from_json([1, 2])


def test_missing_file_says_how_to_make_it(tmp_path: Path):
    with pytest.raises(ValueError, match=f"prioria evaluate {tmp_path}"):
        read(tmp_path)


@pytest.mark.parametrize("damage", ["shifted", "short", "renamed", "cut off"])
def test_pointwise_values_of_another_evaluation_are_refused(damage: str, folder: Path):
    path = folder / "vamp" / POINTWISE
    values = read_tensors(path)["log_likelihood"]
    match damage:
        case "shifted":
            write_tensors(path, {"log_likelihood": values + 0.1})
        case "short":
            write_tensors(path, {"log_likelihood": values[:-1]})
        case "renamed":
            write_tensors(path, {"elbo": values})
        case "cut off":
            path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match="evaluation.safetensors"):
        read_pointwise(folder / "vamp")
