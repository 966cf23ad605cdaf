"""Models trained elsewhere: their encoder and decoder as a VAE that everything here evaluates, explores and refits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from prioria import likelihoods, priors
from prioria.distributions import at_least_float32, normal
from prioria.model import VAE
from prioria.module import Module
from prioria.nets import Rows

Coder = Callable[[Tensor], Any]
SMALLEST = 1e-7  # probability that a decoder which ends in a sigmoid may give, as float32 resolves it beside 1


class Moments(Module):
    """q(z|x) = N(m, diag s^2) where the encoder already gives m and log s^2, one after the other (..., 2L).

    Example:
        >>> Moments()(torch.zeros(5, 4)).batch_shape, Moments()(torch.zeros(5, 4)).event_shape
        (torch.Size([5]), torch.Size([2]))
    """

    def forward(self, context: Tensor | None = None) -> Distribution:
        assert context is not None
        mean, log_variance = at_least_float32(context).chunk(2, -1)
        return normal(mean, (0.5 * log_variance).exp())


class _Encode(nn.Module):
    def __init__(self, encode: Coder, latents: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.encode, self.latents, self.shape = encode, latents, shape

    def forward(self, x: Tensor) -> Tensor:
        found = self.encode(x.unflatten(-1, self.shape))
        if not (isinstance(found, (tuple, list)) and len(found) == 2):
            raise ValueError(f"encode gives a {type(found).__name__}, not (mean, log-variance); return the two")
        for name, part in zip(("mean", "log-variance"), found, strict=True):
            if part.numel() != len(x) * self.latents:
                raise ValueError(
                    f"latents={self.latents}, but encode gives a {name} of shape {tuple(part.shape)} for {len(x)} rows"
                )
        return torch.cat([part.reshape(len(x), -1) for part in found], -1)


class _Decode(nn.Module):
    def __init__(self, decode: Coder, dimensions: int) -> None:
        super().__init__()
        self.decode, self.dimensions = decode, dimensions

    def forward(self, z: Tensor) -> Tensor:
        found = self.decode(z)
        if not isinstance(found, Tensor) or found.numel() % (len(z) * self.dimensions):
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ValueError(f"decode gives {shape} for {len(z)} rows of {self.dimensions} values; return (B, ...)")
        return found.reshape(len(z), -1)


def adopt(
    *,
    encode: Coder,
    decode: Coder,
    latents: int,
    likelihood: Callable[[nn.Module], nn.Module],
    shape: tuple[int, ...] | int,
    prior: nn.Module | None = None,
) -> VAE:
    """Makes a VAE of networks that were trained elsewhere: to be measured, explored and given a better prior.

    q(z|x) = N(m(x), diag s^2(x)), and p(x|z) is what ``likelihood`` makes of the decoder's output. The networks are not
    copied: give modules, and they move to devices and are saved with the model (``prioria.load(path, modules=...)``).

    Args:
        encode: x (B, *shape) -> (mean, log-variance), each (B, latents).
        decode: z (B, latents) -> what the likelihood reads: logits, or means (B, *shape).
        latents: dimensions of z.
        likelihood: from a network, such as ``likelihoods.Bernoulli`` (which reads logits), or ``lambda net:
            likelihoods.Gaussian(net, scale=0.1)``: the one that the model was trained under.
        shape: of one x, such as (1, 28, 28), or its width.
        prior: that the model was trained with, N(0, I) by default.

    Raises:
        ValueError: the networks give other shapes than these.

    Example:
        >>> encoder, decoder = nn.Linear(6, 4), nn.Linear(2, 6)
        >>> model = adopt(
        ...     encode=lambda x: encoder(x).chunk(2, -1),
        ...     decode=decoder,
        ...     latents=2,
        ...     likelihood=likelihoods.Bernoulli,
        ...     shape=6,
        ... )
        >>> model.draw(torch.zeros(5, 6), num_samples=3).log_w.shape
        torch.Size([3, 5])
    """
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    dimensions = math.prod(shape)
    if latents < 1 or dimensions < 1:
        raise ValueError(f"latents={latents} and shape={shape} must be positive")
    model = VAE(
        encoder=_Encode(encode, latents, shape),
        posterior=Moments(),
        prior=priors.StandardNormal(latents) if prior is None else prior,
        likelihood=likelihood(Rows(_Decode(decode, dimensions))),
    ).eval()
    parameter = next(model.parameters(), None)
    model.check(torch.zeros(2, dimensions, device=None if parameter is None else parameter.device))
    return model


def from_pythae(model: nn.Module) -> VAE:
    """Adopts a VAE of pythae (one with a Gaussian posterior and N(0, I)).

    With ``reconstruction_loss="bce"`` p(x|z) is Bernoulli, the decoder's sigmoid undone; with "mse" it is N(m(z), I).

    Args:
        model: a trained ``pythae.models.VAE``, or one that shares its encoder's and decoder's outputs.

    Raises:
        ValueError: the model has another reconstruction loss.
    """
    part: Any = model
    loss = part.model_config.reconstruction_loss
    if loss not in ("bce", "mse"):
        raise ValueError(f"reconstruction_loss={loss!r} is no likelihood known here; name one by adopt(...)")
    return adopt(
        encode=_PythaeEncoder(part.encoder),
        decode=_PythaeDecoder(part.decoder, logits=loss == "bce"),
        latents=part.model_config.latent_dim,
        likelihood=likelihoods.Bernoulli if loss == "bce" else likelihoods.Gaussian,
        shape=tuple(part.model_config.input_dim),
    )


class _PythaeEncoder(nn.Module):
    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        found = self.encoder(x)
        return found.embedding, found.log_covariance


class _PythaeDecoder(nn.Module):
    def __init__(self, decoder: nn.Module, *, logits: bool) -> None:
        super().__init__()
        self.decoder, self.logits = decoder, logits

    def forward(self, z: Tensor) -> Tensor:
        found = self.decoder(z).reconstruction
        return found.logit(eps=SMALLEST) if self.logits else found


def from_diffusers(model: nn.Module, *, shape: tuple[int, int, int], scale: float = 1.0) -> VAE:
    """Adopts an AutoencoderKL of diffusers: z is its latent map as one vector, p(x|z) = N(decoder(z), scale^2 I).

    Such models are trained on perceptual and adversarial losses beside a squared error, so that no likelihood is *the*
    one that they were trained under: ``scale`` must be chosen, for instance as the root mean squared error.

    Args:
        model: a ``diffusers.AutoencoderKL``.
        shape: of one picture (channels, height, width), in [-1, 1] as these models take them.
        scale: standard deviation of p(x|z).

    Raises:
        ValueError: the encoder gives another kind of posterior.
    """
    part: Any = model
    parameter = next(model.parameters())
    with torch.no_grad():
        latent = tuple(part.encode(torch.zeros(1, *shape, device=parameter.device)).latent_dist.mean.shape[1:])
    return adopt(
        encode=_DiffusersEncoder(model),
        decode=_DiffusersDecoder(model, latent),
        latents=math.prod(latent),
        likelihood=lambda net: likelihoods.Gaussian(net, scale=scale),
        shape=shape,
    )


class _DiffusersEncoder(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        part: Any = self.model
        found = part.encode(x).latent_dist
        return found.mean.flatten(1), found.logvar.flatten(1)


class _DiffusersDecoder(nn.Module):
    def __init__(self, model: nn.Module, latent: tuple[int, ...]) -> None:
        super().__init__()
        self.model, self.latent = model, latent

    def forward(self, z: Tensor) -> Tensor:
        part: Any = self.model
        return part.decode(z.unflatten(-1, self.latent)).sample
