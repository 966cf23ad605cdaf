"""Networks. Any ``torch.nn.Module`` will do in their place; these are the ones of the papers."""

from prioria.nets.bottom_up import BottomUp
from prioria.nets.columns import ColumnsEncoder
from prioria.nets.conv import ConvDecoder, ConvEncoder, GatedConvDecoder, GatedConvEncoder
from prioria.nets.frequency import FrequencyDecoder, FrequencyEncoder
from prioria.nets.gated import GatedLinear, GatedMLP
from prioria.nets.join import Chain, Join, Parallel
from prioria.nets.masked import Autoregressive
from prioria.nets.mlp import MLP
from prioria.nets.pixels import MaskedConv2d, PixelCNN
from prioria.nets.pyramid import Pyramid, PyramidHead
from prioria.nets.residual import ResidualDecoder, ResidualEncoder, ResidualMLP
from prioria.nets.rows import Rows
from prioria.nets.skip import ByClass, Select, Skip, Squash
from prioria.nets.stack import ConvStack, DeconvStack
from prioria.nets.words import TfIdf, TopicShares, TopicWords

__all__ = [
    "MLP",
    "Autoregressive",
    "BottomUp",
    "ByClass",
    "Chain",
    "ColumnsEncoder",
    "ConvDecoder",
    "ConvEncoder",
    "ConvStack",
    "DeconvStack",
    "FrequencyDecoder",
    "FrequencyEncoder",
    "GatedConvDecoder",
    "GatedConvEncoder",
    "GatedLinear",
    "GatedMLP",
    "Join",
    "MaskedConv2d",
    "Parallel",
    "PixelCNN",
    "Pyramid",
    "PyramidHead",
    "ResidualDecoder",
    "ResidualEncoder",
    "ResidualMLP",
    "Rows",
    "Select",
    "Skip",
    "Squash",
    "TfIdf",
    "TopicShares",
    "TopicWords",
]
