"""The sheet: data, reconstructions, prior samples and pseudo-inputs of a model in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prioria.data import Dataset
from prioria.model import VAE
from prioria.report import pictures, style, vectors, waves
from prioria.report.clouds import cloud_of
from prioria.report.pictures import Section
from prioria.report.shown import show

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLE_ROWS, PSEUDO_INPUT_ROWS = 3, 2
POINTS = 2000  # rows shown of data that are no pictures


def sheet(model: VAE, dataset: Dataset, path: str | Path, *, seed: int = 0, columns: int = 12) -> Path:
    """Writes one picture of what a model learned, and returns its path.

    Of pictures: rows of test data, reconstructions, prior samples (as means of p(x | z)) and the pseudo-inputs of a
    VampPrior. Of points in the plane: scatter plots of the same, and the latent space. Of series: curves of the same.
    Of other rows: histograms of each column of data and samples. The model's mode and the global random numbers are
    left as they were.

    Args:
        model: the model.
        dataset: its data.
        path: the .png or .svg file.
        seed: of the samples.
        columns: pictures in a row.

    Raises:
        ValueError: another kind of file, or no column.
    """
    path = style.check_picture(path)
    return style.write(draw(model, dataset, seed=seed, columns=columns), path)


def draw(model: VAE, dataset: Dataset, *, seed: int = 0, columns: int = 12) -> Figure:
    """Returns the figure that :func:`sheet` writes."""
    if len(dataset.shape) == 3:
        return pictures.page(sections(model, dataset, seed=seed, columns=columns), dataset.protocol, columns=columns)
    shown = show(model, dataset, rows=POINTS, samples=POINTS, seed=seed)
    if dataset.protocol.series is not None:
        return waves.series(shown, dataset.protocol)
    if dataset.dimensions != 2:
        return vectors.histograms(shown, dataset.protocol)
    cloud = cloud_of(model, dataset, seed=seed, points=POINTS)
    return vectors.plane(shown, cloud, dataset.protocol)


def sections(model: VAE, dataset: Dataset, *, seed: int = 0, columns: int = 12) -> dict[str, Section]:
    """Returns the rows of pictures of a sheet, by their headings.

    Raises:
        ValueError: no column.
    """
    if columns < 1:
        raise ValueError(f"columns={columns} must be at least 1")
    shown = show(model, dataset, rows=columns, samples=columns * SAMPLE_ROWS, seed=seed)
    found = {
        "Data": Section(shown.data, "test split"),
        "Reconstructions": Section(shown.reconstructions, "mean of p(x | z) at the posterior means"),
        "Prior samples": Section(shown.means, "mean of p(x | z), z drawn from the prior"),
    }
    if shown.pseudo_inputs is not None:
        most_used = shown.pseudo_inputs[: columns * PSEUDO_INPUT_ROWS]
        found["Pseudo-inputs"] = Section(most_used, f"{len(most_used)} of {len(shown.pseudo_inputs)}, most used first")
    return found
