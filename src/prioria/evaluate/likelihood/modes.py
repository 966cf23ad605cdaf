"""High places of the posterior of one or two latents, sought from the prior, a scan, the encoder, and uphill."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prioria.evaluate.likelihood.joint import Summed
from prioria.evaluate.likelihood.regions import Box, Peaks
from prioria.evaluate.likelihood.scanned import Scan

ROWS = 1000  # decoded at once
DRAWS = 5000  # from the prior
SCAN = {1: 32_001, 2: 201}  # points of a grid over the box, along each latent
FARTHEST = 1.5  # half of the box at least, in distances of the farthest draw or mode from its middle
STARTS = 6, 4  # of the climb: of each list of points, and of draws from the encoder
STEPS = 40  # of the climb
RATES = 0.5, 1.5  # of its steps, where a gradient turns and where it does not
OFFSETS = tuple(4.0**power for power in range(-8, 6))  # at which the fall from a peak is looked at, in first steps
FLANK = 6.0  # widths of a peak, to where its flank reaches
FALL = 0.5  # nats, of a Gaussian at its width


def box_of(joint: Summed, examples: int, reach: float) -> tuple[Box, Float[Tensor, "S L"]]:
    """Returns a box around draws from the prior, the same for all examples, and the draws."""
    z = joint.draw(DRAWS, 1)[:, 0].double()
    middle = z.mean(0)
    half = torch.maximum(reach * z.std(0), FARTHEST * (z - middle).abs().amax(0))
    return Box(middle.expand(examples, -1), half.expand(examples, -1)), z


def widened(box: Box, peaks: Peaks) -> Box:
    """Returns boxes that have all peaks well inside."""
    away = (peaks.place - box.middle.unsqueeze(1)).abs().amax(1)
    return Box(box.middle, torch.maximum(box.half, FARTHEST * away))


def peaks_of(
    joint: Summed, x: Tensor, box: Box, draws: Float[Tensor, "S L"], encoded: Float[Tensor, "E B L"]
) -> tuple[Peaks, Scan]:
    """Returns where climbs from the highest of many points have led and where they set out, and the scan.

    Args:
        joint: p(z) and p(x|z).
        x: rows (B, D).
        box: that is scanned.
        draws: from the prior.
        encoded: draws from the encoder; none where it has not all of the latents.

    Raises:
        ValueError: p(x|z) of a row is no number.
    """
    latents = draws.shape[-1]
    step = box.half[0] / (SCAN[latents] // 2)
    side = torch.arange(-(SCAN[latents] // 2), SCAN[latents] // 2 + 1)
    scanned = box.middle[0] + step * torch.cartesian_prod(*[side] * latents).reshape(-1, latents)
    log_px, height = _heights(joint, x, torch.cat([scanned, draws]).unsqueeze(1))
    if height.isnan().any():
        raise ValueError("x has a row whose log p(x|z) is not a number; check the row and the model's weights")
    found = []
    for values in (height, log_px):  # where the prior is all that varies, p(x|z) alone shows what little it rises
        crests = _crests(values[: len(scanned)], len(side), latents)
        found += [_highest(scanned, crests), _highest(draws, values[len(scanned) :])]
    if len(encoded):
        order = _heights(joint, x, encoded)[1].topk(STARTS[1], 0).indices
        found.append(encoded.gather(0, order.unsqueeze(-1).expand(-1, -1, latents)))
    place, top = climbed(joint, x, torch.cat(found), step)
    width = _width(joint, x, place, top, step)
    peaks = Peaks(place.transpose(0, 1), _alone(place, width, top).transpose(0, 1), top.mT)
    return peaks, Scan(scanned[0], step, height[: len(scanned)])


def climbed(
    joint: Summed, x: Tensor, start: Float[Tensor, "M B L"], step: Float[Tensor, " L"]
) -> tuple[Float[Tensor, "M B L"], Float[Tensor, "M B"]]:
    """Returns the highest places on the way uphill from each start, and their log p(x, z).

    Steps follow the sign of the gradient and adapt along each latent (Riedmiller and Braun, 1993), so that no scale of
    a posterior need be known.
    """
    with torch.inference_mode(False), torch.enable_grad():
        x, start, step = x.clone(), start.clone(), step.clone()
        best = start
        offset = nn.Parameter(torch.zeros_like(start))
        uphill = torch.optim.Rprop([offset], lr=1.0, etas=RATES, step_sizes=(1e-9, 1e9), maximize=True)
        highest = torch.full(start.shape[:2], -math.inf, dtype=torch.float64, device=start.device)
        for _ in range(STEPS):
            z = start + step * offset
            height = _whole(joint, x, z)
            (gradient,) = torch.autograd.grad(height.sum(), offset)
            higher = height.detach() > highest
            best = torch.where(higher.unsqueeze(-1), z.detach(), best)
            highest = torch.where(higher, height.detach(), highest)
            offset.grad = gradient.nan_to_num(0.0, 0.0, 0.0)
            uphill.step()
    return best, highest


def _width(joint: Summed, x: Tensor, place: Tensor, top: Tensor, step: Tensor) -> Float[Tensor, "M B L"]:
    """Returns how wide each peak is along each latent, from how far p(x, z) has fallen where it first has."""
    widths = []
    for axis in torch.eye(len(step)).to(step):
        narrowest = torch.full_like(top, math.inf)
        for side in (-1.0, 1.0):
            offsets = place.new_tensor(OFFSETS) * (step * axis).sum()
            there = place + side * offsets[:, None, None, None] * axis
            fall = top - _heights(joint, x, there.flatten(0, 1))[1].reshape(len(OFFSETS), *top.shape)
            fallen = fall >= FALL
            first = fallen.double().argmax(0)
            width = offsets[first] / (2 * fall.gather(0, first.unsqueeze(0)).squeeze(0).clamp(min=FALL)).sqrt()
            narrowest = torch.where(fallen.any(0), torch.minimum(narrowest, width), narrowest)
        widths.append(narrowest)
    return torch.stack(widths, -1)


def _alone(place: Tensor, width: Tensor, top: Tensor) -> Float[Tensor, "M B L"]:
    """Returns the widths, infinite where a higher peak is near: a climb that stopped on its flank."""
    near = ((place.unsqueeze(1) - place).abs() <= FLANK * width).all(-1)
    order = torch.arange(len(top), device=top.device).unsqueeze(-1)
    first = (top == top.unsqueeze(1)) & (order < order.unsqueeze(1))
    return width.masked_fill((near & ((top > top.unsqueeze(1)) | first)).any(1).unsqueeze(-1), math.inf)


def _heights(joint: Summed, x: Tensor, z: Float[Tensor, "P _ L"]) -> tuple[Float[Tensor, "P B"], Float[Tensor, "P B"]]:
    """Returns log p(x|z) and log p(x, z), in blocks of points, each example's own or common to all."""
    found = []
    for part in z.to(x).split(max(1, ROWS // len(x))):
        found.append(torch.stack(joint.log_densities(part, x)).double())
    log_px, height = torch.cat(found, 1)
    return log_px, height


def _whole(joint: Summed, x: Tensor, z: Tensor) -> Tensor:
    return joint.log_densities(z.to(x), x)[1].double()


def _crests(heights: Float[Tensor, "P B"], side: int, latents: int) -> Float[Tensor, "P B"]:
    """Returns the heights of points of the scan that no neighbor exceeds, and -inf for the others."""
    image = heights.mT.unflatten(1, [side] * latents).unsqueeze(1)
    pool = nn.functional.max_pool1d if latents == 1 else nn.functional.max_pool2d
    around = pool(image, 3, stride=1, padding=1)
    return torch.where(image >= around, image, -math.inf).flatten(1).mT


def _highest(places: Float[Tensor, "P L"], heights: Float[Tensor, "P B"]) -> Float[Tensor, "M B L"]:
    return places[heights.topk(STARTS[0], 0).indices]
