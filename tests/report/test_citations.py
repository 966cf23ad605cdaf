"""What a run is told to cite."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from prioria import likelihoods, module, nets, objectives, posteriors, priors, storage
from prioria.model import VAE
from prioria.report import citations
from prioria.train.step import Step

CLASSES = {
    module.public_name(cls)
    for package in (priors, posteriors, objectives)
    for cls in vars(package).values()
    if isinstance(cls, type) and issubclass(cls, module.Module) and cls is not objectives.Objective
}


def keys(text: str) -> set[str]:
    return set(re.findall(r"^@\w+\{(\w+),", text, re.MULTILINE))


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_method_has_entries_or_is_said_to_have_none(name: str) -> None:
    assert name in citations.methods()


def test_keys_and_entries_match_and_every_entry_is_complete() -> None:
    entries = citations.entries()
    assert set(entries) == {key for used in citations.methods().values() for key in used}
    for key, entry in entries.items():
        assert entry.count("{") == entry.count("}")
        assert all(re.search(rf"^  {field} = \{{", entry, re.MULTILINE) for field in ("title", "author", "year")), key


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
    storage.write_json(tmp_path / "run.json", {"format": storage.FORMAT, "step": description})
    own = {"kingma2014auto", "rezende2014stochastic"}
    flows = {"kingma2016improved", "germain2015made", "bhalodia2020dpvaes", "dinh2017density"}
    text = citations.citations(tmp_path)
    assert keys(text) == own | flows
    assert text.count("@") == len(own | flows)


def test_an_argument_has_a_paper_of_its_own() -> None:
    assert "higgins2017beta" in keys(citations.bibtex(module.describe(step(objectives.ELBO(beta=4.0)))))
