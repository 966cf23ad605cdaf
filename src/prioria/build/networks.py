"""Pairs of an encoder and a decoder for rows of one shape."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from torch import nn

from prioria import nets

FEWEST_PLACES = 16  # pixels of a side, or steps, from which on networks are convolutions where none is chosen


class Networks(ABC):
    """An encoder with the width of its features, and how to make a decoder.

    Args:
        shape: of a row of data.
        hidden: widths, whose meaning is the kind's; None for its defaults.

    Raises:
        ValueError: more widths than the kind of network uses, or fewer than it needs; or colors that come last.
    """

    name: ClassVar[str]
    default: ClassVar[tuple[int, ...]] = (300, 300)
    count: ClassVar[tuple[float, float]] = (1, math.inf)  # of widths, at least and at most
    meaning: ClassVar[str] = "the width of each hidden layer"
    dense: ClassVar[bool] = False  # layers of units alone, which read and return rows

    def __init__(self, shape: tuple[int, ...], hidden: tuple[int, ...] | None = None) -> None:
        self.shape = tuple(shape)
        self.hidden = self.usual(self.shape) if hidden is None else tuple(hidden)
        if not self.count[0] <= len(self.hidden) <= self.count[1] or min(self.hidden) < 1:
            given = " ".join(map(str, self.hidden))
            raise ValueError(f"network.hidden {given} does not fit network {self.name}; give {self.meaning}")
        if len(shape) == 3 and shape[2] in (1, 3) and shape[0] not in (1, 3):
            # convolutions would run over columns and colors, and every picture of a report would be nonsense
            raise ValueError(
                f"the data has shape {self.shape}, which looks like (height, width, channels); save it as "
                "(N, channels, height, width), in numpy by x.transpose(0, 3, 1, 2), or as flat rows (N, D) if these "
                "are no pictures"
            )

    @classmethod
    def usual(cls, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the widths where none are given."""
        return cls.default

    @property
    def inputs(self) -> int:
        """Values in a row."""
        return math.prod(self.shape)

    @property
    def features(self) -> int:
        """Width of what the encoder returns."""
        return self.hidden[-1]

    @property
    def image(self) -> tuple[int, int, int]:
        """Channels, height and width of a row.

        Raises:
            ValueError: the rows are no pictures.
        """
        if len(self.shape) != 3:
            raise ValueError(f"network {self.name} needs images, and the data has shape {self.shape}; use gated or mlp")
        channels, height, width = self.shape
        return channels, height, width

    @property
    def places(self) -> tuple[int, ...]:
        """Channels and places of a row: height and width of a picture, or steps of a series.

        Raises:
            ValueError: the rows are neither.
        """
        return self.shape if len(self.shape) == 2 else self.image

    @abstractmethod
    def encoder(self) -> nn.Module:
        """Returns a network x (..., D) -> features (..., F)."""

    @abstractmethod
    def decoder(self, latents: int, per_value: int) -> nn.Module:
        """Returns a network z (..., L) -> (..., per_value * D)."""


class Gated(Networks):
    """Gated layers.

    Args:
        shape: of a row of data.
        hidden: widths of hidden layers [300 300].
    """

    name, dense = "gated", True

    def encoder(self) -> nn.Module:
        return nets.GatedMLP(self.inputs, *self.hidden, gated_output=True)

    def decoder(self, latents: int, per_value: int) -> nn.Module:
        return nets.GatedMLP(latents, *self.hidden[::-1], per_value * self.inputs)


class MLP(Networks):
    """Layers with rectifiers.

    Args:
        shape: of a row of data.
        hidden: widths of hidden layers [300 300].
    """

    name, dense = "mlp", True

    def encoder(self) -> nn.Module:
        return nets.MLP(self.inputs, *self.hidden, activate_output=True)

    def decoder(self, latents: int, per_value: int) -> nn.Module:
        return nets.MLP(latents, *self.hidden[::-1], per_value * self.inputs)


class Residual(Networks):
    """Residual blocks of one width.

    Args:
        shape: of a row of data.
        hidden: width of the blocks and, if another, of the features [300 300].
    """

    name, count = "residual", (1, 2)
    meaning = "the width of its blocks and, if another, that of the features"

    def encoder(self) -> nn.Module:
        return nets.ResidualMLP(self.inputs, self.features, width=self.hidden[0])

    def decoder(self, latents: int, per_value: int) -> nn.Module:
        return nets.ResidualMLP(latents, per_value * self.inputs, width=self.hidden[0])


class GatedConv(Networks):
    """The gated convolutions of the VampPrior paper, for pictures.

    Args:
        shape: of a row of data.
        hidden: width of the features [300].
    """

    name, default, count = "gated-conv", (300,), (1, 1)
    meaning = "one width, that of the features; its channels are the paper's"

    def encoder(self) -> nn.Module:
        convolutions = nets.GatedConvEncoder(self.image)
        return nets.Chain(convolutions, nets.GatedLinear(convolutions.features, self.features))

    def decoder(self, latents: int, per_value: int) -> nn.Module:
        first = nets.GatedLinear(latents, self.features)
        return nets.Chain(first, nets.GatedConvDecoder(self.features, self.image, outputs_per_pixel=per_value))


class Conv(Networks):
    """Convolutions that halve a picture or a series, then a layer of features.

    Args:
        shape: of a row of data.
        hidden: channels of each layer, then the width of the features; by default 32 64 128 256, with fewer layers for
            rows of fewer than 32 pixels or steps.
    """

    name, default, count = "conv", (32, 64, 128, 256), (2, math.inf)
    meaning = "the channels of each layer, then the width of the features, as in 32 64 256"

    @classmethod
    def usual(cls, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns so many layers that four places are left on the shortest side."""
        *channels, features = cls.default
        return (*channels[: max(1, min(len(channels), int(math.log2(min(shape[1:], default=4))) - 2))], features)

    def encoder(self) -> nn.Module:
        return nets.ConvEncoder(self.places, self.features, channels=self.hidden[:-1])

    def decoder(self, latents: int, per_value: int) -> nn.Module:
        return nets.ConvDecoder(latents, self.places, channels=self.hidden[:-1], outputs_per_pixel=per_value)


class Frequency(Networks):
    """Gated layers between the frequencies of pictures or series, for likelihood frequency-gaussian.

    Args:
        shape: of a row of data.
        hidden: widths of hidden layers [300 300].
    """

    name = "frequency"

    def encoder(self) -> nn.Module:
        return nets.FrequencyEncoder(self.places, self.hidden)

    def decoder(self, latents: int, per_value: int) -> nn.Module:
        return nets.FrequencyDecoder(latents, *self.hidden[::-1], per_value * self.inputs)


class OfTable(Networks):
    """Networks of one kind for the rows of a table: the encoder sees what is missing, the decoder has every head.

    Args:
        make: the networks for rows of a shape.
        schema: the columns.
    """

    name, dense = "of a table", True

    def __init__(self, make: Callable[[tuple[int, ...]], Networks], schema: Any) -> None:
        self.make, self.schema = make, schema
        self.reader = make((nets.ColumnsEncoder.inputs(schema),))
        super().__init__(self.reader.shape, self.reader.hidden)

    @property
    def features(self) -> int:
        return self.reader.features

    def encoder(self) -> nn.Module:
        return nets.ColumnsEncoder(self.schema, self.reader.encoder())

    def decoder(self, latents: int, per_value: int) -> nn.Module:
        return self.make((per_value,)).decoder(latents, 1)
