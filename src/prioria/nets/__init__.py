"""Networks. Any ``torch.nn.Module`` will do in their place; these are the ones of the papers."""

from prioria.nets.bottom_up import BottomUp as BottomUp
from prioria.nets.columns import ColumnsEncoder as ColumnsEncoder
from prioria.nets.conv import ConvDecoder as ConvDecoder
from prioria.nets.conv import ConvEncoder as ConvEncoder
from prioria.nets.conv import GatedConvDecoder as GatedConvDecoder
from prioria.nets.conv import GatedConvEncoder as GatedConvEncoder
from prioria.nets.gated import GatedLinear as GatedLinear
from prioria.nets.gated import GatedMLP as GatedMLP
from prioria.nets.join import Chain as Chain
from prioria.nets.join import Join as Join
from prioria.nets.join import Parallel as Parallel
from prioria.nets.masked import Autoregressive as Autoregressive
from prioria.nets.mlp import MLP as MLP
from prioria.nets.pyramid import Pyramid as Pyramid
from prioria.nets.pyramid import PyramidHead as PyramidHead
from prioria.nets.residual import ResidualDecoder as ResidualDecoder
from prioria.nets.residual import ResidualEncoder as ResidualEncoder
from prioria.nets.residual import ResidualMLP as ResidualMLP
from prioria.nets.rows import Rows as Rows
from prioria.nets.skip import ByClass as ByClass
from prioria.nets.skip import Select as Select
from prioria.nets.skip import Skip as Skip
from prioria.nets.skip import Squash as Squash
from prioria.nets.stack import ConvStack as ConvStack
from prioria.nets.stack import DeconvStack as DeconvStack
