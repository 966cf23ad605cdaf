"""All that is known of one run: its folder, its model, and its evaluation where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prioria.evaluate import Estimate
from prioria.report import evaluation as evaluations
from prioria.report.architecture import as_code
from prioria.report.evaluation import Evaluation
from prioria.train import Run
from prioria.train.run import read_specification


@dataclass(frozen=True, eq=False)
class Subject:
    """A run to report on.

    Attributes:
        folder: of the run.
        run: the run.
        specification: its run.json.
        evaluation: its evaluation.json; None where there is none of these weights.
        pointwise: log p(x) of each evaluated example (N,); None where the evaluation kept none.
    """

    folder: Path
    run: Run
    specification: dict[str, Any]
    evaluation: Evaluation | None
    pointwise: Tensor | None

    @classmethod
    def of(cls, run: Run | str | Path) -> Subject:
        """Reads a run folder; a run itself is needed where its data cannot be found by name.

        An evaluation of weights that the run had before it was trained further is left out.

        Raises:
            ValueError: there is no run, a file is damaged, or the run was never written to a folder.
        """
        if not isinstance(run, Run):
            with torch.random.fork_rng([]):  # the weights of new modules are drawn before they are read
                run = Run.load(run)
        if run.path is None:
            raise ValueError("run was written to no folder; train it with fit(..., out=FOLDER)")
        folder = Path(run.path)
        found = evaluations.read(folder) if (folder / evaluations.FILE).exists() else None
        if found is None or found.weights != evaluations.digest(folder):
            return cls(folder, run, read_specification(folder), None, None)
        return cls(folder, run, read_specification(folder), found, evaluations.read_pointwise(folder))

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.resolve().name

    @property
    def prior(self) -> str:
        """The class of the prior; of a hierarchy, of each group."""
        stages = self.run.model.stages
        names = {group: type(stage.p).__name__ for group, stage in stages.items()}
        return names["z"] if list(names) == ["z"] else ", ".join(f"{group}: {name}" for group, name in names.items())

    @property
    def likelihood(self) -> str:
        """The class of the likelihood."""
        return type(self.run.model.likelihood).__name__

    @property
    def objective(self) -> str:
        """The objective, as code."""
        return as_code(self.specification["step"]["args"]["objective"])

    @property
    def architecture(self) -> str:
        """The model, as code."""
        return as_code(self.specification["step"]["args"]["model"])

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        return sum(parameter.numel() for parameter in self.run.model.parameters() if parameter.requires_grad)

    @property
    def numbers(self) -> dict[str, Estimate]:
        """Every estimate by its name, the log-likelihood first."""
        found = self.evaluation
        return {} if found is None else {"log-likelihood": found.log_likelihood, "ELBO": found.elbo, **found.parts}
