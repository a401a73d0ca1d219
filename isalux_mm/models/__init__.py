"""The paper: networks, priors, experts, losses and the enhancer; importing registers them."""
from isalux_mm.models.attention import HISAAttention
from isalux_mm.models.base import EnhancementNetwork
from isalux_mm.models.baselines import CurveNetwork, GammaCurve, Identity
from isalux_mm.models.color_losses import NeutralLoss
from isalux_mm.models.data_preprocessor import LowLightDataPreprocessor
from isalux_mm.models.deeplab import PackagedSemanticPrior
from isalux_mm.models.enhancer import LowLightEnhancer
from isalux_mm.models.experts import ConvExpert, DenseFFN, DepthwiseExpert, GatedDconvExpert, MoEFFN
from isalux_mm.models.gates import BalanceLoss, NoisyTopKGate, Routing, SoftGate, TopKGate
from isalux_mm.models.isalux import ISALux
from isalux_mm.models.losses import (
    CharbonnierLoss,
    CheckerboardLoss,
    L1Loss,
    MSELoss,
    MSSSIMLoss,
    PackagedFeatures,
    PerceptualLoss,
    SSIMLoss,
    TorchvisionFeatures,
    VGG19Features,
    WeightedLoss,
)
from isalux_mm.models.prior_adaptation import PriorAdaptation
from isalux_mm.models.priors import (
    FrozenModule,
    IlluminationPrior,
    LumaPrior,
    MaxChannelPrior,
    MeanChannelPrior,
    NoPrior,
    SegmentationPrior,
    TorchvisionSemanticPrior,
)
from isalux_mm.models.statistics import SharedStatistics, StatisticsLayer, Tile
from isalux_mm.models.zero_reference import (
    ColorConstancyLoss,
    ExposureLoss,
    SpatialConsistencyLoss,
    TotalVariationLoss,
    ZeroReferenceLoss,
)

__all__ = ['BalanceLoss', 'CharbonnierLoss', 'CheckerboardLoss', 'ColorConstancyLoss', 'ConvExpert', 'CurveNetwork',
           'DenseFFN', 'DepthwiseExpert', 'EnhancementNetwork', 'ExposureLoss', 'FrozenModule',
           'GammaCurve', 'GatedDconvExpert', 'HISAAttention', 'ISALux', 'Identity', 'IlluminationPrior',
           'L1Loss', 'LowLightDataPreprocessor', 'LowLightEnhancer', 'LumaPrior', 'MSELoss', 'MSSSIMLoss',
           'MaxChannelPrior', 'MeanChannelPrior', 'MoEFFN', 'NeutralLoss', 'NoPrior', 'NoisyTopKGate',
           'PackagedFeatures', 'PackagedSemanticPrior', 'PerceptualLoss', 'PriorAdaptation', 'Routing',
           'SSIMLoss', 'SegmentationPrior', 'SharedStatistics', 'SoftGate', 'SpatialConsistencyLoss',
           'StatisticsLayer', 'Tile', 'TopKGate', 'TorchvisionFeatures', 'TorchvisionSemanticPrior',
           'TotalVariationLoss', 'VGG19Features', 'WeightedLoss', 'ZeroReferenceLoss']
