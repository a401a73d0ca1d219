"""What a fresh process imports: one picture is enhanced without what trains, measures and draws."""
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import isalux_mm.chain
import isalux_mm.models
from isalux_mm.registry import MODELS, homes_of

# what enhances no picture, by what it is for; together they take several times as long to import as PyTorch
NEEDLESS = {
    'measuring': ('torchmetrics', 'scipy', 'skimage', 'sklearn', 'pytorch_msssim', 'isalux_mm.evaluation'),
    'training': ('mmengine.runner', 'mmengine.model', 'mmengine.optim', 'mmengine.hooks', 'mmengine.infer',
                 'mmengine.dataset', 'mmengine.evaluator', 'tensorboard', 'isalux_mm.datasets', 'isalux_mm.engine',
                 'isalux_mm.models.losses', 'isalux_mm.models.enhancer', 'torch.distributed.fsdp'),
    'drawing': ('matplotlib', 'mmengine.visualization', 'isalux_mm.visualization.visualizer'),
    'other networks': ('torchvision', 'mmcv', 'mmdet', 'mmseg', 'torch._dynamo', 'sympy', 'onnx', 'onnxruntime'),
    'serving and video': ('gradio', 'av'),
    'other formats': ('PIL.PcdImagePlugin', 'PIL.FitsImagePlugin', 'rawpy', 'pillow_heif', 'pillow_jxl'),
}
PROGRAM = '''import sys
from isalux_mm.cli import main
try:
    code = main(sys.argv[2:])
except SystemExit as ending:
    code = ending.code
found = sorted(set(sys.argv[1].split(',')) & sys.modules.keys())
sys.exit(', '.join(found) or code)
'''


def run(needless, *arguments):
    return subprocess.run([sys.executable, '-c', PROGRAM, ','.join(needless), *map(str, arguments)],
                          capture_output=True, text=True, timeout=540)


def test_pictures_are_enhanced_without(tmp_path):
    pictures = [tmp_path / f'in/dark{suffix}' for suffix in ('.jpg', '.png', '.webp', '.tif')]
    pictures[0].parent.mkdir()
    for picture in pictures:
        Image.fromarray(np.random.default_rng(0).integers(0, 40, (21, 30, 3), np.uint8)).save(picture)
    done = run([name for names in NEEDLESS.values() for name in names],
               'enhance', *pictures, '--out', tmp_path / 'out', '--device', 'cpu')
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / 'out').iterdir()} == {picture.name for picture in pictures}


@pytest.mark.parametrize('arguments', [('--help', ), ('enhance', '--help'), ('--version', ), ('models', )])
def test_what_computes_nothing_needs_no_pytorch(arguments):
    done = run(['torch', 'cv2', 'matplotlib', *NEEDLESS['training']], *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize('package', [isalux_mm.models, isalux_mm.chain], ids=lambda p: p.__name__)
def test_every_public_name_has_its_home(package):
    assert sorted(package.HOMES) == sorted(package.__all__)
    assert {name: getattr(package, name).__module__ for name in package.HOMES} == package.HOMES
    with pytest.raises(AttributeError, match='has no attribute'):
        package.Nothing  # noqa: B018


def test_names_are_found_in_a_fresh_process():
    """Those of mmengine last, for which all of its models are imported."""
    homes = {
        "MODELS.get('LumaPrior')": 'isalux_mm.models.priors',
        "MODELS.get('isalux_mm.GammaCurve')": 'isalux_mm.models.baselines',
        "mmengine.registry.MODELS.get('isalux_mm.ISALuxNeck')": 'isalux_mm.chain.neck',
        "(MODELS.get('LinearInit') or MODELS.get('MomentumAnnealingEMA'))": 'mmengine.model.averaged_model',
    }
    asked = ', '.join(f'{code}.__module__' for code in homes)
    program = f'import mmengine, isalux_mm; from isalux_mm.registry import MODELS; print({asked})'
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, timeout=540)
    assert done.stdout.split() == [*homes.values()], done.stderr


def test_the_whole_registry_is_there_when_it_is_asked_for():
    program = 'from isalux_mm.registry import MODELS; print(*sorted(MODELS.module_dict))'
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, timeout=540)
    found = set(done.stdout.split())
    assert {'ISALux', 'VGG19Features', 'LowLightEnhancer', 'ISALuxNeck', 'ChainDataPreprocessor'} <= found
    assert found == {name for name, entry in MODELS.module_dict.items() if entry.__module__.startswith('isalux_mm.')
                     and not entry.__module__.startswith(('isalux_mm.det', 'isalux_mm.seg'))}


def test_an_unknown_name_is_none():
    assert MODELS.get('NoSuchThing') is None
    assert homes_of('isalux_mm.io') == {}


def test_a_class_of_the_users_own_goes_before_ours(monkeypatch):
    """As with mmengine's registries: what was registered first stays."""
    class Own:
        pass

    monkeypatch.setitem(MODELS._module_dict, 'LumaPrior', Own)
    assert MODELS.get('LumaPrior') is MODELS.get('isalux_mm.LumaPrior') is Own
