"""Teaches a small enhancement network what a packaged one makes of small copies of dark pictures.

    python tools/distill.py configs/isalux_detect_small.py isalux_detect OUT.safetensors --photographs data/photos

CONFIG is the small network's, TEACHER a packaged model. Photographs are cut to 4:3, made dark by 0 to 8 stops with
noise as ahead of a detector (configs/_base_/datasets/detect_pictures.py), and brought down to the short side that fast
mode shows the network. The teacher's results are computed once; the small network learns them by the mean absolute
difference. Everything is drawn from --seed. Detections are not looked at; what it is worth, tools/test_dark.py says.
"""
import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope
from safetensors.torch import save
from torch import Tensor, nn

from isalux_mm.cli.options import (
    add_overwrite_option,
    count,
    count_or_none,
    demand_files,
    demand_free,
    demand_packaged,
    demand_pictures,
    run_tool,
)
from isalux_mm.datasets.darkening import darken
from isalux_mm.functional.degradation_ranges import DegradationRanges
from isalux_mm.functional.resizing import resize, shrink
from isalux_mm.inference.prepare import prepare_for_inference
from isalux_mm.io.images import list_images, read_image
from isalux_mm.io.whole_file import whole_file
from isalux_mm.model_zoo import CONFIG_KEY, find_model, read_config
from isalux_mm.models.base import build_network
from isalux_mm.models.pretrained import half_precision, load_weights
from isalux_mm.registry import MODELS

# ours, all of these
SIZE = (312, 416)  # of the picture that a detector is shown, cut to 4:3
LONGEST = 640  # of a photograph as it is made dark, as of COCO
STOPS = (-8.0, 0.0)
RANGES = DegradationRanges(mean_ratio=None, slope=None, reference_toe=(1.0, 1.0), stops=STOPS)
WARM_UP = 0.05  # share of the steps in which the rate rises
PREFIX = 'network.'


def cut(image: np.ndarray) -> np.ndarray:
    """The middle of (H, W, 3) in proportion 4:3, an upright picture turned."""
    image = image if image.shape[0] <= image.shape[1] else image.swapaxes(0, 1)
    height, width = image.shape[:2]
    h, w = min(height, width * SIZE[0] // SIZE[1]), min(width, height * SIZE[1] // SIZE[0])
    top, left = (height - h) // 2, (width - w) // 2
    return np.ascontiguousarray(image[top:top + h, left:left + w])


def dark_copies(photograph: np.ndarray, draws: int, short_side: int, rng: np.random.Generator) -> Tensor:
    """Small dark copies (draws, 3, h, w) of a photograph (H, W, 3), float32, RGB in [0, 1]."""
    whole = np.round(cut(shrink(photograph, LONGEST)) * 255).astype(np.uint8)
    dark = np.stack([resize(darken(whole, RANGES, rng)[0], *SIZE) for _ in range(draws)])
    images = torch.from_numpy(dark).permute(0, 3, 1, 2).float() / 255  # (N, H, W, 3) -> (N, 3, H, W)
    return F.adaptive_avg_pool2d(images, (short_side, round(short_side * SIZE[1] / SIZE[0])))


@torch.no_grad()
def lessons(photographs: Sequence[Path], teacher: nn.Module, draws: int, short_side: int,
            seed: int) -> tuple[Tensor, Tensor]:
    """Small dark copies and what the teacher makes of them, (N, 3, h, w) each."""
    low, target = [], []
    for i, path in enumerate(photographs):
        copies = dark_copies(read_image(path), draws, short_side, np.random.default_rng((seed, i)))
        low.append(copies)
        target.append(teacher(copies))
        if i % 50 == 0:
            print(f'{i} of {len(photographs)} photographs', flush=True)
    return torch.cat(low), torch.cat(target)


def taught(network: nn.Module, low: Tensor, target: Tensor, *, steps: int, batch_size: int, rate: float,
           seed: int) -> nn.Module:
    """Trains a network on lessons; returns the running mean of its weights, in eval mode.

    Args:
        network: of images (B, 3, h, w); is changed.
        low: (N, 3, h, w).
        target: same shape.
        steps: of AdamW.
        batch_size: lessons of a step, each mirrored and turned by chance.
        rate: highest learning rate; falls as a cosine to none.
        seed: of the order and the turns.
    """
    chance = torch.Generator().manual_seed(seed)
    mean = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995))
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(
        (step + 1) / max(WARM_UP * steps, 1), (1 + math.cos(math.pi * step / steps)) / 2))
    for step in range(steps):
        chosen = torch.randint(len(low), (batch_size, ), generator=chance)
        turns = torch.rand(3, generator=chance) < 0.5
        x, y = (_turned(images[chosen], turns.tolist()) for images in (low, target))
        loss = F.l1_loss(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        mean.update_parameters(network)
        if step % 200 == 0:
            print(f'step {step}: {loss.item():.4f}', flush=True)
    return mean.module.eval()


def _turned(images: Tensor, turns: Sequence[bool]) -> Tensor:
    """Images mirrored along their axes, and transposed, as asked for."""
    images = images.flip([dim for dim, turn in zip((2, 3), turns) if turn])
    return images.transpose(2, 3) if turns[2] else images


def main(arguments: list[str] | None = None) -> int:
    """Writes the weights; 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', type=Path, help='of the small network')
    parser.add_argument('teacher', help='a packaged model')
    parser.add_argument('weights', type=Path, help='safetensors file to write')
    parser.add_argument('--photographs', type=Path, nargs='+', default=[Path('data/photos')], metavar='FOLDER',
                        help='well-lit ones; sub-folders are read (data/photos)')
    parser.add_argument('--draws', type=count, default=3, metavar='N', help='dark copies of each (%(default)s)')
    parser.add_argument('--held-out', type=count_or_none, default=20, metavar='N',
                        help='photographs that nothing is learned from, to tell the error (%(default)s)')
    parser.add_argument('--short-side', type=count, default=64, help='of the small copies (%(default)s)')
    parser.add_argument('--steps', type=count, default=1500, help='%(default)s')
    parser.add_argument('--batch-size', type=count, default=8, help='%(default)s')
    parser.add_argument('--rate', type=float, default=2e-3, help='highest learning rate (%(default)s)')
    parser.add_argument('--seed', type=count_or_none, default=0, help='%(default)s')
    add_overwrite_option(parser)
    options = parser.parse_args(arguments)
    demand_pictures(parser, *options.photographs)
    demand_files(parser, 'config', options.config)
    demand_packaged(parser, 'teacher', options.teacher)
    paths = [path for folder in options.photographs for path in list_images(folder)]
    demand_free(parser, options.weights, overwrite=options.overwrite,
                read=[options.config, find_model(options.teacher).weights, *paths])
    if len(paths) <= options.held_out:
        parser.error(f'--photographs must hold more than --held-out {options.held_out}, got {len(paths)}')
    cfg = read_config(options.config, key='model')
    init_default_scope('isalux_mm')
    torch.manual_seed(options.seed)
    teacher = build_network(options.teacher)
    load_weights(teacher, find_model(options.teacher).weights, name='teacher', prefix=PREFIX)
    order = np.random.default_rng(options.seed).permutation(len(paths))
    low, target = lessons([paths[i] for i in order], prepare_for_inference(teacher), options.draws, options.short_side,
                          options.seed)
    known = len(low) - options.held_out * options.draws
    model = MODELS.build({**cfg.model, 'init_cfg': None})
    network = taught(model.network, low[:known], target[:known], steps=options.steps, batch_size=options.batch_size,
                     rate=options.rate, seed=options.seed)
    if options.held_out:
        with torch.no_grad():
            error = F.l1_loss(network(low[known:]), target[known:]).item()
            before = F.l1_loss(low[known:], target[known:]).item()
        print(f'held out: {error:.4f} from the teacher, the dark pictures {before:.4f}')
    model.network.load_state_dict(network.state_dict())
    state = half_precision(model.state_dict(), name='the taught network')
    with whole_file(options.weights, overwrite=options.overwrite) as file:
        file.write(save(state, metadata={CONFIG_KEY: options.config.stem, 'source': options.teacher}))
    print(f'{options.weights}: {sum(value.numel() for value in state.values()):,} numbers')
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
