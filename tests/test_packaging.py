"""Everything that the package needs travels with it: a wheel, somewhere else, with each of its extras alone."""
import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import metadata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
OPTIONAL = {  # what only some extras bring, by the extra
    'onedl': (), 'openmmlab': (), 'det': ('mmdet', 'skimage'), 'seg': ('mmseg', ), 'serve': ('gradio', ),
    'ray': ('ray', ), 'video': ('av', ), 'heif': ('pillow_heif', ), 'jxl': ('pillow_jxl', ), 'raw': ('rawpy', ),
    'fast': ('numba', ), 'export': ('onnx', 'onnxscript', 'onnxruntime'), 'docs': ('mkdocs', 'mkdocstrings'),
    'dev': ('pytest', 'lpips', 'skimage', 'sklearn', 'playwright', 'ruff', 'mypy', 'hypothesis')}
# what must import with an extra alone, beside what every installation has
IMPORTS = {
    'onedl': ('isalux_mm.models', 'isalux_mm.chain', 'isalux_mm.apis', 'isalux_mm.datasets', 'isalux_mm.evaluation',
              'isalux_mm.engine', 'isalux_mm.visualization', 'isalux_mm.inference', 'isalux_mm.cli'),
    'det': ('isalux_mm.det', ), 'seg': ('isalux_mm.seg', ), 'video': ('isalux_mm.apis.video', 'av'),
    'heif': ('isalux_mm.io.picture_file', 'pillow_heif'), 'jxl': ('isalux_mm.io.picture_file', 'pillow_jxl'),
    'raw': ('isalux_mm.io.picture_file', 'rawpy'), 'fast': ('isalux_mm.functional.compiled', 'numba'),
    'ray': ('isalux_mm.apis.cluster', 'isalux_mm.io.stores', 'fsspec'),
    'serve': ('isalux_mm.apis.serve', 'gradio'), 'export': ('isalux_mm.apis.export', 'onnxruntime')}
BLOCKED = """
import sys
class Without:
    def __init__(self, finders):
        self.finders = finders
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {names!r}:
            return None
        specs = (finder.find_spec(name, path, target) for finder in self.finders)
        return next((spec for spec in specs if spec is not None), None)
    def find_distributions(self, *args, **options):
        for finder in self.finders:
            if hasattr(finder, 'find_distributions'):
                yield from finder.find_distributions(*args, **options)
sys.meta_path = [Without(sys.meta_path)]
"""
NEVER_TOGETHER = ('openmmlab', )  # the originals carry the same module names as their continuation
TRAINING = ['train', 'isalux_cpu', '--work-dir', 'work', '--cfg-options', 'train_dataloader.dataset.data_root=pairs',
            'val_dataloader.dataset.data_root=pairs', 'train_cfg.max_iters=1', 'train_cfg.val_interval=1',
            'train_dataloader.batch_size=1', 'train_dataloader.num_workers=0', 'val_dataloader.num_workers=0',
            'train_dataloader.persistent_workers=False', 'val_dataloader.persistent_workers=False',
            'default_hooks.checkpoint.interval=1', 'model.network.embed_dims=[8,16]', 'model.network.depths=[1,1]',
            'model.network.num_heads=[1,2]']


def tracked() -> list[str]:
    """The files that make a wheel, and are in git or about to be."""
    listed = ['git', 'ls-files', '--cached', '--others', '--exclude-standard', 'isalux_mm', 'configs', 'setup.py',
              'pyproject.toml', 'README.md']
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split('\n')
    return [name for name in names if name and (ROOT / name).is_file()]


@pytest.fixture(scope='module')
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('wheel')
    copy = folder / 'source'  # building leaves folders behind
    for name in tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation', '-w',
                    str(folder), str(copy)], check=True, timeout=300)
    return next(folder.glob('*.whl'))


@pytest.fixture(scope='module')
def site(wheel, tmp_path_factory) -> Path:
    """The wheel, unpacked far from the repository."""
    folder = tmp_path_factory.mktemp('site')
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def run(site: Path, folder: Path, code: str, *, without: set[str] = frozenset()) -> subprocess.CompletedProcess:
    """Runs code in a fresh process that finds the wheel's package, and none of the modules it is to do without."""
    environment = dict(os.environ, PYTHONPATH=str(site), OMP_NUM_THREADS='1')
    done = subprocess.run([sys.executable, '-c', BLOCKED.format(names=sorted(without)) + code], cwd=folder,
                          env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f'{done.stdout[-2000:]}\n{done.stderr[-4000:]}'
    return done


def foreign(extra: str) -> set[str]:
    """Modules that only other extras bring."""
    return {name for other, names in OPTIONAL.items() for name in names} - set(OPTIONAL[extra])


def test_the_wheel_holds_every_module_and_data_file(wheel):
    packed = set(zipfile.ZipFile(wheel).namelist())
    expected = {name.replace('configs/', 'isalux_mm/.mim/configs/', 1) if name.startswith('configs/') else name
                for name in tracked() if name.startswith(('isalux_mm/', 'configs/'))}
    assert {'isalux_mm/.mim/configs/isalux_zero_shot.py', 'isalux_mm/py.typed'} <= expected
    assert not expected - packed, expected - packed
    entries = next(name for name in packed if name.endswith('entry_points.txt'))
    assert 'isalux = isalux_mm.cli:main' in zipfile.ZipFile(wheel).read(entries).decode()


def test_it_enhances_from_another_folder(site, tmp_path):
    Image.fromarray(np.full((20, 30, 3), 20, np.uint8)).save(tmp_path / 'dark.png')
    code = ('import sys, isalux_mm; from isalux_mm import model_zoo; from isalux_mm.cli import main\n'
            'print(isalux_mm.__file__, model_zoo.config_folder()); sys.exit(main(["enhance", "dark.png"]))')
    done = run(site, tmp_path, code, without=foreign('onedl'))
    assert done.stdout.split()[:2] == [str(site / 'isalux_mm/__init__.py'), str(site / 'isalux_mm/.mim/configs')]
    assert np.asarray(Image.open(tmp_path / 'enhanced/dark.png')).mean() > 60


@pytest.mark.slow
def test_it_trains_and_tests_from_another_folder(site, tmp_path):
    """With the core and one extra: whatever the configs ask for must come with them."""
    rng = np.random.default_rng(0)
    for part in ('our485', 'eval15'):
        for kind, divisor in (('low', 8), ('high', 1)):
            (tmp_path / 'pairs' / part / kind).mkdir(parents=True)
            picture = rng.integers(0, 256, (120, 128, 3), np.uint8) // divisor
            Image.fromarray(picture).save(tmp_path / 'pairs' / part / kind / '1.png')
    code = 'import sys; from isalux_mm.cli import main; sys.exit(main({!r}))'
    run(site, tmp_path, code.format(TRAINING), without=foreign('onedl'))
    assert (tmp_path / 'work/iter_1.pth').is_file() and list(tmp_path.glob('work/*/vis_data/events.out.tfevents*'))
    options = [word for word in TRAINING if word.startswith('model.')]
    testing = ['test', 'isalux_cpu', 'work/iter_1.pth', '--work-dir', 'work', '--json', 'metrics.json', '--cfg-options',
               'test_dataloader.dataset.data_root=pairs', 'test_dataloader.num_workers=0',
               'test_dataloader.persistent_workers=False', *options]
    run(site, tmp_path, code.format(testing), without=foreign('onedl'))
    assert 'PSNR_GTmean' in (tmp_path / 'metrics.json').read_text()


def test_the_readme_chain_works_from_another_folder(site, tmp_path):
    """The detector config as the README prints it, with its backbone's download switched off."""
    readme = (ROOT / 'README.md').read_text(encoding='utf-8')
    block = next(text for text in re.findall(r'```python\n(.*?)```', readme, re.DOTALL) if 'EnhancedDetector' in text)
    (tmp_path / 'chain.py').write_text(block)
    run(site, tmp_path, """
import numpy as np, isalux_mm.det
from mmdet.apis import inference_detector, init_detector
model = init_detector('chain.py', None, device='cpu', cfg_options={
    'model.detector.backbone.init_cfg': None, 'test_dataloader.dataset.pipeline.1.scale': (96, 64)})
assert not model.enhancer.lacks_weights
result = inference_detector(model, np.full((64, 96, 3), 10, np.uint8))
assert result.pred_instances.bboxes.shape[1] == 4
""", without=foreign('det'))


@pytest.mark.slow  # all of them together
@pytest.mark.parametrize('extra', sorted(IMPORTS))
def test_an_extra_alone_imports(site, tmp_path, extra):
    run(site, tmp_path, '\n'.join(f'import {name}' for name in IMPORTS[extra]), without=foreign(extra))


def test_every_extra_is_known_here():
    extras = set(metadata('isalux-mm').get_all('Provides-Extra'))
    assert extras == set(OPTIONAL)


@pytest.mark.parametrize('extra', sorted(set(OPTIONAL) - {*NEVER_TOGETHER}))
def test_an_extra_resolves(wheel, extra):
    """pip finds versions of everything that agree with what is installed; nothing is installed."""
    done = subprocess.run([sys.executable, '-m', 'pip', 'install', '--dry-run', '--quiet', f'{wheel}[{extra}]'],
                          capture_output=True, text=True, timeout=300)
    if done.returncode and re.search('NewConnectionError|No matching distribution.*setuptools', done.stderr):
        pytest.skip('no package index is reached')
    assert done.returncode == 0, done.stderr


def test_without_mmengine_it_says_what_to_install(site, tmp_path):
    done = run(site, tmp_path, 'try:\n    import isalux_mm\nexcept ModuleNotFoundError as error:\n    print(error)',
               without={'mmengine'})
    assert "pip install 'isalux-mm[onedl]'" in done.stdout
