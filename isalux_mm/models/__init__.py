"""The paper: networks, priors, experts, losses and the enhancer.

Each is imported and registered when its name is first asked for, of this package or of the registry: a picture is
enhanced without the losses, torchvision and mmengine's models, which take longer to import than PyTorch.
"""
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isalux_mm.models.affine_network import AffineNetwork
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
        GTMeanLoss,
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

__all__ = ['AffineNetwork', 'BalanceLoss', 'CharbonnierLoss', 'CheckerboardLoss', 'ColorConstancyLoss', 'ConvExpert',
           'CurveNetwork', 'DenseFFN', 'DepthwiseExpert', 'EnhancementNetwork', 'ExposureLoss', 'FrozenModule',
           'GTMeanLoss', 'GammaCurve', 'GatedDconvExpert', 'HISAAttention', 'ISALux', 'Identity', 'IlluminationPrior',
           'L1Loss', 'LowLightDataPreprocessor', 'LowLightEnhancer', 'LumaPrior', 'MSELoss', 'MSSSIMLoss',
           'MaxChannelPrior', 'MeanChannelPrior', 'MoEFFN', 'NeutralLoss', 'NoPrior', 'NoisyTopKGate',
           'PackagedFeatures', 'PackagedSemanticPrior', 'PerceptualLoss', 'PriorAdaptation', 'Routing', 'SSIMLoss',
           'SegmentationPrior',
           'SharedStatistics', 'SoftGate', 'SpatialConsistencyLoss', 'StatisticsLayer', 'Tile', 'TopKGate',
           'TorchvisionFeatures', 'TorchvisionSemanticPrior', 'TotalVariationLoss', 'VGG19Features', 'WeightedLoss',
           'ZeroReferenceLoss']
# where each name lives; `registry.MODELS` finds it there, too
HOMES = {
    'AffineNetwork': 'isalux_mm.models.affine_network',
    'HISAAttention': 'isalux_mm.models.attention',
    'EnhancementNetwork': 'isalux_mm.models.base',
    **dict.fromkeys(('CurveNetwork', 'GammaCurve', 'Identity'), 'isalux_mm.models.baselines'),
    'NeutralLoss': 'isalux_mm.models.color_losses',
    'LowLightDataPreprocessor': 'isalux_mm.models.data_preprocessor',
    'PackagedSemanticPrior': 'isalux_mm.models.deeplab',
    'LowLightEnhancer': 'isalux_mm.models.enhancer',
    **dict.fromkeys((
        'ConvExpert', 'DenseFFN', 'DepthwiseExpert', 'GatedDconvExpert', 'MoEFFN'), 'isalux_mm.models.experts'),
    **dict.fromkeys(('BalanceLoss', 'NoisyTopKGate', 'Routing', 'SoftGate', 'TopKGate'), 'isalux_mm.models.gates'),
    'ISALux': 'isalux_mm.models.isalux',
    **dict.fromkeys((
        'CharbonnierLoss', 'CheckerboardLoss', 'GTMeanLoss', 'L1Loss', 'MSELoss', 'MSSSIMLoss', 'PackagedFeatures',
        'PerceptualLoss', 'SSIMLoss', 'TorchvisionFeatures', 'VGG19Features', 'WeightedLoss'),
        'isalux_mm.models.losses'),
    'PriorAdaptation': 'isalux_mm.models.prior_adaptation',
    **dict.fromkeys((
        'FrozenModule', 'IlluminationPrior', 'LumaPrior', 'MaxChannelPrior', 'MeanChannelPrior', 'NoPrior',
        'SegmentationPrior', 'TorchvisionSemanticPrior'), 'isalux_mm.models.priors'),
    **dict.fromkeys(('SharedStatistics', 'StatisticsLayer', 'Tile'), 'isalux_mm.models.statistics'),
    **dict.fromkeys((
        'ColorConstancyLoss', 'ExposureLoss', 'SpatialConsistencyLoss', 'TotalVariationLoss',
        'ZeroReferenceLoss'), 'isalux_mm.models.zero_reference'),
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for (PEP 562)."""
    if name not in HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    """The module's names, those not imported yet included."""
    return sorted({*globals(), *HOMES})
