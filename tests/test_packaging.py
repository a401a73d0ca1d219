"""Everything that the package needs travels with it."""
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_wheel_holds_every_module_and_data_file(tmp_path):
    command = [sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation', '-w', tmp_path]
    copy = tmp_path / 'source'  # building leaves folders behind
    tracked = subprocess.run(['git', 'ls-files', 'isalux_mm', 'setup.py', 'pyproject.toml', 'README.md'], cwd=ROOT,
                             capture_output=True, text=True, check=True).stdout.split()
    for name in tracked:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([*map(str, command), str(copy)], check=True, timeout=120)
    packed = set(zipfile.ZipFile(next(tmp_path.glob('*.whl'))).namelist())
    missing = {name for name in tracked if name.startswith('isalux_mm/')} - packed
    assert tracked and not missing, missing
