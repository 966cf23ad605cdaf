"""One objective of several processes: each draws its share of a batch, and all score the draw of the whole batch.

Every process gathers what the others drew and scores all of it, so that a term that couples the examples of a batch is
that of one process, whoever wrote the objective. A gradient flows back to the own share alone, multiplied by the number
of processes W: data-parallel training averages the gradients of all, (1/W) sum_r W dL/d(share r) = dL/d(batch), and the
parameters that an objective reads directly have the whole gradient in every process already.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor, distributed, nn
from torch.distributions import Distribution

from prioria.data import Split
from prioria.draw import Draw, Latent
from prioria.model import VAE
from prioria.objectives import Loss, Progress
from prioria.train import randomness
from prioria.train.step import Step

if TYPE_CHECKING:
    from accelerate import Accelerator

PLAIN = (bool, int, float, str, type(None), torch.Size)  # what a distribution may hold beside its tensors
LEAST = 2  # rows of a share: an axis of one says that all rows have the same parameters


class Together(nn.Module):
    """A step whose objective sees the rows of all processes.

    Args:
        step: draws the rows of this process.
        accelerator: of this process.
    """

    def __init__(self, step: Step, accelerator: Accelerator) -> None:
        super().__init__()
        self.step, self.accelerator = step, accelerator
        disabled: Any = torch.compiler.disable  # pyright takes it for a decorator without arguments alone
        self.gathered = disabled(gathered)  # here: it loads the compiler, which takes seconds

    def forward(self, x: Tensor, progress: Progress | None, rows: int) -> Loss:
        """Returns the loss of the whole batch.

        Args:
            x: every W-th row of the batch, from that of this process on.
            progress: where training is.
            rows: of the whole batch.
        """
        draw = self.gathered(self.step.draw(x, progress), rows)
        with common_noise(self.accelerator):
            return self.step.objective(draw, progress)


def share(split: Split, rows: Tensor, accelerator: Accelerator) -> Tensor:
    """Returns the rows of this process; bits that are drawn afresh are drawn for the whole batch, as one would."""
    mine = slice(accelerator.process_index, None, accelerator.num_processes)
    if not split.fresh or accelerator.num_processes == 1:
        return split.batch(rows[mine])
    with common_noise(accelerator):
        return split.batch(rows)[mine]


@contextmanager
def told(model: VAE, rows: Tensor, accelerator: Accelerator) -> Iterator[None]:
    """Passes to a model the numbers of the training rows that a step of this process has."""
    model.at_rows(rows[accelerator.process_index :: accelerator.num_processes])
    try:
        yield
    finally:
        model.at_rows(None)


@contextmanager
def common_noise(accelerator: Accelerator) -> Iterator[None]:
    """Lets all processes draw the numbers of the first one's generators, which alone move on."""
    if accelerator.num_processes == 1:
        yield
        return
    own = randomness.capture_torch(accelerator.device)
    common = {name: state.to(accelerator.device, copy=True) for name, state in own.items()}
    for state in common.values():
        distributed.broadcast(state, src=0)
    randomness.restore_torch({name: state.cpu() for name, state in common.items()}, accelerator.device)
    yield
    if not accelerator.is_main_process:
        randomness.restore_torch(own, accelerator.device)


def gathered(draw: Draw, rows: int) -> Draw:
    """Returns the draw of all processes for a batch of so many rows, in the order of the batch."""

    def whole(value: Tensor, axis: int = 1) -> Tensor:
        return _Gather.apply(value, axis, rows)  # pyright: ignore[reportReturnType]

    def over_all(d: Distribution) -> Distribution:
        """Over the rows of all processes; as it is where rows have no parameters of their own."""
        if not d.batch_shape or d.batch_shape[-1] != share:
            return d
        batch = torch.Size([*d.batch_shape[:-1], rows])
        return _rebuilt(d, whole, d.batch_shape, batch) if _is_plain(d) else _Apart(d, batch)

    def latent(own: Latent) -> Latent:
        q, log_q = None if own.q is None else over_all(own.q), None if own.log_q is None else whole(own.log_q)
        return Latent(z=whole(own.z), log_q=log_q, log_p=whole(own.log_p), q=q, p=over_all(own.p))

    assert draw.x is not None and draw.log_px is not None
    share = len(draw.x)
    latents = {name: latent(own) for name, own in draw.latents.items()}
    return replace(draw, latents=latents, px=over_all(draw.px), x=whole(draw.x, 0), log_px=whole(draw.log_px))


class _Gather(torch.autograd.Function):
    """Row i of a batch is row i // W of process i % W."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, axis: int, rows: int) -> Tensor:
        ctx.axis, world = axis, distributed.get_world_size()
        most = -(-rows // world)
        padded = value.new_zeros((most, *value.movedim(axis, 0).shape[1:]))
        padded[: value.shape[axis]] = value.movedim(axis, 0)
        shares = [torch.empty_like(padded) for _ in range(world)]
        distributed.all_gather(shares, padded)
        return torch.stack(shares, 1).flatten(0, 1)[:rows].movedim(0, axis).contiguous()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        world, rank = distributed.get_world_size(), distributed.get_rank()
        mine = gradients[0].movedim(ctx.axis, 0)[rank::world].movedim(0, ctx.axis)
        return mine.contiguous() * world, None, None


def _is_plain(d: Distribution) -> bool:
    """Whether a distribution is made of tensors alone, and not of transforms or functions that may hide some."""
    parts = [value for value in vars(d).values() if not isinstance(value, (Tensor, *PLAIN))]
    return all(isinstance(part, Distribution) and _is_plain(part) for part in parts)


def _rebuilt(d: Distribution, whole: Callable[..., Tensor], share: torch.Size, batch: torch.Size) -> Distribution:
    new = copy.copy(d)
    for name, value in vars(d).items():
        if isinstance(value, Distribution):
            vars(new)[name] = _rebuilt(value, whole, share, batch)
        elif isinstance(value, Tensor) and value.shape[: len(share)] == share:
            vars(new)[name] = whole(value, len(share) - 1)
    vars(new)["_batch_shape"] = torch.Size([*batch, *d.batch_shape[len(batch) :]])
    return new


class _Apart(Distribution):
    """A distribution that only its own process can compute: it says what it is, and refuses the rest."""

    arg_constraints: dict = {}

    def __init__(self, own: Distribution, batch_shape: torch.Size) -> None:
        self.own = own
        super().__init__(batch_shape, own.event_shape, validate_args=False)

    has_rsample = property(lambda self: self.own.has_rsample)  # pyright: ignore[reportAssignmentType]
    support = property(lambda self: self.own.support)  # pyright: ignore[reportAssignmentType]
    mean = property(lambda self: self._refuse())  # pyright: ignore[reportAssignmentType]
    variance = property(lambda self: self._refuse())  # pyright: ignore[reportAssignmentType]

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.__dict__["own"], name)
        if isinstance(value, PLAIN):
            return value
        return self._refuse if callable(value) else self._refuse()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise ValueError(
            f"{type(self.own).__name__} of other processes' rows cannot be gathered, and this objective asks for more "
            "than its draws and their densities; train in one process"
        )

    log_prob = sample = rsample = entropy = cdf = icdf = expand = _refuse
