"""ISALux-MM: illumination- and semantics-aware low-light enhancement as a plugin of the OpenMMLab stack.

Importing the package makes its registries known under the scope `isalux_mm`; their contents, and the names below, are
imported when they are first asked for. mmdet and mmseg are needed by `isalux_mm.det` and `isalux_mm.seg` alone. From
then on mmengine reads checkpoints as data, whoever asks it to.
"""
from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    from isalux_mm import registry  # noqa: F401
    from isalux_mm.io.reader_in_front import put_reader_in_front
except ModuleNotFoundError as error:
    if error.name not in ('mmengine', 'mmcv'):
        raise
    raise ModuleNotFoundError(
        f"isalux_mm needs {error.name}: pip install 'isalux-mm[onedl]', the maintained continuation of OpenMMLab, or "
        "'isalux-mm[openmmlab]', the original packages", name=error.name) from error

if TYPE_CHECKING:
    from isalux_mm.apis import EnhanceInferencer, VideoEnhancer
    from isalux_mm.chain import ISALuxNeck
    from isalux_mm.model_zoo import list_models
    from isalux_mm.models import ISALux, LowLightEnhancer

__version__ = '0.1.0'
__all__ = ['EnhanceInferencer', 'ISALux', 'ISALuxNeck', 'LowLightEnhancer', 'VideoEnhancer', '__version__',
           'list_models']

_HOMES = {
    'EnhanceInferencer': 'isalux_mm.apis',
    'ISALux': 'isalux_mm.models',
    'ISALuxNeck': 'isalux_mm.chain',
    'LowLightEnhancer': 'isalux_mm.models',
    'VideoEnhancer': 'isalux_mm.apis',
    'list_models': 'isalux_mm.model_zoo',
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The module's names, those not imported yet included."""
    return sorted({*globals(), *_HOMES})


put_reader_in_front()
