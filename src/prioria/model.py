"""The variational autoencoder: an encoder, stages of latents, and a likelihood."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from prioria import conditionals, hub, packing, sizes, storage
from prioria.data import Protocol, carried
from prioria.draw import Draw, descend
from prioria.module import Module, evaluation_mode
from prioria.stage import Stage, Stages

__all__ = ["VAE", "Condition", "evaluation_mode", "load", "posterior_mean", "require_finite"]

ENCODE_DRAWS = 64  # draws that stand for the mean of a posterior without a closed one


@dataclass(frozen=True)
class Condition:
    """A model conditioned on a batch: the encoder, the top posterior and an unconditional prior, run once."""

    model: VAE
    x: Float[Tensor, "B D"]
    features: dict[str, Any]
    top: tuple[Distribution, Distribution]

    def draw(self, num_samples: int = 1, *, given: Mapping[str, Tensor] | None = None) -> Draw:
        """Draws K latents for each example and records every log-density.

        Args:
            num_samples: K.
            given: values to hold for some groups, any shape that broadcasts to (K, B, *event).

        Raises:
            ValueError: no draw is asked for, or two parts of the model or values given do not fit each other.
        """
        sizes.check_count("num_samples", num_samples)
        try:
            return self._draw((num_samples, len(self.x)), given)
        except (RuntimeError, IndexError):
            if not torch.compiler.is_compiling():
                sizes.explain(self.model, self.x)
            raise

    def _draw(self, shape: tuple[int, int], given: Mapping[str, Tensor] | None) -> Draw:
        latents, above = descend(self.model.stages, shape, features=self.features, given=given, top=self.top)
        px = self.model.likelihood(above)
        if px.event_shape != self.x.shape[1:]:
            raise sizes.misfit(self.x, px.event_shape)
        return Draw(latents=latents, px=px, x=self.x, log_px=px.log_prob(self.x))


class VAE(Module):
    r"""p(x, z) = p(x|z) p(z), inferred by q(z|x); z may have several groups, p(z) = prod_i p(z_i | z_above).

    One group, named ``z``, is given by ``posterior=`` and ``prior=``; a hierarchy by ``stages=``, top first.

    Args:
        encoder: network x (B, D) -> features, one tensor for all groups or a dict of them by group (one bottom-up
            network); or a dict group -> network, where groups read x through networks of their own.
        likelihood: conditional on the latents, p(x|z).
        posterior: conditional on the features, q(z|x).
        prior: conditional on nothing, p(z).
        stages: group name -> :class:`prioria.stage.Stage`, top group first; instead of ``posterior`` and ``prior``.

    Attributes:
        protocol: of the data that it was built for or trained on: how rows become x, and x rows. It is saved with the
            weights; None where there was no data set.

    Raises:
        ValueError: neither or both of (posterior, prior) and stages are given, an encoder is missing for a group, or a
            prior was built on another encoder, posterior or group than the model's.

    Example:
        >>> from prioria import likelihoods, nets, posteriors, priors
        >>> model = VAE(
        ...     encoder=nets.GatedMLP(6, 8, gated_output=True),
        ...     posterior=posteriors.Gaussian(8, 2),
        ...     prior=priors.StandardNormal(2),
        ...     likelihood=likelihoods.Bernoulli(nets.GatedMLP(2, 8, 6)),
        ... )
        >>> model.draw(torch.zeros(5, 6), num_samples=3).log_w.shape
        torch.Size([3, 5])
    """

    mask_rate = 0.0  # of entries that are left out in training; see prioria.conditionals.hidden

    def __init__(
        self,
        *,
        encoder: nn.Module | Mapping[str, nn.Module],
        likelihood: nn.Module,
        posterior: nn.Module | None = None,
        prior: nn.Module | None = None,
        stages: Mapping[str, Stage] | None = None,
    ) -> None:
        super().__init__()
        stages = _stages(posterior, prior, stages)
        encoders = dict(encoder) if isinstance(encoder, Mapping) else {"": encoder}
        _check_encoders(encoders, list(stages))
        self.encoder = nn.ModuleDict({name or "x": module for name, module in encoders.items()})
        self.stages = Stages(stages)
        self.likelihood = likelihood
        self.protocol: Protocol | None = None
        for name, stage in self.stages.items():
            stage.bind(name, self.encoder_of(name))

    @property
    def groups(self) -> list[str]:
        """Names of the latent groups, top first."""
        return self.stages.names

    @property
    def top(self) -> Stage:
        """The stage of the top group, whose prior depends on nothing."""
        return next(iter(self.stages.values()))

    def at_epoch(self, epoch: int | None) -> None:
        """Passes the epoch to every stage, for schedules that belong to the model, such as the temperature of gates."""
        for stage in self.stages.values():
            stage.at_epoch(epoch)

    def at_rows(self, rows: Tensor | None) -> None:
        """Passes the numbers (B,) of the rows of a training step to every stage, and None after it."""
        for stage in self.stages.values():
            stage.at_rows(rows)

    def encoder_of(self, group: str) -> nn.Module:
        """Returns the network through which a group reads x."""
        return self.encoder[group] if group in self.encoder else self.encoder["x"]

    @staticmethod
    def features_of(group: str, output: Any) -> Any:
        """Returns the features of a group from what its encoder gave.

        Raises:
            ValueError: the encoder gives features by group, and none of this one.
        """
        if isinstance(output, Mapping) and group not in output:
            raise ValueError(
                f"encoder gives features of {list(output)} and none of the group {group!r}; give it those too"
            )
        return output[group] if isinstance(output, Mapping) else output

    def condition(self, x: Any, *, prior: Distribution | None = None) -> Condition:
        """Runs the encoder, the top posterior and the unconditional prior, once, whatever the number of draws.

        Args:
            x: the data (B, D), a tensor, an array or a DataFrame; a single row (D,) is a batch of one.
            prior: p(z) of the top group if it is known already: it does not depend on x.

        Raises:
            ValueError: x does not fit the model.
        """
        x = sizes.as_rows(self, x)
        try:
            return self._condition(x, prior)
        except (RuntimeError, IndexError):
            if not torch.compiler.is_compiling():
                sizes.explain(self, x)
            raise

    def _condition(self, x: Tensor, prior: Distribution | None) -> Condition:
        x = conditionals.hidden(x, self.mask_rate) if self.training and self.mask_rate else x
        shared = {id(module): module(x) for module in self.encoder.values()}
        outputs = {group: shared[id(self.encoder_of(group))] for group in self.groups}
        features = {group: self.features_of(group, h) for group, h in outputs.items()}
        group, stage = self.groups[0], self.top
        prior = stage.prior(None) if prior is None else prior
        return Condition(self, x, features, top=(prior, stage.posterior(features[group], None, prior)))

    def forward(self, x: Any, num_samples: int = 1) -> Draw:
        """Draws, as :meth:`draw` does."""
        return self.draw(x, num_samples)

    def draw(self, x: Any, num_samples: int = 1) -> Draw:
        """Draws K latents for each example: the record that objectives and evaluations read.

        Args:
            x: the data (B, D), a tensor, an array or a DataFrame; a single row (D,) is a batch of one.
            num_samples: K.

        Raises:
            ValueError: x does not fit the model, or two of its parts do not fit each other; the message names them.
        """
        return self.condition(x).draw(num_samples)

    def generate(self, num_samples: int, **given: Any) -> Draw:
        """Samples from the model: latents are (1, n, *event), and so is the batch shape of ``px``.

        Args:
            num_samples: n.
            given: values to hold for some groups, for instance ``z2=`` to fix the top and resample the bottom.

        Raises:
            ValueError: no row is asked for, the model has no group of that name, or shapes do not fit each other.
        """
        self._check_groups(given)
        sizes.check_count("num_samples", num_samples)
        return self._generated((1, num_samples), {name: sizes.as_tensor(self, z) for name, z in given.items()})

    def _generated(self, shape: tuple[int, ...], given: Mapping[str, Tensor], lead: torch.Size | None = None) -> Draw:
        try:
            latents, above = descend(self.stages, shape, given=given)
            px = self.likelihood(above if lead is None else above.reshape(*lead, *above.shape[len(shape) :]))
            return Draw(latents=latents, px=px)
        except (RuntimeError, IndexError):
            sizes.explain(self, given=given)
            raise

    @torch.no_grad()
    def sample(self, num_samples: int) -> Tensor:
        """Returns rows (n, *event) that the model generates, drawn from p(x | z); see :meth:`generate` for p(x | z)."""
        return self.generate(num_samples).px.sample()[0]

    def conditional(self, x: Any, num_draws: int = 10, *, num_samples: int = 1000) -> conditionals.Conditional:
        """Draws the entries of rows that are NaN given the others; see :func:`prioria.conditionals.conditional`.

        Example:
            >>> from torch import nn
            >>> from prioria import likelihoods, nets, posteriors, priors
            >>> schema = {"columns": [{"name": "a", "kind": "real"}, {"name": "b", "kind": "real"}]}
            >>> model = VAE(
            ...     encoder=nets.ColumnsEncoder(schema, nn.Linear(nets.ColumnsEncoder.inputs(schema), 3)),
            ...     posterior=posteriors.Gaussian(3, 1),
            ...     prior=priors.StandardNormal(1),
            ...     likelihood=likelihoods.Columns(nn.Linear(1, likelihoods.Columns.outputs(schema)), schema),
            ... )
            >>> model.conditional([[2.0, torch.nan]], 5).draws[..., 0].tolist()
            [[2.0], [2.0], [2.0], [2.0], [2.0]]
        """
        return conditionals.conditional(self, x, num_draws, num_samples=num_samples)

    @torch.no_grad()
    def encode(self, x: Any, group: str | None = None) -> Tensor:
        """Returns the posterior mean of a group (the top one by default), the groups above at their means.

        The axes before the row stay: (B, D) gives (B, *event), (T, B, D) gives (T, B, *event) and one row (D,) its
        code. In evaluation mode, as a model is after ``fit`` and ``load``, the same x gives the same answer, except of
        gates that are still random. A posterior without a closed mean is averaged over 64 draws of a fixed seed: the
        noise of an inverse autoregressive flow is one for all rows, that of a distribution of your own is as it draws
        it, and may depend on where in x a row is.

        Raises:
            ValueError: x does not fit the model, or it has no group of that name.
        """
        group = self.groups[0] if group is None else group
        self._check_groups([group])
        rows, lead = sizes.flat(self, x)
        mean = next(mean[0] for name, _, mean in self.at_means(rows) if name == group)
        return mean.reshape(*lead, *mean.shape[1:])

    def at_means(self, x: Float[Tensor, "B D"]) -> Iterator[tuple[str, Distribution, Float[Tensor, "1 B ..."]]]:
        """Yields each group's name, posterior and posterior mean, top first, the groups above at their means."""
        condition, above = self.condition(x), None
        for name, stage in self.stages.items():
            p = stage.prior(above)
            q = stage.posterior(condition.features[name], above, p)
            mean = posterior_mean(q).expand(1, x.shape[0], *p.event_shape)
            yield name, q, mean
            above = stage.merge(above, mean)

    def decode(self, z: Any) -> Distribution:
        """Returns p(x | z), its batch shape the leading axes of z.

        Args:
            z: latents (..., *event), or a dict of them in a hierarchy; missing lower groups are sampled.

        Raises:
            ValueError: no latents, a group that the model does not have, or latents of another shape than it has.
        """
        given = dict(z) if isinstance(z, Mapping) else {self.groups[0]: z}
        if not given:
            raise ValueError("z is empty; give the latents of at least one group, or call generate(n)")
        self._check_groups(given)
        latents = sizes.generated(self).latents
        given = {name: sizes.as_tensor(self, value) for name, value in given.items()}
        leads = [sizes.lead(name, value, latents[name].z.shape[2:]) for name, value in given.items()]
        lead = torch.broadcast_shapes(*leads)
        shape = (1,) * (2 - len(lead)) + lead  # a draw has the axes (K, B), at least
        return self._generated(shape, given, lead).px

    def check(self, x: Any) -> str:
        """Draws once and returns a table of shapes.

        Raises:
            ValueError: x does not fit, two parts do not fit each other, or a density does not come out as (K, B); the
                message names the part.
        """
        x = sizes.as_rows(self, x)
        with torch.random.fork_rng(), torch.no_grad():
            draw = self.draw(x[:2].expand(2, *x.shape[1:]), num_samples=3)
        return "\n".join(sizes.shapes(draw))

    def save(self, path: str | Path) -> None:
        """Writes ``model.safetensors``, ``model.json`` and the treatment of its rows into a folder, each atomically."""
        storage.save(self, Path(path))
        if self.protocol is not None:
            carried.write(self.protocol, Path(path))

    def push_to_hub(self, name: str, *, card: str | None = None, **options: Any) -> str:
        """Uploads the model to the Hugging Face Hub, and returns its address.

        Args:
            name: user/name there.
            card: README.md; ``prioria.report.push_to_hub(run, name)`` makes one of what was measured.
            **options: of :func:`prioria.hub.upload`, whose errors it raises.
        """
        with TemporaryDirectory(prefix="prioria-") as folder:
            self.save(folder)
            storage.write_text(Path(folder) / "README.md", card or hub.CARD.format(name=name))
            return hub.upload(Path(folder), name, **options)

    def _check_groups(self, names: Any) -> None:
        unknown = sorted(set(names) - set(self.groups))
        if unknown:
            raise ValueError(f"group {unknown[0]!r} is unknown; this model has {', '.join(self.groups)}")


def load(path: str | Path, modules: dict[str, nn.Module] | None = None) -> VAE:
    """Loads a model that :meth:`VAE.save` or ``prioria pack`` wrote, in evaluation mode.

    Only weights and names are read, nothing is unpickled.

    Args:
        path: the folder, that of a run, whose best weights are loaded, a packed model (model.zip), or hf://user/name.
        modules: instances of the modules that are not prioria's, by their path in the architecture.

    Raises:
        ValueError: a file is missing or damaged, a module is missing from ``modules``, the weights do not fit, or a
            parameter is not finite.
    """
    with packing.unpacked(path) as folder:
        model = storage.load(folder, modules)
        if not isinstance(model, VAE):
            raise ValueError(f"path={str(path)!r} holds a {type(model).__name__}, not a VAE")
        require_finite(model, path, "resume the run, whose checkpoint may be whole, or")
        model.protocol = carried.read(folder)
    return model


def require_finite(model: VAE, path: str | Path, first: str = "") -> None:
    """Raises ValueError where a parameter that was read from a path is not finite; ``first`` is what to try at first.

    A model that diverged would otherwise give numbers to whoever asks it what does not touch that parameter.
    """
    for name, parameter in model.named_parameters():
        if not parameter.isfinite().all():
            advice = f"{first} train again with a lower learning rate or with gradient clipping".strip()
            raise ValueError(f"path={str(path)!r}: the parameter {name} is not finite; {advice}")


def posterior_mean(q: Distribution) -> Tensor:
    """Returns the mean of a posterior; where there is no closed one, the average of 64 draws of a fixed seed."""
    try:
        return q.mean
    except NotImplementedError:
        if shared := getattr(q, "mean_of_draws", None):
            return shared(ENCODE_DRAWS)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return q.sample(torch.Size([ENCODE_DRAWS])).mean(0)


def _stages(
    posterior: nn.Module | None, prior: nn.Module | None, stages: Mapping[str, Stage] | None
) -> dict[str, Stage]:
    if stages is not None:
        if posterior is not None or prior is not None or not stages:
            raise ValueError("stages: give either stages={name: Stage, ...}, top first, or posterior= and prior=")
        for name in stages:
            if not name or "." in name or hasattr(Stages({}), name):
                raise ValueError(f"stages: a module cannot have a part called {name!r}; use a name such as 'z1'")
        return dict(stages)
    if posterior is None or prior is None:
        raise ValueError("posterior and prior: give both, or stages={name: Stage, ...}")
    return {"z": Stage(prior=prior, posterior=posterior)}


def _check_encoders(encoders: dict[str, nn.Module], groups: list[str]) -> None:
    if "" not in encoders and set(encoders) != set(groups):
        raise ValueError(
            f"encoder has networks for {sorted(encoders)} but the groups are {groups}; give one for each group"
        )
