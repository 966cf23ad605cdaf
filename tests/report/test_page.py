"""Pages: what they say is in the files, nothing is fetched, and what cannot be trusted is left out."""

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from scipy.stats import ttest_rel

from prioria import Run, fit, objectives
from prioria.cli import main
from prioria.data import Dataset
from prioria.evaluate import Difference
from prioria.report import compare, report
from prioria.report.comparison import LIKELIHOOD, Compared, Comparison, paired_difference
from prioria.report.evaluation import FILE, POINTWISE, read, read_pointwise
from prioria.report.subject import Subject
from prioria.storage import FORMAT, read_sealed, write_sealed
from tests.report.conftest import evaluated, model_of

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Text and attributes of a page whose tags must all be closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    @property
    def words(self) -> str:
        return " ".join(self.text.split())

    @property
    def pictures(self) -> dict[str, str]:
        """Description of each picture -> its source."""
        return {str(attributes["alt"]): str(attributes["src"]) for tag, attributes in self.tags if tag == "img"}


@pytest.fixture(scope="module")
def page(trained: Path) -> Page:
    return Page(report(trained / "vamp", trained / "vamp.html"))


@pytest.fixture(scope="module")
def both(trained: Path) -> Page:
    compare([trained / "standard", trained / "vamp"], trained / "both.html")
    return Page(trained / "both.html")


@pytest.mark.slow
def test_nothing_is_fetched(page: Page, both: Page):
    for each in (page, both):
        names = {tag for tag, _ in each.tags}
        assert not names & {"script", "link", "iframe", "object", "embed", "base", "form"}
        sources = [v for _, attributes in each.tags for k, v in attributes.items() if k in {"src", "href", "srcset"}]
        assert sources
        assert all(str(source).startswith("data:image/") for source in sources)
        assert not re.search(r"url\(|@import|https?://", each.text)  # style sheets are text to the parser


def test_pictures_decode(page: Page):
    for source in page.pictures.values():
        medium, _, text = source.partition(";base64,")
        content = base64.b64decode(text, validate=True)
        if medium == "data:image/png":
            with Image.open(io.BytesIO(content)) as image:
                image.load()
                assert (image.width + 4) % (72 + 4) == 0
        else:
            assert ElementTree.fromstring(content).tag.endswith("svg")


def test_every_part_is_shown(page: Page, both: Page):
    parts = ["Data", "Reconstructions", "Prior samples", "Pseudo-inputs", "Latent space", "loss", "distortion", "rate"]
    assert list(page.pictures) == [f"{part} of vamp" for part in parts]
    assert set(both.pictures) == {*page.pictures, *(f"{part} of standard" for part in parts if part != "Pseudo-inputs")}


def test_numbers_are_those_of_the_evaluation_with_how_they_were_obtained(page: Page, trained: Path):
    found = read(trained / "vamp")
    for number in (found.log_likelihood, found.elbo, *found.parts.values()):
        assert number.standard_error is not None
        samples = f"{number.num_samples} sample{'s' * (number.num_samples > 1)}"
        shown = (
            f"{number.value:.2f} ± {number.standard_error:.2f}{number.estimator}, {samples}, test split, 20 examples"
        )
        assert shown in page.words
    assert f"{found.active_units.counts['z']} of 3 in z" in page.words


def test_configuration_protocol_and_version_are_there(page: Page, trained: Path):
    specification = json.loads((trained / "vamp" / "run.json").read_text())
    protocol = Run.load(trained / "vamp").data.protocol
    expected = [protocol.title, protocol.split, protocol.source, protocol.note, "VampPrior", "objectives.ELBO("]
    expected += ["components=7", f"prioria {specification['prioria']}, torch {specification['torch']}", "z: (3,)"]
    expected += [f"{option}{'none' if value is None else value}" for option, value in specification["options"].items()]
    for text in expected:
        assert " ".join(text.split()) in page.words


def test_names_are_escaped(folder: Path, tmp_path: Path):
    shutil.move(folder / "vamp", folder / "<script>a")
    written = report(folder / "<script>a", tmp_path / "page.html")
    assert "<script>" not in written.read_text()
    assert "<script>a" in Page(written).words


@pytest.mark.slow
def test_same_run_gives_the_same_page(trained: Path, tmp_path: Path):
    state = torch.get_rng_state()
    first, again = (report(trained / "vamp", tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert first == again
    assert torch.equal(torch.get_rng_state(), state)


def likelihood_of(run: Path) -> Compared:
    return Comparison((Subject.of(run),)).numbers[LIKELIHOOD][0]


def test_run_without_evaluation_says_how_to_get_one(folder: Path):
    (folder / "vamp" / FILE).unlink()
    expected = f"these weights were not evaluated: prioria evaluate {folder / 'vamp'}"
    assert likelihood_of(folder / "vamp") == Compared("", expected)


def test_evaluation_of_other_weights_is_left_out(folder: Path):
    shutil.copytree(folder / "standard" / "best", folder / "vamp" / "best", dirs_exist_ok=True)
    assert (likelihood_of(folder / "vamp").text, likelihood_of(folder / "standard").text != "") == ("", True)


@pytest.mark.slow
def test_command_says_that_a_page_has_no_numbers_also_where_they_are_of_earlier_weights(folder: Path, capsys):
    shutil.copytree(folder / "standard" / "best", folder / "vamp" / "best", dirs_exist_ok=True)
    for name, missing in (("vamp", True), ("standard", False)):
        with pytest.raises(SystemExit, match="0"):
            main(["report", str(folder / name)])
        assert ("no numbers yet" in capsys.readouterr().out) is missing


def test_weights_that_cannot_be_trusted_are_said_so(folder: Path):
    stored = read_sealed(folder / "vamp" / FILE, "an evaluation")
    for converged in (True, False):
        stored["log_likelihood"]["converged"] = converged
        write_sealed(folder / "vamp" / FILE, stored)
        assert ("not converged" in likelihood_of(folder / "vamp").note) is not converged
    stored["log_likelihood"] |= {"estimator": "annealed importance sampling", "num_samples": 16}
    write_sealed(folder / "vamp" / FILE, stored)
    note = likelihood_of(folder / "vamp").note
    assert "not converged: 16 weights" in note and "heavy-tailed" not in note  # nobody has looked at a tail


def test_difference_is_that_of_a_paired_test(both: Page, trained: Path):
    standard, vamp = (Subject.of(trained / name) for name in ("standard", "vamp"))
    found = paired_difference(vamp, standard)
    values = [subject.pointwise.numpy() for subject in (vamp, standard) if subject.pointwise is not None]
    test = ttest_rel(*values)
    assert isinstance(found, Difference)
    assert (found.value / found.standard_error, found.examples) == (pytest.approx(test.statistic), 20)
    assert found.value == pytest.approx(np.mean(values[0]) - np.mean(values[1]))
    assert f"{found.value:+.2f} ± {found.standard_error:.2f}paired over 20 examples" in both.words


def test_difference_over_a_single_example_has_no_error() -> None:
    assert str(Difference.of(torch.tensor([-88.0]), torch.tensor([-90.5]))) == "+2.50"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("limit", "other examples"),
        ("pointwise", "values of single examples were not kept"),
        ("missing", "not evaluated"),
    ],
)
def test_what_cannot_be_paired_says_why(change: str, reason: str, folder: Path):
    run = Run.load(folder / "vamp")
    match change:
        case "limit":
            evaluated(run, limit=19)
        case "pointwise":
            (folder / "vamp" / POINTWISE).unlink()
        case "missing":
            (folder / "vamp" / FILE).unlink()
    found = compare([folder / "standard", folder / "vamp"])
    assert reason in found.numbers["difference to standard (nats)"][1].note


def test_table_prints_every_run(trained: Path):
    console = Console(width=100, file=io.StringIO(), color_system=None)
    console.print(compare([trained / "standard", trained / "vamp"]))
    printed = console.file.getvalue()
    for name in ("standard", "vamp"):
        assert name in printed
        assert read(trained / name).log_likelihood.number in printed
    assert "StandardNormal" in printed


def test_runs_of_one_name_are_told_apart_by_their_paths(folder: Path):
    shutil.copytree(folder / "vamp", folder / "again" / "vamp")
    assert compare([folder / "vamp", folder / "again" / "vamp"]).names == [
        str(folder / "vamp"),
        str(folder / "again" / "vamp"),
    ]


def test_run_in_memory_needs_no_name_of_its_data(digits: Dataset, tmp_path: Path):
    own = Dataset(digits.protocol, digits.train, digits.validation, digits.test)
    run = fit(model_of(own), objectives.ELBO(), own, epochs=1, out=tmp_path / "run", progress=False)
    assert "Optical digits" in Page(report(run, tmp_path / "page.html")).words


def test_refusals(folder: Path, digits: Dataset, tmp_path: Path):
    out = tmp_path / "page.html"
    with pytest.raises(ValueError, match="nowhere"):
        report(tmp_path / "nowhere", out)
    with pytest.raises(ValueError, match="at least two"):
        compare([folder / "vamp"], out)
    with pytest.raises(ValueError, match="written to no folder"):
        report(Run(model_of(digits), digits, []), out)
    write_sealed(folder / "vamp" / FILE, {"format": FORMAT})
    with pytest.raises(ValueError, match=r"vamp/evaluation\.json: log_likelihood: field required"):
        report(folder / "vamp", out)
    assert not out.exists()
    assert read_pointwise(folder / "standard") is not None
