"""From measurements to sentences: what is wrong, what it means, and which option to try."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from prioria.evaluate.latent import ActiveUnits, Components, Divergence, KLPerDimension, Overlap
from prioria.evaluate.output import Reconstruction

COLLAPSED = 0.1  # nats of rate
IGNORED = 0.05  # of the data's spread
MISPLACED = 5.0  # times the share that would lie outside if prior and aggregate posterior were one
WASTED = 0.1  # of the components
NOISY = 2.0  # times the error from the means
NARROW, WIDE = 0.2, 4.0  # scale of p(x|z), times the size of its errors: each error is measured in its own scale


@dataclass(frozen=True, eq=False)
class Measurements:
    """What a diagnosis looks at.

    Attributes:
        pseudo_inputs: whether the top group's prior has pseudo-inputs.
        blocks: whether it is a flow in blocks.
        is_binary: whether the latents of the top group are bits.
        is_fused: whether its posterior depends on its prior, so that no other prior can be fitted to it.
        units: variances of posterior means.
        rates: of the groups, nats.
        dimensions: KL of single latents by group.
        overlap: pockets, leaks and the two-sample test.
        divergence: symmetric KL of prior and aggregate posterior.
        components: of the prior, where it is a mixture.
        reconstruction: errors from means and draws.
    """

    pseudo_inputs: bool
    blocks: bool
    is_binary: bool
    is_fused: bool
    units: ActiveUnits
    rates: dict[str, float]
    dimensions: dict[str, KLPerDimension | None]
    overlap: Overlap
    divergence: Divergence
    components: Components | None
    reconstruction: Reconstruction

    @property
    def rate(self) -> float:
        """Of all groups, nats."""
        return sum(self.rates.values())


@dataclass(frozen=True)
class Finding:
    """Something to know about a model.

    Attributes:
        name: of the fault, in the field's words.
        severity: "fault" spoils the model, "warning" the samples or a part of it, "note" is worth knowing.
        meaning: what was seen and what it means.
        remedy: which option to try.
    """

    name: str
    severity: Literal["fault", "warning", "note"]
    meaning: str
    remedy: str


def findings(seen: Measurements) -> list[Finding]:
    """Returns what is wrong, the worst first; an empty list where nothing is."""
    found = [finding for rule in RULES if (finding := rule(seen)) is not None]
    return by_severity(found)


def by_severity(found: Iterable[Finding]) -> list[Finding]:
    """Returns findings with the worst first."""
    return sorted(found, key=lambda finding: ("fault", "warning", "note").index(finding.severity))


def _collapse(seen: Measurements) -> Finding | None:
    if seen.rate >= COLLAPSED:
        return None
    return Finding(
        "posterior collapse",
        "fault",
        f"The latents carry {seen.rate:.2g} nats about an example: its posterior is the prior, and every "
        "reconstruction is an average of the data.",
        "Lower beta, warm it up (--objective.warmup '100 epochs'), grant free bits (--objective.free-bits 0.5), or "
        "hold a reconstruction target (--constraint rewo).",
    )


def _dead_decoder(seen: Measurements) -> Finding | None:
    if seen.reconstruction.sensitivity >= IGNORED:
        return None
    return Finding(
        "dead decoder",
        "fault",
        f"What the decoder gives moves by {seen.reconstruction.sensitivity:.1%} of the data's spread when z is drawn "
        f"from the prior, although the posteriors differ from it by {seen.rate:.2g} nats: it ignores its latents.",
        "Check the decoder's last layers and its learning rate (saturated or dead units, a zero initialization); if "
        "the rate is near zero too, the decoder gave up with the posterior: lower beta first.",
    )


def _dead_encoder(seen: Measurements) -> Finding | None:
    if seen.rate < COLLAPSED or any(seen.units.counts.values()) or seen.reconstruction.response >= IGNORED:
        return None
    return Finding(
        "dead encoder",
        "fault",
        f"Every example has the same posterior, and it differs from the prior by {seen.rate:.2g} nats: the latents "
        "carry nothing about x, and the rate is paid for nothing.",
        "Check the encoder's last layers, the heads of the posterior and the learning rate (saturated or dead units, a "
        "zero initialization), and the scale of the data; then train again.",
    )


def _dead_units(seen: Measurements) -> Finding | None:
    counts, units = seen.units.counts, seen.units.variances
    idle = {name: units[name].numel() - count for name, count in counts.items() if 2 * count < units[name].numel()}
    if not idle or not any(counts.values()) or seen.rate < COLLAPSED:
        return None
    where = " in these groups (--stages.groups or --stages.latents where a run has --stages)"
    fewer = "--latents" if len(units) == 1 else f"latents{where}"
    parts = ", ".join(f"{number} of {units[name].numel()} in {name}" for name, number in idle.items())
    active, total = sum(counts.values()), sum(each.numel() for each in units.values())
    return Finding(
        "idle latents",
        "note",
        f"{active} of {total} latents carry the information: the posterior means of {parts} vary by less than "
        f"{seen.units.threshold:g} over the data.",
        f"Harmless; fewer {fewer} give the same model, a warm-up or a learned prior may wake some.",
    )


def _pockets(seen: Measurements) -> Finding | None:
    share = seen.overlap.pockets
    if share is None or share <= MISPLACED * seen.overlap.level:
        return None
    return Finding(
        "pockets",
        "warning",
        f"{share:.0%} of the samples start where less than {seen.overlap.level:.0%} of the encodings are: the decoder "
        "was never trained there, and these samples are off the data.",
        _better_prior(seen),
    )


def _better_prior(seen: Measurements) -> str:
    if seen.is_fused:
        return (
            "Train with --levels 2, a hierarchy under any prior: the posterior of this one depends on its prior, so "
            "that no other can be fitted to it."
        )
    options = "--prior vamp" if seen.is_binary else "--prior realnvp"  # a flow gives bits no probability
    if seen.pseudo_inputs and seen.is_binary:
        options += " --prior.components with more of them"
    if seen.blocks:
        options += " --prior.blocks 12 and more --steps, or --prior vamp"
    return (
        "Fit another prior to this encoder, which leaves the representation as it is: prioria refit-prior RUN "
        f"{options}. Or train with it."
    )


def _leaks(seen: Measurements) -> Finding | None:
    share = seen.overlap.leaks
    if share <= MISPLACED * seen.overlap.level:
        return None
    return Finding(
        "leaks",
        "warning",
        f"{share:.0%} of the encodings lie where the prior draws less than {seen.overlap.level:.0%} of its samples: "
        "that part of the data is hardly ever generated.",
        _better_prior(seen) + " Or raise beta, which pulls the encodings in at the price of reconstructions.",
    )


def _dead_components(seen: Measurements) -> Finding | None:
    parts = seen.components
    if parts is None or parts.dead <= WASTED * parts.count:
        return None
    return Finding(
        "dead components",
        "warning",
        f"{parts.dead} of the {parts.count} {_components(seen)} have less than a tenth of the "
        "encodings that their weight stands for, but all of the samples.",
        f"{_start(seen)}Use fewer (--prior.components){_weights(seen)}.",
    )


def _duplicates(seen: Measurements) -> Finding | None:
    parts = seen.components
    if parts is None or parts.count - parts.distinct <= WASTED * parts.count:
        return None
    return Finding(
        "duplicate components",
        "warning",
        f"Of the {parts.count} {_components(seen)} only {parts.distinct} differ by 0.05 nats "
        "or more: the prior has fewer modes than it pays for.",
        f"{_start(seen)}Use fewer (--prior.components).",
    )


def _components(seen: Measurements) -> str:
    return "pseudo-inputs" if seen.pseudo_inputs else "components"


def _start(seen: Measurements) -> str:
    if not seen.pseudo_inputs:
        return ""
    return (
        "Start pseudo-inputs apart, at training rows (priors.VampPrior(pseudo_inputs=...)) or with more noise "
        "(--prior.initial). "
    )


def _weights(seen: Measurements) -> str:
    if seen.is_binary:  # the mixture's components are Gaussians
        return ""
    return ", or learn the weights (" + "--prior mixture " * seen.pseudo_inputs + "--prior.learned-weights)"


def _noise(seen: Measurements) -> Finding | None:
    parts = seen.reconstruction
    if parts.from_draws <= NOISY * parts.from_mean:
        return None
    return Finding(
        "noisy codes",
        "note",
        f"Reconstructions from draws are {parts.from_draws / parts.from_mean:.1f} times as far off as from the means: "
        "posteriors are wider than what the decoder tells apart.",
        f"Lower beta{_weight_of_reconstruction(parts)}; for encodings use the means.",
    )


def _weight_of_reconstruction(parts: Reconstruction) -> str:
    if parts.standardized is None:  # bits, classes and words have no scale
        return ""
    return ", or raise the weight of the reconstruction (a smaller --likelihood.scale)"


def _narrow_decoder(seen: Measurements) -> Finding | None:
    parts = seen.reconstruction
    if parts.standardized is None or parts.standardized <= 1 / NARROW:
        return None
    return Finding(
        "decoder variance collapse",
        "fault",
        f"Errors are {parts.standardized:.3g} times the standard deviation that p(x|z) claims for them: the likelihood "
        "is dominated by a few values, and the rate counts for nothing.",
        "Learn one variance for all values (--likelihood.variance global), or raise --likelihood.minimum-scale.",
    )


def _wide_decoder(seen: Measurements) -> Finding | None:
    parts = seen.reconstruction
    if parts.standardized is None or parts.standardized >= 1 / WIDE:
        return None
    return Finding(
        "decoder variance too large",
        "note",
        f"Errors are {parts.standardized:.3g} times the standard deviation that p(x|z) claims for them: reconstruction "
        "is weighed as little as under a large beta.",
        "Learn it (--likelihood.variance global) or lower --likelihood.scale.",
    )


RULES: tuple[Callable[[Measurements], Finding | None], ...] = (
    _collapse,
    _dead_decoder,
    _dead_encoder,
    _narrow_decoder,
    _pockets,
    _leaks,
    _dead_components,
    _duplicates,
    _noise,
    _wide_decoder,
    _dead_units,
)
