"""The models that are timed: ours, pythae's, and ours written as the public code writes it.

Two architectures: ``dense``, 784-512-40 and back with ReLU, is pythae's default; ``gated``, 784-300-300-40 and back,
is that of the VampPrior paper. What is called the peers' form here has two products for each gate, pseudo-inputs behind
a product with the identity, the mixture density by broadcasting (batch, components, latents), probabilities clamped
before their logarithm, and Adam one tensor after another.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from prioria import VAE, likelihoods, nets, posteriors, priors

PIXELS, LATENTS = 784, 40


def ours(architecture: str, components: int | None) -> VAE:
    """Returns the model of this library; ``components`` of a VampPrior, or None for the standard normal prior."""
    if architecture == "dense":
        encoder, width = nets.MLP(PIXELS, 512, activate_output=True), 512
        decoder = nets.MLP(LATENTS, 512, PIXELS)
    else:
        encoder, width = nets.GatedMLP(PIXELS, 300, 300, gated_output=True), 300
        decoder = nets.GatedMLP(LATENTS, 300, 300, PIXELS)
    posterior = posteriors.Gaussian(width, LATENTS)
    if components is None:
        prior = priors.StandardNormal(LATENTS)
    else:
        prior = priors.VampPrior(encoder, posterior, components=components, inputs=PIXELS)
    return VAE(encoder=encoder, posterior=posterior, prior=prior, likelihood=likelihoods.Bernoulli(decoder))


def pythae(components: int | None) -> nn.Module:
    """Returns pythae's model with its default networks, which are the ``dense`` ones."""
    from pythae.models import VAE as PythaeVAE
    from pythae.models import VAMP, VAEConfig, VAMPConfig

    sizes = {"input_dim": (1, 28, 28), "latent_dim": LATENTS, "reconstruction_loss": "bce"}
    if components is None:
        return PythaeVAE(VAEConfig(**sizes))
    return VAMP(VAMPConfig(**sizes, number_components=components))


class Gate(nn.Module):
    """A gated layer by two products."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.value, self.gate = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.value(x) * self.gate(x).sigmoid()

    def copy(self, layer: nets.GatedLinear) -> None:
        for half, other in zip((self.value, self.gate), _halves(layer.linear), strict=True):
            _copy(half, *other)


class PeersForm(nn.Module):
    """The ``gated`` model as the public code writes it, with the weights of ours."""

    def __init__(self, model: VAE, components: int | None) -> None:
        super().__init__()
        self.encoder = nn.Sequential(Gate(PIXELS, 300), Gate(300, 300))
        self.mean, self.log_variance = nn.Linear(300, LATENTS), nn.Linear(300, LATENTS)
        self.decoder = nn.Sequential(Gate(LATENTS, 300), Gate(300, 300), nn.Linear(300, PIXELS))
        self.pseudo_inputs = None if components is None else nn.Linear(components, PIXELS, bias=False)
        self.identity = None if components is None else torch.eye(components)
        with torch.no_grad():
            self._copy(model)

    def forward(self, x: Tensor) -> Tensor:
        """Returns log p(x, z) - log q(z|x) (B,) at one z for each row."""
        mean, log_variance = self._encode(x)
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        probability = self.decoder(z).sigmoid().clamp(1e-5, 1 - 1e-5)
        log_px = (x * probability.log() + (1 - x) * (1 - probability).log()).sum(1)
        return log_px + self._log_p(z) - _log_normal(z, mean, log_variance).sum(1)

    def log_likelihood(self, x: Tensor, num_samples: int) -> Tensor:
        """Returns log p(x) (N,), row by row in chunks of 100 samples, as the VampPrior paper's code does."""
        with torch.no_grad():
            rows = [torch.cat([self(row.expand(100, -1)) for _ in range(num_samples // 100)]) for row in x]
        return torch.stack(rows).logsumexp(1) - math.log(num_samples)

    def _encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.encoder(x)
        return self.mean(h), self.log_variance(h)

    def _log_p(self, z: Tensor) -> Tensor:
        if self.pseudo_inputs is None:
            return _log_normal(z, torch.zeros_like(z), torch.zeros_like(z)).sum(1)
        mean, log_variance = self._encode(self.pseudo_inputs(self.identity).clamp(0, 1))
        terms = _log_normal(z[:, None], mean[None], log_variance[None]).sum(2)
        return terms.logsumexp(1) - math.log(len(mean))

    def _copy(self, model: VAE) -> None:
        (stage,) = model.stages.values()
        theirs = [*self.encoder, *self.decoder]
        layers = [*model.encoder_of("z").layers, *model.likelihood.net.layers]
        for gate, layer in zip(theirs, layers, strict=True):
            gate.copy(layer) if isinstance(gate, Gate) else _copy(gate, layer.weight, layer.bias)
        for head, half in zip((self.mean, self.log_variance), _halves(stage.q.heads), strict=True):
            _copy(head, *half)
        if self.pseudo_inputs is not None:
            self.pseudo_inputs.weight.copy_(stage.p.pseudo_inputs.mT)


def _log_normal(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    return -0.5 * (log_variance + (z - mean) ** 2 / log_variance.exp() + math.log(2 * math.pi))


def _halves(layer: nn.Linear) -> list[tuple[Tensor, Tensor]]:
    return list(zip(layer.weight.chunk(2), layer.bias.chunk(2), strict=True))


def _copy(layer: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)
