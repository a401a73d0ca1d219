"""Options that training and testing share, and the mmengine config that they describe."""
import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from isalux_mm.cli.options import ConfigOptions, WrongUseError, add_trust_option
from isalux_mm.io.places import is_of_disk, sentence

if TYPE_CHECKING:
    from mmengine.config import Config

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


def add_runner_options(parser: argparse.ArgumentParser) -> None:
    """The config, --work-dir, --cfg-options and --launcher."""
    parser.add_argument('config', help='config file, or the name of a packaged one such as isalux_lol')
    parser.add_argument('--work-dir', help='folder for logs and checkpoints; default: work_dirs/NAME_OF_CONFIG')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help='change config entries, such as train_cfg.max_iters=100')
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none')
    parser.add_argument('--local-rank', '--local_rank', type=int, default=0, help=argparse.SUPPRESS)
    add_trust_option(parser)
    parser.set_defaults(debug=True)  # what goes wrong in a config or in a user's module needs its traceback


def config_of(args: argparse.Namespace) -> 'Config':
    """The config of the options of `add_runner_options`.

    Raises:
        WrongUseError: if there is no such config, or the file is none.
    """
    from mmengine.config import Config

    from isalux_mm.model_zoo import check_config_file, find_config
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    try:
        path = find_config(args.config)
        check_config_file(path)
    except (FileNotFoundError, ValueError) as error:
        raise WrongUseError(str(error)) from error
    cfg = Config.fromfile(path)
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or str(Path('work_dirs') / path.stem)
    return cfg


@contextmanager
def disk_errors_told() -> Iterator[None]:
    """No room, no rights, no file, no folder: told in one sentence, to which a traceback would add nothing.

    Raises:
        WrongUseError: in the place of such an error.
    """
    try:
        yield
    except OSError as error:
        if not is_of_disk(error):
            raise
        raise WrongUseError(sentence(error)) from error
