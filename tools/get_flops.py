"""Counts parameters and FLOPs: `python tools/get_flops.py configs/isalux_lol.py --shape 256 256`.

FLOPs are multiplications and additions (2 per multiply-accumulate) of convolutions and matrix products, those of the
attention included; element-wise work is not counted. MACs, half of that, is what most papers print as "FLOPs".
"""
import argparse
import sys
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from isalux_mm.cli.options import ConfigOptions, demand_files, run_tool
from isalux_mm.cli.options import count as a_count
from isalux_mm.model_zoo import read_config
from isalux_mm.registry import MODELS


def count(model: nn.Module, height: int, width: int) -> dict[str, int]:
    """Trainable and frozen parameters, and FLOPs of one image through the network.

    Args:
        model: a `LowLightEnhancer`, or a bare enhancement network.
        height: of the image, pixels.
        width: likewise.
    """
    network = getattr(model, 'network', model).eval()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(torch.rand(1, 3, height, width))
    semantic = getattr(network, 'semantic_prior', None)
    frozen = sum(p.numel() for p in network.parameters() if not p.requires_grad)
    prior_flops = counter.get_flop_counts().get(f'{type(network).__name__}.semantic_prior', {}) if semantic else {}
    return dict(
        trainable=sum(p.numel() for p in network.parameters() if p.requires_grad),
        frozen=frozen,
        flops=counter.get_total_flops(),
        prior_flops=sum(prior_flops.values()))


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--shape', type=a_count, nargs=2, default=(256, 256), metavar=('H', 'W'))
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE')
    args = parser.parse_args()
    demand_files(parser, 'config', Path(args.config))
    return args


def main() -> int:
    args = parse_args()
    cfg = read_config(args.config, key='model')
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    torch.manual_seed(0)  # an untrained gate chooses by chance, and experts of several kinds differ in cost
    found = count(MODELS.build(dict(cfg.model, _scope_='isalux_mm')), *args.shape)
    print(f'input                 3 x {args.shape[0]} x {args.shape[1]}')
    print(f'trainable parameters  {found["trainable"] / 1e6:.3f} M')
    print(f'frozen parameters     {found["frozen"] / 1e6:.3f} M')
    print(f'FLOPs                 {found["flops"] / 1e9:.3f} G ({found["flops"] / 2e9:.3f} GMACs)')
    print(f'  of the frozen prior {found["prior_flops"] / 1e9:.3f} G')
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
