"""Classical models of the same rows: what a deep one has to beat."""

from prioria.evaluate.classical.fitted import Baseline, Baselines, baselines

__all__ = ["Baseline", "Baselines", "baselines"]
