"""VAEs of documents that begin at the frequencies of the words, or as a model of topics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prioria import VAE, likelihoods, nets, posteriors, priors

SHARES = 100  # draws of the shares of a document, to score it
BOUNDS = (-10.0, 2.0)  # of log-variances of the posterior: rare words would else narrow it without end


@torch.no_grad()
def words(documents: Tensor, *, latents: int = 40, hidden: int = 100) -> VAE:
    """Returns a VAE of counts of words that begins as the unigram model, whatever its latents are.

    The encoder reads term frequencies times inverse document frequencies, the decoder is linear, softmax(b + A z),
    with A = 0 at first and b the log-frequencies of the words, one added to each count, as in ProdLDA (Srivastava and
    Sutton, 2017) without its Dirichlet prior.

    Args:
        documents: training rows (N, W).
        latents: L.
        hidden: width of the encoder.

    Raises:
        ValueError: there is no word.

    Example:
        >>> model = words(torch.tensor([[2.0, 0.0, 1.0], [1.0, 1.0, 0.0]]), latents=2)
        >>> model.decode(torch.zeros(2)).log_prob(torch.eye(3)).exp().detach()
        tensor([0.5000, 0.2500, 0.2500])
    """
    if not documents.sum() > 0:
        raise ValueError(f"documents of shape {tuple(documents.shape)} hold no word; give counts above zero")
    size = documents.shape[1]
    decoder = nets.MLP(latents, size)
    totals = documents.double().sum(0) + 1
    for parameter in decoder.parameters():  # of its one layer
        parameter.copy_(torch.zeros_like(parameter) if parameter.ndim > 1 else (totals / totals.sum()).log())
    encoder = nets.TfIdf(size, nets.GatedMLP(size, hidden, gated_output=True))
    encoder.get_buffer("idf").copy_(nets.TfIdf.weights(documents))
    return VAE(
        encoder=encoder,
        posterior=posteriors.Gaussian(hidden, latents, log_variance_bounds=BOUNDS),
        prior=priors.StandardNormal(latents),
        likelihood=likelihoods.Multinomial(decoder),
    ).eval()


@dataclass(frozen=True)
class TopicStart:
    """A fitted model of topics.

    Attributes:
        words: beta, a distribution of words for each topic (K, W).
        concentration: alpha, of the Dirichlet prior of a document's shares.
        validation: estimate of log p(x) of each validation row, low on average (N,), in nats.
    """

    words: NDArray[np.floating]
    concentration: float
    validation: NDArray[np.floating]


def topics(
    train: NDArray, validation: NDArray, *, counts: Sequence[int] = (8, 16, 32), passes: int = 30, seed: int = 0
) -> TopicStart:
    """Fits latent Dirichlet allocation by scikit-learn, its number of topics by the validation documents.

    Args:
        train: training rows (N, W).
        validation: validation rows.
        counts: numbers of topics to try.
        passes: over the training rows.
        seed: of first topics.
    """
    from sklearn.decomposition import LatentDirichletAllocation

    from prioria.evaluate.classical.words import log_documents

    best: TopicStart | None = None
    for count in counts:
        found = LatentDirichletAllocation(count, max_iter=passes, random_state=seed).fit(train)
        words = found.components_ / found.components_.sum(1, keepdims=True)
        scored = log_documents(validation, found.transform(validation), words, found.doc_topic_prior_, SHARES)
        if best is None or scored.mean() > best.validation.mean():
            best = TopicStart(words, float(found.doc_topic_prior_), scored)
    if best is None:
        raise ValueError(f"counts={tuple(counts)} name no number of topics; give one at least")
    return best


@torch.no_grad()
def shares_of(start: TopicStart, documents: Tensor) -> Tensor:
    """Returns the variational Dirichlet (N, K) of the topics' shares in documents (N, W)."""
    return _reader(start)(documents).exp()


def _reader(start: TopicStart, net: nn.Module | None = None) -> nets.TopicShares:
    topics, words = start.words.shape
    found = nets.TopicShares(topics, words, net)
    with torch.no_grad():
        found.logits.copy_(torch.tensor(start.words).log())
        found.log_concentration.fill_(math.log(start.concentration))
    return found


@torch.no_grad()
def of_topics(start: TopicStart, *, hidden: int = 100) -> VAE:
    """Returns the VAE that is the model of topics: softmax(z) its Dirichlet shares, networks beside that add nothing.

    Its posterior is the variational Dirichlet of latent Dirichlet allocation (Blei, Ng and Jordan, 2003).

    Args:
        start: the topics.
        hidden: width of the networks.
    """
    count, size = start.words.shape
    encoder = _reader(start, nets.TfIdf(size, nets.MLP(size, hidden, count, activation="silu")))
    decoder = nets.TopicWords(count, size, nets.MLP(count, hidden, size, activation="silu"))
    decoder.logits.copy_(torch.tensor(start.words).log())
    return VAE(
        encoder=encoder,
        posterior=posteriors.LogDirichlet(None, count),
        prior=priors.LogDirichlet(count, start.concentration),
        likelihood=likelihoods.Multinomial(decoder),
    ).eval()
