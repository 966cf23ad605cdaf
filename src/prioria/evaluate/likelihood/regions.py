"""Integrals of exp f over boxes in one or two dimensions, by regions that are halved where halving changes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from prioria.evaluate.likelihood.scanned import Scan

NODES = {1: 9, 2: 7}  # of Gauss and Legendre along each axis of a region
TOLERANCE = 1e-4  # of a region's mass, or of the whole mass divided among MANY regions, that halving may change
MANY = 64
NEAR, LARGE = 2.0, 4.0  # widths of a peak, within which no region may be larger than so many
SEEN, CELLS = 2e-4, 2.0  # share of the mass that a scan may see elsewhere, in regions that reach over so many cells
NEGLIGIBLE = 1e-5  # share of the mass that may lie beside a region of any size
FINEST = 64 * torch.finfo(torch.float32).eps  # of a place: nodes of smaller regions are no longer apart in float32
ROUNDS = 100  # of halving at most: twice what tells points in float32 apart
APART = 0.03  # of half a region, that nodes may be moved by rounding: a quarter of what two are apart at least
TOUCH = 1e-9  # of a region, within which two are beside each other

LogDensity = Callable[[Float[Tensor, "P L"], Tensor], Float[Tensor, " P"]]  # points, and whose they are


@dataclass(frozen=True)
class Box:
    """Where to integrate, one box for each of B integrals: middle and half of the sides, each (B, L)."""

    middle: Float[Tensor, "B L"]
    half: Float[Tensor, "B L"]


@dataclass(frozen=True)
class Peaks:
    """Known high places of B integrands: where, and how wide along each axis, each (B, M, L); how high (B, M)."""

    place: Float[Tensor, "B M L"]
    width: Float[Tensor, "B M L"]
    height: Float[Tensor, "B M"]

    @property
    def promise(self) -> Float[Tensor, " B"]:
        """The log of the mass of the largest of each, were it a Gaussian; -inf where none has a width."""
        log_mass = self.height + (math.sqrt(2 * math.pi) * self.width).log().sum(-1)
        return log_mass.masked_fill(~self.width.isfinite().all(-1), -math.inf).amax(-1)


@dataclass(frozen=True)
class Regions:
    """Parts of boxes, and what was found in them.

    Attributes:
        owner: which integral each is a part of (C,).
        middle: of each (C, L).
        half: of its sides (C, L).
        log_mass: log of its integral (C,).
        change: of its mass when it was made by halving, as a log (C,).
    """

    owner: Tensor
    middle: Float[Tensor, "C L"]
    half: Float[Tensor, "C L"]
    log_mass: Float[Tensor, " C"]
    change: Float[Tensor, " C"]

    def __len__(self) -> int:
        return len(self.owner)

    def __getitem__(self, which: Tensor) -> Regions:
        return Regions(*(getattr(self, each.name)[which] for each in fields(self)))

    def joined(self, other: Regions) -> Regions:
        """Returns these and others."""
        return Regions(*(torch.cat([getattr(self, each.name), getattr(other, each.name)]) for each in fields(self)))

    def total(self, count: int, values: Tensor | None = None) -> Float[Tensor, " B"]:
        """Returns log sum exp of the masses, or of other values, of each of ``count`` integrals."""
        values = self.log_mass if values is None else values
        largest = values.new_full((count,), -math.inf).scatter_reduce(0, self.owner, values, "amax")
        shift = torch.where(largest.isfinite(), largest, 0.0)
        return shift + torch.zeros_like(shift).index_add(0, self.owner, (values - shift[self.owner]).exp()).log()


def integrate(
    log_density: LogDensity, box: Box, peaks: Peaks, scan: Scan, evaluations: int
) -> tuple[Regions, Tensor, Bool[Tensor, " B"]]:
    """Returns regions that fill the boxes, evaluations of each integral, and which are not as fine as they ought to be.

    Regions near a peak are halved first, until they are no larger than it; then those whose mass changes by it (Genz
    and Malik, 1980, section 1, breadth first instead of the worst first), and those that have another mass than a scan
    of the box found there. At last those are halved that lie beside a much smaller region that has mass, which may run
    on into them between their nodes. ``change`` of the regions is what their last halving changed.

    Args:
        log_density: f of points (P, L) of given integrals (P,).
        box: of each integral.
        peaks: high places that no region may pass between its nodes.
        scan: of the box, that no region may contradict which is larger than its cells.
        evaluations: of f for one integral, after which its regions stay as they are.
    """
    count, latents = box.middle.shape
    owners = torch.arange(count, device=box.middle.device)
    active = _measured(log_density, owners, box.middle, box.half)
    settled, spent = active[owners[:0]], torch.zeros_like(owners)
    for _ in range(ROUNDS):
        coarse = _coarse(active, peaks)
        waits = torch.zeros_like(owners, dtype=torch.bool).index_fill(0, active.owner[coarse], True)[active.owner]
        halved, kept = active[coarse | ~waits], active[~coarse & waits]
        children, final = _halved(log_density, halved, kept.joined(settled), peaks, scan)
        spent = spent.index_add(0, children.owner, torch.full_like(children.owner, NODES[latents] ** latents))
        done = final.repeat_interleave(2**latents) | (spent >= evaluations)[children.owner]
        settled, active = settled.joined(children[done]), kept.joined(children[~done])
        if not len(active):
            rough = _rough(settled, count) & (spent < evaluations)[settled.owner]
            if not rough.any():
                break
            settled, active = settled[~rough], settled[rough]
    return settled.joined(active), spent, (spent >= evaluations).index_fill(0, active.owner, True)


def _halved(
    log_density: LogDensity, regions: Regions, others: Regions, peaks: Peaks, scan: Scan
) -> tuple[Regions, Bool[Tensor, " C"]]:
    """Returns the parts of regions halved along every axis, and which of the regions need no more of it."""
    latents = regions.middle.shape[-1]
    signs = torch.cartesian_prod(*[regions.middle.new_tensor([-0.5, 0.5])] * latents).reshape(-1, latents)
    middle = (regions.middle.unsqueeze(1) + signs * regions.half.unsqueeze(1)).flatten(0, 1)
    parts = 2**latents
    owner, half = regions.owner.repeat_interleave(parts), (regions.half / 2).repeat_interleave(parts, 0)
    children = _measured(log_density, owner, middle, half)
    together = children.log_mass.reshape(-1, parts).logsumexp(-1)
    whole = children.joined(others).total(len(peaks.place))
    total = whole[regions.owner]
    reference = torch.where(total.isfinite(), total, 0.0)
    before, after = (regions.log_mass - reference).exp(), (together - reference).exp()
    change = (after - before).abs()
    fine = (regions.half <= FINEST * regions.middle.abs()).all(-1) | (change <= TOLERANCE * after.clamp(min=1 / MANY))
    unfit = _coarse(children, peaks) | _contradicted(children, scan, whole)
    final = fine & ~unfit.reshape(-1, parts).any(-1)
    shared = (change.log() + reference - math.log(parts)).repeat_interleave(parts)
    return Regions(owner, middle, half, children.log_mass, shared), final


def _measured(log_density: LogDensity, owner: Tensor, middle: Tensor, half: Tensor) -> Regions:
    latents = middle.shape[-1]
    places, log_weights = _rule(middle, half)
    axes = [torch.arange(places.shape[-1], device=middle.device)] * latents
    chosen = torch.cartesian_prod(*axes).reshape(-1, latents).mT.expand(len(middle), -1, -1)
    points, weights = places.gather(-1, chosen).mT, log_weights.gather(-1, chosen).sum(1)
    values = log_density(points.flatten(0, 1), owner.repeat_interleave(points.shape[1])).reshape(weights.shape)
    log_mass = (values + weights).logsumexp(-1) + half.log().sum(-1)
    return Regions(owner, middle, half, log_mass, torch.full_like(log_mass, math.inf))


def _rule(middle: Float[Tensor, "C L"], half: Float[Tensor, "C L"]) -> tuple[Float[Tensor, "C L K"], Tensor]:
    """Returns the K nodes along each axis of regions, and the logs of their weights.

    Models compute in float32, in which nodes come to lie a little beside those of Gauss. The weights are those with
    which the nodes as they lie integrate polynomials of degree K - 1, sum_k w_k P_j(t_k) = 2 [j = 0]: a posterior that
    is narrow for its place would else be off by its slope times what was rounded.
    """
    nodes, gauss = (middle.new_tensor(each) for each in np.polynomial.legendre.leggauss(NODES[middle.shape[-1]]))
    exact = middle.unsqueeze(-1) + half.unsqueeze(-1) * nodes
    places = exact.float().double()
    t = (places - middle.unsqueeze(-1)) / half.unsqueeze(-1)
    apart = ((t - nodes).abs() < APART).all(-1, keepdim=True)  # nodes that float32 does not tell apart stay Gauss's
    polynomials = _legendre(torch.where(apart, t, nodes), len(nodes))
    whole = torch.zeros_like(nodes)
    whole[0] = 2.0
    weights = torch.linalg.solve(polynomials, whole.expand(*polynomials.shape[:-1]))
    return torch.where(apart, places, exact), torch.where(apart, weights, gauss).log()


def _legendre(t: Float[Tensor, "*C K"], count: int) -> Float[Tensor, "*C J K"]:
    """Returns the first Legendre polynomials at t, by (j + 1) P_{j+1} = (2 j + 1) t P_j - j P_{j-1}."""
    found = [torch.ones_like(t), t]
    for j in range(1, count - 1):
        found.append(((2 * j + 1) * t * found[-1] - j * found[-2]) / (j + 1))
    return torch.stack(found, -2)


def _coarse(regions: Regions, peaks: Peaks) -> Bool[Tensor, " C"]:
    """Whether each region is larger than a peak in it or near it, which its nodes may have passed between."""
    away = (peaks.place[regions.owner] - regions.middle.unsqueeze(1)).abs()
    half, width = regions.half.unsqueeze(1), peaks.width[regions.owner]
    return ((away <= half + NEAR * width).all(-1) & (half > LARGE * width).any(-1)).any(-1)


def _contradicted(regions: Regions, scan: Scan, log_mass: Float[Tensor, " B"]) -> Bool[Tensor, " C"]:
    """Whether the nodes of each region, larger than cells of a scan, passed between what the scan has seen in it."""
    low, high = regions.middle - regions.half, regions.middle + regions.half
    unit = scan.log_unit[regions.owner]
    seen = scan.mass(regions.owner, low, high) * (unit - log_mass[regions.owner]).exp()
    more = seen - (regions.log_mass - log_mass[regions.owner]).exp()
    inside = ((low >= scan.low) & (high <= scan.high)).all(-1)
    large = (regions.half > CELLS * scan.step).any(-1)
    return large & (torch.where(inside, more.abs(), more) > SEEN)


def _rough(regions: Regions, count: int) -> Bool[Tensor, " C"]:
    """Whether each region touches one with mass that is smaller than half of it."""
    massive = regions.log_mass > (regions.total(count) + math.log(NEGLIGIBLE))[regions.owner]
    rough = torch.zeros_like(massive)
    for owner in range(count):
        own = (regions.owner == owner).nonzero().squeeze(-1)
        middle, half, small = regions.middle[own], regions.half[own], massive[own]
        away = (middle.unsqueeze(1) - middle[small]).abs()
        touches = (away <= (half.unsqueeze(1) + half[small]) * (1 + TOUCH)).all(-1)
        rough[own] = (touches & (half[:, :1] > half[small][:, 0] * (2 + TOUCH))).any(-1)
    return rough


def at_the_border(regions: Regions, box: Box) -> Bool[Tensor, " C"]:
    """Whether each region touches the border of its box."""
    away = (regions.middle - box.middle[regions.owner]).abs() + regions.half
    return (away >= box.half[regions.owner] * (1 - TOUCH)).any(-1)
