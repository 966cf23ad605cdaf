"""Annealing between prior and posterior by Hamiltonian Monte Carlo, Gibbs sampling of bits and classes, either way."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Categorical

from prioria.evaluate.likelihood.joint import Joint

ACCEPTANCE = 0.65  # the share of proposals to accept that is nearly optimal in many dimensions (Neal, 2011)
LEAPFROGS = 10
FIRST_STEP = 0.1
WARM_UP = 50  # transitions at the first temperature of a pilot
GAIN = 0.5  # change of the log step per unit of acceptance too much
JITTER = 0.2  # steps vary by so much, so that no trajectory closes on itself


def schedule(num_steps: int) -> Float[Tensor, " temperatures"]:
    """Returns inverse temperatures from 0 to 1, sigmoidal: closest at both ends (Wu et al., 2017, section 6.1)."""
    curve = torch.linspace(-4, 4, num_steps + 1, dtype=torch.float64).sigmoid()
    return (curve - curve[0]) / (curve[-1] - curve[0])


@dataclass(frozen=True)
class Annealing:
    """The densities f_t(z) = p(z) p(x|z)^t of B examples, t from 0 to 1, and a kernel that leaves each invariant.

    Attributes:
        joint: p(z) and p(x | z).
        x: the examples (B, D).
        temperatures: t_0 = 0 to t_T = 1.
        steps: size of the leapfrog steps at each temperature between, for each example (T - 1, B).
    """

    joint: Joint
    x: Float[Tensor, "B D"]
    temperatures: Float[Tensor, " temperatures"]
    steps: Float[Tensor, "between B"]

    @classmethod
    def tuned(cls, joint: Joint, x: Float[Tensor, "B D"], num_steps: int, num_chains: int) -> Annealing:
        """Tunes the steps on chains of their own, which are thrown away: afterwards the kernels are fixed."""
        temperatures, z = schedule(num_steps), joint.draw(num_chains, len(x))
        if not joint.real.any():
            return cls(joint, x, temperatures, z.new_ones(num_steps - 1, len(x)))  # Gibbs sampling has no step
        path = cls(joint, x, temperatures, torch.empty(0, len(x)))
        step, steps = z.new_full((len(x),), FIRST_STEP), []
        for t in [temperatures[1]] * WARM_UP + list(temperatures[1:-1]):
            z, _, acceptance = path.transition(z, t.item(), step)
            steps.append(step)
            step = step * (GAIN * (acceptance.mean(0) - ACCEPTANCE)).exp()
        return cls(joint, x, temperatures, torch.stack(steps[WARM_UP:]))

    def forward(self, z: Float[Tensor, "K B L"]) -> Float[Tensor, "K B"]:
        """Returns log-weights whose exponential is p(x) in expectation, for z from the prior."""
        return self._walk(z, self.temperatures[1:-1], self.temperatures.diff(), self.steps)

    def backward(self, z: Float[Tensor, "K B L"]) -> Float[Tensor, "K B"]:
        """Returns log-weights whose exponential is 1 / p(x) in expectation, for z from the exact posterior."""
        return -self._walk(z, self.temperatures[1:-1].flip(0), self.temperatures.diff().flip(0), self.steps.flip(0))

    def _walk(self, z: Tensor, temperatures: Tensor, increments: Tensor, steps: Tensor) -> Tensor:
        total = torch.zeros(z.shape[:2], dtype=torch.float64, device=z.device)
        for t, increment, step in zip(temperatures.tolist(), increments.tolist(), steps, strict=False):
            z, log_px, _ = self.transition(z, t, step)
            total += increment * log_px
        return total + increments[-1].item() * self._evaluate(z, 1.0)[1]

    def transition(
        self, z: Float[Tensor, "K B L"], t: float, step: Float[Tensor, " B"]
    ) -> tuple[Float[Tensor, "K B L"], Float[Tensor, "K B"], Float[Tensor, "K B"]]:
        """Moves real latents by one Hamiltonian trajectory, then every bit and class by Gibbs sampling.

        Returns where to, log p(x|z) of where from, and P(accept) of the trajectory.
        """
        if not self.joint.real.any():
            z, log_px = self._sweep(z, t)
            return z, log_px, torch.ones_like(log_px)
        z, log_px, acceptance = self._trajectory(z, t, step)
        return z if self.joint.real.all() else self._sweep(z, t)[0], log_px, acceptance

    def _sweep(self, z: Tensor, t: float) -> tuple[Tensor, Tensor]:
        """Draws every bit and every class in turn given all other latents, and returns log p(x|z) of where from."""
        value, log_px = self._evaluate(z, t)
        for bit in self.joint.bits.diag()[self.joint.bits]:
            flipped = torch.where(bit, 1 - z, z)
            other = self._evaluate(flipped, t)[0]
            flips = torch.rand_like(other) < (other - value).sigmoid()
            z, value = torch.where(flips.unsqueeze(-1), flipped, z), torch.where(flips, other, value)
        for place, values in self.joint.classes:
            z = self._choose(z, t, place, values)
        return z, log_px

    def _choose(self, z: Tensor, t: float, place: slice, values: Float[Tensor, "C n"]) -> Tensor:
        """Draws which of its values a group has, given all other latents."""
        scores = []
        for value in values.to(z):
            other = z.clone()
            other[..., place] = value
            scores.append(self._evaluate(other, t)[0])
        z = z.clone()
        z[..., place] = values.to(z)[Categorical(logits=torch.stack(scores, -1), validate_args=False).sample()]
        return z

    def _trajectory(self, z: Tensor, t: float, step: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        moving = self.joint.real.to(z)
        momentum, start = torch.randn_like(z) * moving, z
        step = (step * (1 + JITTER * (2 * torch.rand_like(z[..., 0]) - 1))).unsqueeze(-1) * moving
        value, log_px, gradient = self._differentiate(z, t)
        energy = value - 0.5 * momentum.square().sum(-1)
        for _ in range(LEAPFROGS):
            momentum = momentum + 0.5 * step * gradient
            z = z + step * momentum
            value, _, gradient = self._differentiate(z, t)
            momentum = momentum + 0.5 * step * gradient
        change = value - 0.5 * momentum.square().sum(-1) - energy
        acceptance = change.nan_to_num(nan=-torch.inf).clamp(max=0).exp()
        accepted = torch.rand_like(acceptance) < acceptance
        return torch.where(accepted.unsqueeze(-1), z, start), log_px, acceptance

    def _evaluate(self, z: Tensor, t: float) -> tuple[Tensor, Tensor]:
        log_p, px = self.joint.densities(z)
        log_px = px.log_prob(self.x)
        return log_p + t * log_px, log_px

    def _differentiate(self, z: Tensor, t: float) -> tuple[Tensor, Tensor, Tensor]:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            value, log_px = self._evaluate(z, t)
            (gradient,) = torch.autograd.grad(value.sum(), z)
        return value.detach(), log_px.detach(), gradient
