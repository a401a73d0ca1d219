"""Ahead of a task model: the neck, and what every chain of an enhancer and a detector or segmentor shares.

Needs neither mmdet nor mmseg. Each is imported and registered when its name is first asked for.
"""
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isalux_mm.chain.losses import ChainLosses, FeatureConsistencyLoss
    from isalux_mm.chain.neck import ISALuxNeck
    from isalux_mm.chain.preprocessor import ChainDataPreprocessor
    from isalux_mm.chain.task import EnhancedTask

__all__ = ['ChainDataPreprocessor', 'ChainLosses', 'EnhancedTask', 'FeatureConsistencyLoss', 'ISALuxNeck']
# where each name lives; `registry.MODELS` finds it there, too
HOMES = {
    'ChainDataPreprocessor': 'isalux_mm.chain.preprocessor',
    'ChainLosses': 'isalux_mm.chain.losses',
    'EnhancedTask': 'isalux_mm.chain.task',
    'FeatureConsistencyLoss': 'isalux_mm.chain.losses',
    'ISALuxNeck': 'isalux_mm.chain.neck',
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for (PEP 562)."""
    if name not in HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    """The module's names, those not imported yet included."""
    return sorted({*globals(), *HOMES})
