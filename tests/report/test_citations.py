"""What a run is told to cite."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from prioria import data, likelihoods, module, nets, objectives, posteriors, priors, rebuilding, stages, starts, storage
from prioria.model import VAE
from prioria.report import citations, evaluation
from prioria.train.options import Options
from prioria.train.step import Step
from tests.contract.variants import MODELS

PACKAGES = (priors, posteriors, likelihoods, stages, objectives, nets, starts)
BASES = {module.Module, objectives.Objective, priors.Prior}
CLASSES = {
    module.public_name(cls)
    for package in PACKAGES
    for cls in vars(package).values()
    if isinstance(cls, type) and issubclass(cls, module.Module) and cls not in BASES
}
DATA = {f"data.{entry.protocol.name}" for entry in data.catalogue()}
OPTIMIZERS = {f"optimizer.{name}" for name in get_args(get_type_hints(Options)["optimizer"])}
STAGES = {
    "Classes": None,
    "TwoLevel": None,  # plain stages: what is cited is the prior on top
    "Ladder": "sonderby2016ladder",
    "BinaryHierarchy": "bengio2013estimating",
    "DependencyGraph": "he2019variational",
    "ConvLadder": "vahdat2020nvae",
}


def keys(text: str) -> set[str]:
    return set(re.findall(r"^@\w+\{(\w+),", text, re.MULTILINE))


@pytest.mark.parametrize("name", sorted(CLASSES | DATA | OPTIMIZERS))
def test_everything_public_has_entries_or_a_reason_why_not(name: str) -> None:
    found = citations.methods()[name]
    assert found and (isinstance(found, list) or len(found.split()) > 1)


def test_nothing_is_listed_that_does_not_exist() -> None:
    names = {name.partition("=")[0] for name in citations.methods()}
    classes = {name for name in names if name.split(".")[0] not in ("data", "optimizer", "evaluation")}
    known = CLASSES | {"model.VAE", "stage.Stage"}
    assert names - classes == DATA | OPTIMIZERS | {"evaluation.importance sampling", "evaluation.certificate"}
    for name in classes - known:
        owner, _, argument = name.rpartition(".")
        assert argument in inspect.signature(rebuilding.public_class(owner).__init__).parameters, name


def test_every_function_that_builds_stages_is_covered() -> None:
    builders = {name for name, item in vars(stages).items() if inspect.isfunction(item) and name[0].isupper()}
    assert builders == set(STAGES)
    made = {
        "Ladder": stages.Ladder({"z2": 2, "z1": 3}, {"z2": 4, "z1": 4}),
        "BinaryHierarchy": stages.BinaryHierarchy({"z1": 2, "z0": 3}),
        "DependencyGraph": dict(MODELS["dependency-graph"]().stages),
        "ConvLadder": dict(MODELS["conv-ladder-residual"]().stages),
    }
    for name, groups in made.items():
        assert {STAGES[name]} <= keys("\n".join(citations.bibtex(module.describe(each)) for each in groups.values()))


def test_keys_and_entries_match_and_every_entry_is_complete() -> None:
    entries = citations.entries()
    lists = [used for used in citations.methods().values() if isinstance(used, list)]
    assert set(entries) == {key for used in lists for key in used}
    venues = "booktitle|journal|institution|howpublished"
    for key, entry in entries.items():
        assert entry.count("{") == entry.count("}")
        for field in ("title", "author", "year", venues):
            assert re.search(rf"^  ({field}) = \{{", entry, re.MULTILINE), (key, field)
        author = re.search(r"author = \{(.*)\}", entry)[1].split(",")[0].split()[-1]
        assert key.startswith(re.sub(r"[^a-z]", "", author.replace(r"{\o}", "o").lower())[:4]), key
        assert re.search(r"year = \{(\d+)", entry)[1] in key


def step(objective: objectives.Objective) -> Step:
    model = VAE(
        encoder=nets.GatedMLP(6, 4, gated_output=True),
        posterior=posteriors.IAF(4, 2),
        prior=priors.RealNVP(2),
        likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 6)),
    )
    return Step(model, objective)


def test_a_run_cites_what_it_used_and_nothing_else(tmp_path: Path) -> None:
    description = module.describe(step(objectives.ELBO()))
    data = {"origin": None, "name": "mnist-static", "rows": {"train": 1}, "columns": 6, "digest": {"train": ""}}
    protocol = {"data": data, "options": {"epochs": 1, "optimizer": "adam"}}
    protocol |= {"prioria": "0", "torch": "0", "frozen": []}
    storage.write_sealed(tmp_path / "run.json", {"format": storage.FORMAT, "step": description} | protocol)
    own = {"kingma2014auto", "rezende2014stochastic", "kingma2015adam", "dauphin2017language"}
    flows = {"kingma2016improved", "germain2015made", "bhalodia2020dpvaes", "dinh2017density"}
    images = {"lecun1998gradient", "salakhutdinov2008quantitative", "larochelle2011neural"}
    text = citations.citations(tmp_path)
    assert keys(text) == own | flows | images
    assert text.count("\n@") == len(own | flows | images) - 1


def test_an_argument_has_a_paper_of_its_own() -> None:
    assert "higgins2017beta" in keys(citations.bibtex(module.describe(step(objectives.ELBO(beta=4.0)))))
    assert "higgins2017beta" not in keys(citations.bibtex(module.describe(step(objectives.ELBO()))))


def test_gradients_of_bits_have_the_paper_of_their_kind() -> None:
    through, score = (posteriors.Bernoulli(4, 2, straight_through=each) for each in (True, False))
    assert keys(citations.bibtex(module.describe(through))) == {"bengio2013estimating"}
    assert keys(citations.bibtex(module.describe(score))) == {"kool2019buy"}


def test_an_evaluated_run_cites_its_estimators(folder: Path) -> None:
    before = keys(citations.citations(folder / "vamp"))
    assert {"burda2016importance", "alpaydin1998optical", "tomczak2018vae"} <= before
    found = evaluation.read(folder / "vamp").to_json()
    number = found["log_likelihood"]
    gaps = dict.fromkeys(("gap", "importance_gap", "importance_gap_error", "certified"), 0.1)
    certificate = dict.fromkeys(("lower", "upper", "importance"), number) | gaps
    written = found | {"format": storage.FORMAT, "certificate": certificate}
    storage.write_sealed(folder / "vamp" / evaluation.FILE, written)
    after = keys(citations.citations(folder / "vamp"))
    assert after - before == {"neal2001annealed", "wu2017quantitative", "grosse2015sandwiching"}
