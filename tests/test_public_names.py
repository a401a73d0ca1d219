"""The public names. A change of this list is a change for users: CONTRIBUTING.md says how a name goes away."""
import ast
import importlib
import subprocess
import sys
from pathlib import Path

import mmengine.registry
import pytest
from mmengine.registry import Registry

import isalux_mm.registry

ROOT = Path(__file__).resolve().parents[1]
PUBLIC = {
    'isalux_mm':
        '''EnhanceInferencer ISALux ISALuxNeck LowLightEnhancer VideoEnhancer __version__ list_models''',
    'isalux_mm.apis':
        '''EnhanceInferencer EnhanceReport ExportReport Tone VideoEnhancer VideoReport export_detector
        export_onnx export_torch''',
    'isalux_mm.apis.export':
        '''ExportReport export_detector export_onnx export_torch''',
    'isalux_mm.apis.serve':
        '''Limits RefusedError Shown Vault Wish Workbench check_gradio page_folder running_page serve''',
    'isalux_mm.apis.video':
        '''UnfinishedError VideoEnhancer VideoReport import_av''',
    'isalux_mm.chain':
        '''ChainDataPreprocessor ChainLosses EnhancedTask FeatureConsistencyLoss ISALuxNeck''',
    'isalux_mm.datasets':
        '''DarkenImage GradeReference ImageFolderDataset KeepLuma LoadImages PackEnhanceInputs PairedImageDataset
        PairedLandscape PairedMixup PairedRandomCrop PairedRandomFlip PairedRandomRotate90 PairedResize
        PairedTransform PhotoDataset PlacedSampler RandomResizedView SeededDataset SharedInfiniteSampler
        SynthesizeLowLight UnpairedImageDataset''',
    'isalux_mm.det':
        '''EnhancedDetInferencer EnhancedDetVisualizationHook EnhancedDetector ExDarkDataset ExDarkMetric
        LoadReferenceImage PackDarkDetInputs SplitReferenceImage UnlabeledDetInputs''',
    'isalux_mm.engine':
        '''BFloat16OptimWrapper CheckedEpochLoop CheckedIterLoop CompileBlocksHook CudaGraphHook DurableCheckpointHook
        EnhanceVisualizationHook ExpertUsageHook SaveEnhancedHook TrainableOptimWrapperConstructor''',
    'isalux_mm.evaluation':
        '''ImageMetric LPIPS LabelAgreement NIQE PairedImageQuality''',
    'isalux_mm.inference':
        '''PreparedNetwork TemporalEnhancer enhance_tiled prepare_for_inference''',
    'isalux_mm.models':
        '''AffineNetwork BalanceLoss CharbonnierLoss CheckerboardLoss ColorConstancyLoss ConvExpert CurveNetwork
        DenseFFN DepthwiseExpert EnhancementNetwork ExposureLoss FrozenModule GTMeanLoss GammaCurve GatedDconvExpert
        HISAAttention ISALux Identity IlluminationPrior L1Loss LowLightDataPreprocessor LowLightEnhancer
        LumaPrior MSELoss MSSSIMLoss MaxChannelPrior MeanChannelPrior MoEFFN NeutralLoss NoPrior
        NoisyTopKGate PackagedFeatures PackagedSemanticPrior PerceptualLoss PriorAdaptation Routing SSIMLoss
        SegmentationPrior SharedStatistics SoftGate SpatialConsistencyLoss StatisticsLayer Tile TopKGate
        TorchvisionFeatures TorchvisionSemanticPrior TotalVariationLoss VGG19Features WeightedLoss
        ZeroReferenceLoss''',
    'isalux_mm.seg':
        '''ACDCDataset EnhancedSegVisualizationHook EnhancedSegmentor MMSegSemanticPrior PackDarkSegInputs''',
    'isalux_mm.visualization':
        '''EnhanceVisualizer''',
}
NEEDS = {'isalux_mm.det': 'mmdet', 'isalux_mm.seg': 'mmseg', 'isalux_mm.apis.serve': 'gradio',
         'isalux_mm.apis.video': 'av'}
ROOMS = ('models', 'chain', 'datasets', 'evaluation', 'engine', 'visualization', 'det', 'seg')  # that register
ROOTS = ('MODELS', 'DATASETS', 'TRANSFORMS', 'METRICS', 'HOOKS', 'VISUALIZERS', 'OPTIM_WRAPPERS', 'DATA_SAMPLERS',
         'OPTIM_WRAPPER_CONSTRUCTORS', 'LOOPS')


@pytest.mark.parametrize('package', PUBLIC)
def test_the_public_names(package):
    if package in NEEDS:
        pytest.importorskip(NEEDS[package], exc_type=ModuleNotFoundError)
    module = importlib.import_module(package)
    assert sorted(module.__all__) == PUBLIC[package].split()
    assert not [name for name in module.__all__ if not hasattr(module, name)]
    assert not set(module.__all__) - set(dir(module))


def test_every_module_with_public_names_is_listed():
    found = set()
    for path in (ROOT / 'isalux_mm').rglob('*.py'):
        targets = [target for node in ast.parse(path.read_text(encoding='utf-8')).body if isinstance(node, ast.Assign)
                   for target in node.targets if isinstance(target, ast.Name)]
        if '__all__' in {target.id for target in targets}:
            found.add('.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__'))
    assert found == set(PUBLIC)


def registered(package: str) -> set[str]:
    """Class names of all that a package has registered, whichever registry it is in."""
    registries = {getattr(place, name) for place in (isalux_mm.registry, mmengine.registry) for name in ROOTS
                  if isinstance(getattr(place, name, None), Registry)}
    return {entry.__name__ for registry in registries for entry in registry.module_dict.values()
            if entry.__module__.startswith(f'{package}.')}


@pytest.mark.parametrize('package', [f'isalux_mm.{room}' for room in ROOMS])
def test_what_is_registered_is_public(package):
    if package in NEEDS:
        pytest.importorskip(NEEDS[package], exc_type=ModuleNotFoundError)
    importlib.import_module(package)
    found = registered(package)
    assert found and found <= set(PUBLIC[package].split())


def test_the_top_is_lazy():
    code = ("import sys, isalux_mm; "
            "sys.exit(', '.join({'torch', 'torchvision', 'isalux_mm.models'} & sys.modules.keys()) or None)")
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="module 'isalux_mm' has no attribute 'Isalux'"):
        isalux_mm.Isalux  # noqa: B018
