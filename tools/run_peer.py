"""Runs a peer or a classical method on a folder of pictures:
`python tools/run_peer.py iat --weights best_Epoch_lol_v1.pth --inputs data/LOL/eval15/low --out work_dirs/peers/iat`.

Results are 8-bit PNG files under the names of the inputs; beside them run.json holds parameters, the weights'
checksums, the machine, and the time of every picture. `--list` names the peers and the files that they need.
"""
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from peers.catalog import CLASSICAL, NAMES, PEERS, load_method
from tabling.outputs import checksums, median_seconds, pictures_in, write_outputs

from isalux_mm.cli.options import add_overwrite_option, count, run_tool


def listing() -> str:
    """Every name, what it is, and its files of weights."""
    lines = [f'{name:16} {title}, no weights' for name, (title, _) in CLASSICAL.items()]
    lines += [f'{name:16} {peer.title} ({peer.source}), --weights {" ".join(p.upper() for p in peer.files)}'
              for name, peer in PEERS.items()]
    return '\n'.join(lines)


def title_of(name: str) -> str:
    """A method's name for tables."""
    return CLASSICAL[name][0] if name in CLASSICAL else PEERS[name].title


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=listing())
    parser.add_argument('peer', nargs='?', choices=NAMES, metavar='PEER', help=f'one of {", ".join(NAMES)}')
    parser.add_argument('--weights', type=Path, nargs='+', default=[], metavar='FILE', help='published weights')
    parser.add_argument('--inputs', type=Path, metavar='DIR', help='folder of pictures')
    parser.add_argument('--out', type=Path, metavar='DIR', help='folder of the results')
    parser.add_argument('--threads', type=count, default=1, help='of torch (default: 1)')
    parser.add_argument('--list', action='store_true', help='name the peers and stop')
    add_overwrite_option(parser)
    args = parser.parse_args(argv)
    if not args.list and not (args.peer and args.inputs and args.out):
        parser.error('PEER, --inputs and --out are needed')
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    if args.list:
        print(listing())
        return 0
    torch.set_num_threads(args.threads)
    try:
        method, parameters = load_method(args.peer, args.weights)
        record = write_outputs(method, pictures_in(args.inputs), args.out, overwrite=args.overwrite, notes=dict(
            title=title_of(args.peer), peer=args.peer, weights=checksums(args.weights), parameters=parameters))
    except (ValueError, OSError) as error:
        print(f'run_peer.py: {error}', file=sys.stderr)
        return 2
    for failure in record['failures']:
        print(f'left out: {failure}', file=sys.stderr)
    seconds = [median_seconds(record, kind) or 0.0 for kind in ('wall', 'cpu')]
    print(f'{title_of(args.peer)}: {len(record["seconds"])} pictures in {args.out}, {parameters:,} parameters, '
          f'median {seconds[0]:.3f} s a picture ({seconds[1]:.3f} s CPU, threads: {args.threads})')
    return 1 if record['failures'] else 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
