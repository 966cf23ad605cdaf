"""Documents as counts of words (N, W): log-probabilities of the words in their order, in nats."""

from __future__ import annotations

import math

import numpy as np

from prioria.evaluate.classical.density import Array, Density

PSEUDO = 0.5
DOCUMENTS, PASSES, DRAWS = 1000, 5, 30  # that topics are learned from, how often, and draws of shares to score one


def unigram(x: Array) -> Density:
    """One distribution of words for all documents."""
    share = x.sum(0) + PSEUDO
    logs = np.log(share / share.sum())
    lengths = x.sum(1).astype(int)

    def draw(many: int, generator: np.random.Generator) -> Array:
        return generator.multinomial(generator.choice(lengths, many), share / share.sum()).astype(np.float64)

    return Density(lambda rows: rows @ logs, draw)


def topics(x: Array, count: int) -> Density:
    """Latent Dirichlet allocation fitted by scikit-learn; a document is scored by importance sampling its shares."""
    from sklearn.decomposition import LatentDirichletAllocation

    options = {"learning_method": "online", "max_iter": PASSES, "learning_offset": 10.0, "random_state": 0}
    found = LatentDirichletAllocation(count, total_samples=min(len(x), DOCUMENTS), **options)
    found.fit(x[:DOCUMENTS])
    words = found.components_ / found.components_.sum(1, keepdims=True)
    lengths = x.sum(1).astype(int)

    def draw(many: int, generator: np.random.Generator) -> Array:
        shares = generator.dirichlet(np.full(count, found.doc_topic_prior_), many) @ words
        return generator.multinomial(generator.choice(lengths, many), shares).astype(np.float64)

    return Density(lambda rows: log_documents(rows, found.transform(rows), words, found.doc_topic_prior_), draw)


def log_documents(rows: Array, shares: Array, words: Array, prior: float, draws: int = DRAWS) -> Array:
    """Log (1/S) sum_s p(w|theta_s) p(theta_s) / q(theta_s), theta_s from the variational Dirichlet: low on average."""
    from scipy.special import gammaln

    topics, generator = len(words), np.random.default_rng(0)
    gamma = shares * (topics * prior + rows.sum(1, keepdims=True))  # of which shares are the mean
    terms = np.empty((draws, len(rows)))
    for s in range(draws):
        theta = generator.standard_gamma(gamma)
        theta = np.maximum(theta / theta.sum(1, keepdims=True), 1e-300)
        log_p = gammaln(topics * prior) - topics * gammaln(prior) + (prior - 1) * np.log(theta).sum(1)
        log_q = gammaln(gamma.sum(1)) - gammaln(gamma).sum(1) + ((gamma - 1) * np.log(theta)).sum(1)
        terms[s] = (rows * np.log(theta @ words)).sum(1) + log_p - log_q
    return np.logaddexp.reduce(terms, 0) - math.log(draws)
