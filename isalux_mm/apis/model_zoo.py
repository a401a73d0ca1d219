"""Models by name: configs and weights that travel with the package."""
from dataclasses import dataclass
from pathlib import Path

import isalux_mm

PACKAGE = Path(isalux_mm.__file__).parent
WEIGHTS = PACKAGE / 'weights'
# OpenMMLab's place for configs in a wheel; beside the package in a checkout
CONFIG_FOLDERS = (PACKAGE / '.mim' / 'configs', PACKAGE.parent / 'configs')
DEFAULT_MODEL = 'isalux_zero_shot'


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


def packaged_models() -> dict[str, PackagedModel]:
    """Every model of the package by name: a weights file and the config of the same name."""
    found, folder = {}, config_folder()
    for weights in sorted(WEIGHTS.glob('*.safetensors')):
        config = folder / f'{weights.stem}.py'
        if config.is_file():
            head = config.read_text(encoding='utf-8').splitlines()[0].lstrip('# ')
            found[weights.stem] = PackagedModel(weights.stem, config, weights, head)
    return found


def find_model(name: str) -> PackagedModel:
    """The packaged model of this name.

    Raises:
        ValueError: if there is none; lists the names and says what else is taken.
    """
    models = packaged_models()
    if name not in models:
        raise ValueError(f'model must be one of {sorted(models)} or an existing config file, got {name!r}')
    return models[name]
