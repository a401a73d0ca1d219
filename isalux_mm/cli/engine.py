"""Options of what runs the work: this process, or the workers of a Ray cluster."""
import argparse
import sys
from functools import partial

from isalux_mm.cli.options import WrongUseError, build_inferencer, show_report, tone_of


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """--engine, and what a cluster is told."""
    group = parser.add_argument_group('engine')
    group.add_argument('--engine', default='process', choices=('process', 'ray'),
                       help="what runs the work: this process, or the workers of a Ray cluster, pip install "
                            "'isalux-mm[ray]'; INPUT and --out may be addresses then, s3://bucket/folder (%(default)s)")
    group.add_argument('--address', help="of a Ray cluster, 'auto' for one on this machine; by default one is started "
                                         'and ended')
    group.add_argument('--workers', type=int, metavar='N', help='processes; as many as the cluster has room for')
    group.add_argument('--threads', type=int, default=1, metavar='N', help='cores of each worker (%(default)s)')
    group.add_argument('--gpus', type=float, default=0, metavar='N', help='GPUs of each, or a share (%(default)s)')


def run_on_ray(args: argparse.Namespace) -> int:
    """Enhances with `apis.cluster`; shows what was done, also when it is interrupted."""
    from isalux_mm.apis import EnhanceReport, Tone
    from isalux_mm.apis.cluster import enhance_on_ray
    if args.explain or args.batch_size != 1:
        raise WrongUseError('--explain and --batch-size are not for --engine ray: a worker takes a picture at a time')
    report = EnhanceReport()
    try:
        enhance_on_ray(args.inputs, args.out, build=partial(build_inferencer, args, progress=False),
                       tone=Tone(**tone_of(args)), recursive=args.recursive, redo=args.overwrite, workers=args.workers,
                       threads=args.threads, gpus=args.gpus, address=args.address, report=report,
                       show_progress=sys.stderr.isatty() and not args.quiet)
    except KeyboardInterrupt:
        show_report(report, args.out, debug=args.debug)
        raise
    return show_report(report, args.out, debug=args.debug)
