"""What a figure's line in a table says of where it comes from: config, commit, versions."""
import json
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

import isalux_mm
from tabling.outputs import checksum

ROOT = Path(__file__).resolve().parents[2]
PLACES = ('work_dir', 'launcher', 'filename')  # of a config, which do not change what it computes


def config_hash(cfg: Config) -> str:
    """Of a config's entries, whatever files they stand in and however these are written."""
    entries = {key: value for key, value in cfg.to_dict().items() if key not in PLACES}
    return checksum(json.dumps(entries, sort_keys=True, default=str).encode())


def commit() -> str:
    """The commit that is checked out, '-dirty' behind it where files have changed; nothing outside a repository."""
    try:
        found = _git('rev-parse', '--short=12', 'HEAD')
        return found + ('-dirty' if _git('status', '--porcelain', '--untracked-files=no') else '')
    except (OSError, subprocess.CalledProcessError):
        return ''


def versions() -> str:
    """Of the package and what it computes with."""
    try:
        engine = version('onedl-mmengine')
    except PackageNotFoundError:
        engine = version('mmengine')
    return (f'isalux_mm {isalux_mm.__version__}, torch {torch.__version__}, mmengine {engine}, '
            f'Python {platform.python_version()}')


def hardware(machine: dict[str, Any]) -> str:
    """Of a record's machine, in words."""
    words = [str(machine.get('gpu') or machine.get('cpu') or '')]
    words += [f'{machine["threads"]} of {machine["cores"]} cores'] if 'threads' in machine else []
    return ', '.join(word for word in words if word)


def described(path: Path) -> dict[str, Any]:
    """The content of a JSON file; empty where there is none."""
    return json.loads(path.read_text(encoding='utf-8')) if path.is_file() else {}


def _git(*words: str) -> str:
    return subprocess.run(['git', *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
