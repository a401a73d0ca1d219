"""Public names: `__all__` of the package and its sub-packages. One that goes, goes as CONTRIBUTING says."""
import ast
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAMES = {
    'isalux_mm': 'EnhanceInferencer ISALux ISALuxNeck LowLightEnhancer VideoEnhancer __version__ list_models',
    'isalux_mm.apis': 'EnhanceInferencer EnhanceReport ExportReport Tone VideoEnhancer VideoReport export_detector '
                      'export_onnx export_torch',
    'isalux_mm.apis.export': 'ExportReport export_detector export_onnx export_torch',
    'isalux_mm.apis.serve': 'Limits RefusedError Shown Workbench build_page check_gradio launch_options page_folder '
                            'serve',
    'isalux_mm.apis.video': 'VideoEnhancer VideoReport import_av',
    'isalux_mm.chain': 'EnhancedTask ISALuxNeck',
    'isalux_mm.det': 'EnhancedDetInferencer EnhancedDetector',
    'isalux_mm.inference': 'PreparedNetwork TemporalEnhancer enhance_tiled prepare_for_inference',
    'isalux_mm.models': 'EnhancementNetwork ISALux LowLightEnhancer',
    'isalux_mm.seg': 'EnhancedSegmentor MMSegSemanticPrior',
}
NEEDED = {'isalux_mm.det': 'mmdet', 'isalux_mm.seg': 'mmseg'}


@pytest.mark.parametrize('module', NAMES)
def test_public_names(module):
    if module in NEEDED:
        pytest.importorskip(NEEDED[module], exc_type=ModuleNotFoundError)
    imported = import_module(module)
    assert sorted(imported.__all__) == NAMES[module].split()
    assert all(getattr(imported, name) is not None for name in imported.__all__)


def test_every_module_with_public_names_is_listed():
    listed = set()
    for path in (ROOT / 'isalux_mm').rglob('*.py'):
        targets = [target for node in ast.parse(path.read_text(encoding='utf-8')).body if isinstance(node, ast.Assign)
                   for target in node.targets if isinstance(target, ast.Name)]
        if '__all__' in {target.id for target in targets}:
            listed.add('.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__'))
    assert listed == set(NAMES)
