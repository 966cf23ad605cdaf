"""A VAE of documents that begins at the frequencies of the words."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prioria import VAE, likelihoods, nets, posteriors, priors

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
    decoder = nn.Linear(latents, size)
    decoder.weight.zero_()
    totals = documents.double().sum(0) + 1
    decoder.bias.copy_((totals / totals.sum()).log())
    encoder = nets.TfIdf(size, nets.GatedMLP(size, hidden, gated_output=True))
    encoder.get_buffer("idf").copy_(nets.TfIdf.weights(documents))
    return VAE(
        encoder=encoder,
        posterior=posteriors.Gaussian(hidden, latents, log_variance_bounds=BOUNDS),
        prior=priors.StandardNormal(latents),
        likelihood=likelihoods.Multinomial(nets.Chain(decoder)),
    ).eval()
