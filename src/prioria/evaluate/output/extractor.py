"""Features of images, in which sets of images are compared. Every extractor has a name that numbers carry."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from prioria.data.base import Dataset
from prioria.evaluate.output.inception import FEATURES, Inception
from prioria.module import Module
from prioria.nets import ConvEncoder
from prioria.storage import read_tensors


@runtime_checkable
class Extractor(Protocol):
    """A map from rows of pixels to features, with a name by which numbers are told apart."""

    @property
    def name(self) -> str:
        """What the features are of, in words."""
        ...

    def __call__(self, rows: Float[Tensor, "n D"], /) -> Float[Tensor, "n F"]:
        """Returns the features of rows in [0, 1]."""
        ...


class Classifier(Module):
    """A small convolutional network trained to tell the classes of one data set apart: its last hidden layer.

    For 28x28 data Inception features mean little; these are at least of the data. Build it with :func:`fit_classifier`.

    Args:
        shape: image shape (C, H, W).
        classes: number of classes.
        data: name of the data set that it was trained on.
        accuracy: on the test split.
        features: width of the last hidden layer.
    """

    def __init__(
        self, shape: tuple[int, ...], classes: int, *, data: str = "", accuracy: float = 0.0, features: int = 128
    ) -> None:
        super().__init__()
        self.hidden = ConvEncoder((shape[0], shape[1], shape[2]), features)
        self.head = nn.Linear(features, classes)
        self.shape, self.classes, self.data, self.accuracy, self.features = shape, classes, data, accuracy, features

    def forward(self, rows: Float[Tensor, "n D"]) -> Float[Tensor, "n F"]:
        return self.hidden(rows)

    @property
    def hash(self) -> str:
        """sha256 of the weights."""
        weights = b"".join(t.detach().cpu().contiguous().numpy().tobytes() for t in self.state_dict().values())
        return hashlib.sha256(weights).hexdigest()

    @property
    def name(self) -> str:
        """Data, accuracy and hash."""
        return f"classifier of {self.data}, {self.accuracy:.2%} right on test, sha256 {self.hash[:12]}"


class InceptionFeatures(Module):
    """The 2,048 features of the Inception network that FID is named after, from weights that the user has.

    Rows in [0, 1] are made images of three channels, enlarged to 299 x 299 bilinearly without aligned corners, and
    scaled to [-1, 1], as the PyTorch port of FID does. Differences between such ports amount to a few hundredths.

    Args:
        shape: image shape (C, H, W), one or three channels.
        weights: a .safetensors file of the port's ``pt_inception-2015-12-05`` state dict; the pickled original is not
            read.

    Raises:
        ValueError: another number of channels, or a file that does not hold these weights.
    """

    def __init__(self, shape: tuple[int, ...], weights: str) -> None:
        super().__init__()
        if len(shape) != 3 or shape[0] not in (1, 3):
            raise ValueError(f"shape={shape} is no image of one or three channels")
        state = {f"layers.{name}": t for name, t in read_tensors(Path(weights)).items() if not name.startswith("fc.")}
        self.shape, self.network = shape, Inception()
        try:
            self.network.load_state_dict(state)
        except RuntimeError as error:
            raise ValueError(f"weights={weights!r} are not those of the FID Inception network ({error})") from error

    def forward(self, rows: Float[Tensor, "n D"]) -> Float[Tensor, "n F"]:
        images = rows.reshape(-1, *self.shape).expand(-1, 3, -1, -1)
        images = F.interpolate(images, size=(299, 299), mode="bilinear", align_corners=False)
        return self.network(2 * images - 1)

    @property
    def name(self) -> str:
        """The network and its preprocessing."""
        return f"Inception v3 of 2015, {FEATURES} features, bilinear to 299"


def fit_classifier(data: Dataset, *, epochs: int = 3, seed: int = 0, batch_size: int = 100) -> Classifier:
    """Trains the classifier of a labeled data set of images; the random numbers of the caller stay as they were.

    Args:
        data: images with labels (N,).
        epochs: passes over the training rows.
        seed: of weights and order.
        batch_size: rows in a step of Adam (1e-3).

    Raises:
        ValueError: the data are no images, or have no single label for each.
    """
    if len(data.shape) != 3 or data.train.labels is None or data.train.labels.dim() != 1:
        raise ValueError(f"data={data.name!r} has no image with one label in each row; use InceptionFeatures")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Classifier(data.shape, int(data.train.labels.max()) + 1)
        optimizer = torch.optim.Adam(network.parameters(), 1e-3)
        for _ in range(epochs):
            for batch in torch.randperm(len(data.train)).split(batch_size):
                logits = network.head(network(data.train.batch(batch)))
                optimizer.zero_grad()
                F.cross_entropy(logits, data.train.labels[batch].long()).backward()
                optimizer.step()
        trained = Classifier(network.shape, network.classes, data=data.name, accuracy=_accuracy(network, data))
    trained.load_state_dict(network.state_dict())
    return trained.eval()


@torch.no_grad()
def _accuracy(network: Classifier, data: Dataset) -> float:
    assert data.test.labels is not None
    batches = torch.arange(len(data.test)).split(1000)
    found = [network.head(network(data.test.batch(batch))).argmax(1) == data.test.labels[batch] for batch in batches]
    return torch.cat(found).double().mean().item()
