"""Semantic hashing: documents, given as counts of words, become binary codes that similar documents share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from prioria import likelihoods, nets, posteriors, priors
from prioria.data import Split, check_likelihood, load
from prioria.data.base import OWN
from prioria.evaluate import Retrieval, retrieval_precision
from prioria.model import VAE
from prioria.objectives import ELBO
from prioria.train import Run, fit

NEAREST = 100  # training documents that are looked up for each test document


@dataclass(frozen=True, eq=False)
class Hashing:
    """Documents as codes.

    Attributes:
        run: the trained model.
        codes: part of the data -> one code a document (N, bits).
        labels: part of the data -> labels; empty where there are none.
        precision: of looking up training documents by the codes of test documents; None without labels.
    """

    run: Run
    codes: dict[str, Bool[Tensor, "N bits"]]
    labels: dict[str, Tensor]
    precision: Retrieval | None


def semantic_hashing(
    words: int, bits: int, *, encoder_hidden: tuple[int, ...] = (), decoder_hidden: tuple[int, ...] = ()
) -> VAE:
    """Returns a model of documents as counts of words: a uniform binary code, a softmax over words.

    The theory says that an encoder linear in the counts suffices for a linear decoder: nu(x) are the counts, and
    frequencies would lose the length of a document.

    Args:
        words: size of the vocabulary; x are counts (B, words).
        bits: length of the code.
        encoder_hidden: widths of the encoder's hidden layers; none: linear on counts.
        decoder_hidden: widths of the decoder's hidden layers.
    """
    return VAE(
        encoder=nets.MLP(words, *encoder_hidden, bits, activation="leaky_relu"),
        posterior=posteriors.Bernoulli(None, bits, straight_through=False),
        prior=priors.Bernoulli(bits, uniform=True),
        likelihood=likelihoods.Multinomial(nets.MLP(bits, *decoder_hidden, words, activation="leaky_relu")),
    )


def hashing_objective() -> ELBO:
    """Returns the bound with the unbiased score-function gradient from ten draws."""
    return ELBO(num_samples=10, closed_form_kl=True)


def hash_documents(
    source: Any,
    *,
    bits: int = 32,
    encoder_hidden: tuple[int, ...] = (),
    decoder_hidden: tuple[int, ...] = (),
    epochs: int = 100,
    batch_size: int = 100,
    learning_rate: float = 1e-3,
    seed: int = 0,
    out: str | Path | None = None,
) -> Hashing:
    """Trains the model on a matrix of counts and returns a code for every document.

    A bit is 1 where its posterior probability is above one half (Salakhutdinov and Hinton, 2009, round the same way).
    Departure from that paper: no deep stack that is trained layer by layer and no noise in the code layer; the code is
    binary while it is trained.

    Args:
        source: counts (documents, words) as :func:`prioria.data.load` reads them: a .npy, .csv or .npz file (a sparse
            matrix of scipy too), an array, or a pair of counts and labels.
        bits: length of the code.
        encoder_hidden: widths of the encoder's hidden layers; none: linear on counts.
        decoder_hidden: widths of the decoder's hidden layers.
        epochs: of training; the best weights by the validation bound are kept.
        batch_size: documents in a step.
        learning_rate: of Adam.
        seed: of the weights, the split and all noise.
        out: folder of the run; None writes nothing. A run that is there goes on.

    Raises:
        ValueError: the values are no counts, or there is no bit or no epoch.
    """
    for name, value in {"bits": bits, "epochs": epochs}.items():
        if value < 1:
            raise ValueError(f"{name}={value} must be at least 1; without, there are no codes that were learned")
    data = load(source, seed=seed)
    if data.protocol.source == OWN and data.protocol.kind == "grey" and data.protocol.shift:  # whole numbers in bytes
        raise ValueError(
            f"source={data.name!r} holds whole numbers in uint8, which are read as grey levels; save counts as int32, "
            "in numpy by x.astype('int32')"
        )
    check_likelihood(data.protocol, "Multinomial")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = semantic_hashing(data.dimensions, bits, encoder_hidden=encoder_hidden, decoder_hidden=decoder_hidden)
    options = {"batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
    run = fit(model, hashing_objective(), data, epochs=epochs, out=out, resume=out is not None, **options)
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    codes = {name: encoded(run.model, part) for name, part in parts.items()}
    labels = {name: part.labels for name, part in parts.items() if part.labels is not None}
    return Hashing(run, codes, labels, _precision(codes, labels))


def encoded(model: VAE, split: Split) -> Bool[Tensor, "N bits"]:
    """Returns the most probable code of each document."""
    probabilities: list[Float[Tensor, "B bits"]] = [
        model.encode(split.batch(rows)) for rows in torch.arange(len(split)).split(1000)
    ]
    return torch.cat(probabilities) > 0.5


def _precision(codes: dict[str, Tensor], labels: dict[str, Tensor]) -> Retrieval | None:
    if not labels or labels["train"].ndim != 1:
        return None
    nearest = min(NEAREST, len(codes["train"]))
    return retrieval_precision(codes["test"], labels["test"], codes["train"], labels["train"], nearest=nearest)
