"""The paper: networks, priors, experts, losses and the enhancer; importing registers them."""
from isalux_mm.models import (  # noqa: F401
    attention,
    baselines,
    color_losses,
    data_preprocessor,
    deeplab,
    experts,
    gates,
    losses,
    prior_adaptation,
    priors,
    zero_reference,
)
from isalux_mm.models.base import EnhancementNetwork
from isalux_mm.models.enhancer import LowLightEnhancer
from isalux_mm.models.isalux import ISALux

__all__ = ['EnhancementNetwork', 'ISALux', 'LowLightEnhancer']
