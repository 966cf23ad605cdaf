"""Semantic hashing on made-up topics: files in, codes out, and retrieval against a brute-force search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse

from prioria.cli import main
from prioria.data import load
from prioria.evaluate import retrieval_precision
from prioria.hashing import hash_documents
from tests.commands.test_commands import arrays

TOPICS, WORDS, DOCUMENTS = 4, 40, 400


def corpus() -> tuple[np.ndarray, np.ndarray]:
    """Documents of 30 words, two thirds of them from the ten words of their topic."""
    rng = np.random.default_rng(0)
    topics = rng.integers(0, TOPICS, DOCUMENTS)
    own = np.repeat(np.eye(TOPICS), WORDS // TOPICS, axis=1) / (WORDS // TOPICS)
    mixture = 2 / 3 * own + 1 / 3 / WORDS
    return np.stack([rng.multinomial(30, mixture[topic]) for topic in topics]).astype(np.int32), topics


def test_codes_of_topics_retrieve_their_topic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = corpus()
    np.savez(tmp_path / "counts.npz", x=x, y=y)
    command = ["hash", str(tmp_path / "counts.npz"), "--out", str(tmp_path / "run"), "--bits", "8", "--epochs", "20"]
    with pytest.raises(SystemExit) as end:
        main([*command, "--learning-rate", "0.02", "--batch-size", "40"])
    assert not end.value.code
    found = arrays(tmp_path / "run" / "codes.npz")
    assert {name: found[name].shape for name in ("train", "validation", "test")} == {
        "train": (320, 8),
        "validation": (40, 8),
        "test": (40, 8),
    }
    assert set(np.unique(found["train"])) == {0, 1} and len(found["train_labels"]) == 320
    precision = float(capsys.readouterr().out.split("precision ")[1].split()[0])
    assert precision > 0.6  # chance is a quarter; at most 80 of the 100 nearest of 320 share a topic


def test_precision_is_that_of_a_search_over_all_orders_of_ties() -> None:
    torch.manual_seed(0)
    queries, documents = torch.rand(7, 5) < 0.5, torch.rand(30, 5) < 0.5
    wanted, labels = torch.randint(3, (7,)), torch.randint(3, (30,))
    found = retrieval_precision(queries, wanted, documents, labels, nearest=11)
    rng, sums, orders = np.random.default_rng(0), np.zeros(7), 4000
    distances = (queries[:, None] != documents).sum(-1).numpy()
    for _ in range(orders):
        order = np.lexsort((rng.random((7, 30)), distances), axis=1)[:, :11]
        sums += (labels.numpy()[order] == wanted.numpy()[:, None]).mean(1)
    np.testing.assert_allclose(found.pointwise.numpy(), sums / orders, atol=4 * 0.5 / np.sqrt(orders))
    expected = (wanted[:, None] == labels).double().mean().item()
    assert found.chance == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
def test_sparse_counts_are_read_as_they_are(kind: str, tmp_path: Path) -> None:
    x, _ = corpus()
    sparse.save_npz(tmp_path / "counts.npz", sparse.csr_matrix(x).asformat(kind))
    data = load(tmp_path / "counts.npz")
    assert data.protocol.kind == "count" and "Multinomial" in data.protocol.likelihoods
    rows = torch.cat([part.tensor() for part in (data.train, data.validation, data.test)])
    assert sorted(map(tuple, rows.int().tolist())) == sorted(map(tuple, x.tolist()))


def test_what_cannot_be_hashed_or_looked_up_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(40, 5)))
    with pytest.raises(SystemExit) as end:
        main(["hash", str(tmp_path / "rows.npy"), "--out", str(tmp_path / "run")])
    assert end.value.code == 2 and "Multinomial is not legal" in capsys.readouterr().err
    with pytest.raises(ValueError, match="save counts as int32"):
        hash_documents(corpus()[0].astype(np.uint8))
    for option in ("bits", "epochs"):  # no epoch would leave codes of random weights
        with pytest.raises(ValueError, match=f"{option}=0 must be at least 1"):
            hash_documents(corpus()[0], **{option: 0})
    codes, labels = torch.ones(3, 2, dtype=torch.bool), torch.zeros(3)
    with pytest.raises(ValueError, match="nearest=4"):
        retrieval_precision(codes, labels, codes, labels, nearest=4)
    with pytest.raises(ValueError, match="one for each code"):
        retrieval_precision(codes, labels[:2], codes, labels, nearest=1)
