"""Models by name: a name stands for a config and weights that travel with the package, wherever that lies.

Every `checkpoint=` and `network=` of a config takes such a name, in any working folder. A file that exists goes first.
"""
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from mmengine.config import Config
from safetensors import safe_open

PACKAGE = Path(__file__).parent
WEIGHTS = PACKAGE / 'weights'
# OpenMMLab's place for configs in a wheel; beside the package in a checkout
CONFIG_FOLDERS = (PACKAGE / '.mim' / 'configs', PACKAGE.parent / 'configs')
CONFIG_SUFFIX = '.py'
CONFIG_KINDS = ('.py', '.json', '.yaml', '.yml')  # of files that mmengine reads
CONFIG_KEY = 'config'  # in the metadata of a weights file: the name of its config
DEFAULT_MODEL = 'isalux_general'


@dataclass(frozen=True)
class PackagedModel:
    """A model of the package: its name, config, weights, and what the config's head says of it."""
    name: str
    config: Path
    weights: Path
    summary: str


def config_folder() -> Path:
    """The folder of the package's configs.

    Raises:
        FileNotFoundError: if the package was installed without them.
    """
    for folder in CONFIG_FOLDERS:
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f'no configs at {" or ".join(map(str, CONFIG_FOLDERS))}: the package is incomplete')


def list_models() -> list[str]:
    """Names of the packaged models."""
    return list(packaged_models())


def packaged_models() -> dict[str, PackagedModel]:
    """Every model of the package by name: a weights file, and the config that its metadata name or else that of the
    same name."""
    found, folder = {}, config_folder()
    for weights in sorted(WEIGHTS.glob('*.safetensors')):
        with safe_open(weights, 'numpy') as file:
            name = (file.metadata() or {}).get(CONFIG_KEY, weights.stem)
        config = folder / f'{name}{CONFIG_SUFFIX}'
        if config.is_file():
            found[weights.stem] = PackagedModel(weights.stem, config, weights, first_sentence(config))
    return found


def first_sentence(config: Path) -> str:
    """The first sentence of the comment at the head of a config."""
    head = takewhile(lambda line: line.startswith('#'), config.read_text(encoding='utf-8').splitlines())
    return re.split(r'(?<=\.)\s', ' '.join(line.lstrip('# ') for line in head), maxsplit=1)[0]


def find_model(name: str) -> PackagedModel:
    """The packaged model of this name.

    Raises:
        ValueError: if there is none; lists the names and says what else is taken.
    """
    models = packaged_models()
    if name not in models:
        raise ValueError(f'model must be one of {sorted(models)} or an existing config file, got {name!r}')
    return models[name]


def find_weights(name: str | Path) -> Path:
    """The file of a checkpoint: of a packaged model by its name; any other is taken as the path that it is.

    A path into the package, 'isalux_mm/weights/...', as configs of before had it, leads there from every folder.
    """
    path = Path(name)
    if path.is_file() or path.is_absolute():
        return path
    if path.parts[:1] == (PACKAGE.name, ) and (PACKAGE.parent / path).is_file():
        return PACKAGE.parent / path
    models = {} if path.suffix or len(path.parts) != 1 else packaged_models()
    return models[path.name].weights if path.name in models else path


def find_config(name: str | Path) -> Path:
    """A config file: an existing one by its path, or one of the package by its name, say 'isalux_lol' or
    'exdark/yolox_s_exdark_joint', with or without '.py'.

    Raises:
        FileNotFoundError: if there is neither; names some that there are.
    """
    path = Path(name)
    if path.is_file():
        return path
    folder = config_folder()
    packaged = folder / (path if path.suffix == CONFIG_SUFFIX else path.with_name(path.name + CONFIG_SUFFIX))
    if not path.is_absolute() and packaged.is_file() and packaged.resolve().is_relative_to(folder.resolve()):
        return packaged
    raise FileNotFoundError(f'config must be an existing file or one of the package, such as '
                            f'{shown(p.stem for p in folder.glob("isalux*.py"))}, got {name}')


def check_config_file(path: str | Path, name: str = 'config') -> None:
    """Raises a `ValueError` if a file is none that mmengine reads as a config: a picture or weights say."""
    if Path(path).suffix not in CONFIG_KINDS:
        raise ValueError(f'{name} must be a config file ({", ".join(CONFIG_KINDS)}), got {path}')


def read_config(path: str | Path, name: str = 'config', *, key: str | None = None) -> Config:
    """The content of a config file.

    Args:
        path: of the file.
        name: the argument's name in an error.
        key: that it must have.

    Raises:
        ValueError: if the file is of another kind or lacks the key.
    """
    check_config_file(path, name)
    cfg = Config.fromfile(path)
    if key is not None and cfg.get(key) is None:
        raise ValueError(f'{name} must be a config with {key}, got {path} with {sorted(cfg)}')
    return cfg


def network_config(name: str) -> dict:
    """The config of a packaged model's network.

    Raises:
        ValueError: if there is no such model.
    """
    models = packaged_models()
    if name not in models:
        raise ValueError(f'network must be a config or the name of a packaged model, {shown(models)}, got {name!r}')
    return Config.fromfile(models[name].config).model.network.to_dict()


def shown(names: Iterable[str]) -> str:
    """Names for a message."""
    return ', '.join(sorted(names))
