"""Everything that the package needs travels with it."""
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]


def test_the_wheel_holds_every_module_and_data_file(tmp_path):
    command = [sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation', '-w', tmp_path]
    copy = tmp_path / 'source'  # building leaves folders behind
    listed = ['git', 'ls-files', 'isalux_mm', 'configs', 'setup.py', 'pyproject.toml', 'README.md']
    tracked = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in tracked:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([*map(str, command), str(copy)], check=True, timeout=120)
    wheel = zipfile.ZipFile(next(tmp_path.glob('*.whl')))
    packed = set(wheel.namelist())
    expected = {name.replace('configs/', 'isalux_mm/.mim/configs/', 1) if name.startswith('configs/') else name
                for name in tracked if name.startswith(('isalux_mm/', 'configs/'))}
    assert 'isalux_mm/.mim/configs/isalux_zero_shot.py' in expected
    assert not expected - packed, expected - packed
    entries = next(name for name in packed if name.endswith('entry_points.txt'))
    assert 'isalux = isalux_mm.cli:main' in wheel.read(entries).decode()
    enhance_from(wheel, tmp_path)


def enhance_from(wheel, folder):
    """Unpacks the wheel and runs its command from another folder: code, config and weights are the wheel's own."""
    site = folder / 'site'
    wheel.extractall(site)
    Image.fromarray(np.full((20, 30, 3), 20, np.uint8)).save(folder / 'dark.png')
    environment = dict(os.environ, PYTHONPATH=str(site), OMP_NUM_THREADS='1')
    code = ('import sys, isalux_mm; from isalux_mm.apis import model_zoo; from isalux_mm.cli import main; '
            'print(isalux_mm.__file__, model_zoo.config_folder()); sys.exit(main(["enhance", "dark.png"]))')
    done = subprocess.run([sys.executable, '-c', code], cwd=folder, env=environment, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:2] == [str(site / 'isalux_mm/__init__.py'), str(site / 'isalux_mm/.mim/configs')]
    assert np.asarray(Image.open(folder / 'enhanced/dark.png')).mean() > 60
