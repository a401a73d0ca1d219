"""Tests any mmdet detector on a COCO set as it is and made dark, without an enhancer or behind one.

    python tools/test_dark.py CONFIG CHECKPOINT --gains 1 0.12 0.02 0.004
    python tools/test_dark.py CONFIG CHECKPOINT --gains 1 0.12 0.02 0.004 --enhancer isalux_detect
    python tools/test_dark.py CONFIG CHECKPOINT --gains 1 0.02 --enhancer isalux_detect_small --work-short-side 32

CONFIG and CHECKPOINT are the detector's own, unchanged. The set is the one that the config tests on, or that of
`--annotations` and `--images`, with the classes of the detector. The darkness hangs on the picture's id, the gain and
the seed alone, so that both commands meet the same pictures. What is tested is written to WORK_DIR, a config like any
other; the other options are those of `isalux test` for detectors.
"""
import argparse
import sys
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from isalux_mm import cli
from isalux_mm.cli.interval_tests import add_interval_options
from isalux_mm.cli.options import (
    add_overwrite_option,
    count,
    count_or_none,
    demand_checkpoint,
    demand_files,
    demand_packaged,
    gain,
    run_tool,
)
from isalux_mm.inference.fast import MODES
from isalux_mm.io.whole_file import write_text
from isalux_mm.model_zoo import check_config_file

LOADING = 'LoadImageFromFile'


def behind(model: dict, enhancer: str, work_short_side: int | None, mode: str = 'fast') -> ConfigDict:
    """The config of a detector behind a packaged enhancer; of one that is a chain already, with this enhancer."""
    neck = dict(type='isalux_mm.ISALuxNeck', network=enhancer, work_short_side=work_short_side, frozen=True,
                mode=mode)
    if model['type'].endswith('EnhancedDetector'):
        return ConfigDict({**model, 'enhancer': neck})
    return ConfigDict(type='isalux_mm.EnhancedDetector', enhancer=neck, detector=model, backbone=dict())


def with_darkness(pipeline: list[dict], seed: int) -> list[dict]:
    """A test pipeline that makes pictures dark as they are loaded; at which gain `isalux test --gains` says.

    Raises:
        ValueError: if it loads no picture.
    """
    steps = [step for step in pipeline if not step['type'].endswith('DarkenImage')]
    places = [place for place, step in enumerate(steps) if step['type'].endswith(LOADING)]
    if not places:
        raise ValueError(f'the test pipeline must have {LOADING}, got {[step["type"] for step in pipeline]}')
    dark = dict(type='isalux_mm.DarkenImage', gain=1.0, seed=seed, keep_reference=False)
    return [*steps[:places[0] + 1], dark, *steps[places[0] + 1:]]


def prepared(cfg: Config, options: argparse.Namespace) -> Config:
    """A detector's config as it is tested here.

    Raises:
        ValueError: if only one of annotations and images is given, or the pipeline loads no picture.
    """
    if (options.annotations is None) != (options.images is None):
        raise ValueError('annotations and images go together')
    found: Any = cfg
    imports = found.get('custom_imports') or dict(imports=[])
    found.custom_imports = dict(imports=[*imports['imports'], 'isalux_mm.det'], allow_failed_imports=False)
    if options.enhancer:
        found.model = behind(found.model, options.enhancer, options.work_short_side, options.mode)
    dataset = found.test_dataloader.dataset
    dataset.pipeline = with_darkness(dataset.pipeline, options.noise_seed)
    if options.annotations is not None:
        dataset.update(data_root='', ann_file=str(options.annotations.resolve()),
                       data_prefix=dict(img=str(options.images.resolve()) + '/'))
        found.test_evaluator.ann_file = dataset.ann_file
    return found


def own_options() -> argparse.ArgumentParser:
    """The options that `isalux test` does not have, and the two that it has in another form."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument('config', type=Path, help='of an mmdet detector')
    parser.add_argument('checkpoint', help='its weights')
    parser.add_argument('--annotations', type=Path, help='COCO file of a set of your own')
    parser.add_argument('--images', type=Path, help='folder of its pictures')
    parser.add_argument('--enhancer', help='a packaged model to put ahead (isalux models); none by default')
    parser.add_argument('--work-short-side', type=count, default=64, help='at which the enhancer works (64)')
    parser.add_argument('--mode', choices=MODES, default='fast', help='of the enhancer (fast)')
    parser.add_argument('--noise-seed', type=count_or_none, default=0, help='of the first draw of the darkness (0)')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/test_dark'), help='for config and logs')
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Writes the config and tests it; the exit code of `isalux test`."""
    own = own_options()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, parents=[own])
    parser.add_argument('--gains', nargs='+', type=gain, help='test at these levels of darkness')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the metrics here')
    add_interval_options(parser)
    add_overwrite_option(parser)
    parser.parse_args(arguments)
    options, others = own.parse_known_args(arguments)
    demand_files(parser, 'config', options.config)
    demand_checkpoint(parser, 'checkpoint', options.checkpoint)
    if options.enhancer:
        demand_packaged(parser, '--enhancer', options.enhancer)
    try:
        check_config_file(options.config)
        cfg = prepared(Config.fromfile(options.config, import_custom_modules=False), options)
    except ValueError as error:
        parser.error(str(error))
    target = options.work_dir / f'{options.config.stem}_{options.enhancer or "alone"}.py'
    write_text(target, cfg.pretty_text, overwrite=True)
    return cli.main(['test', str(target), options.checkpoint, '--work-dir', str(options.work_dir), *others])


if __name__ == '__main__':
    sys.exit(run_tool(main))
