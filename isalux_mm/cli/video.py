"""`isalux video`: a video, a camera or a stream in, an enhanced video out, without flicker."""
import argparse
import sys

from isalux_mm.cli.options import add_model_options, add_tone_options, say_dtype, tone_of
from isalux_mm.cli.process import keep_memory, let_threads_sleep


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the parser of the sub-command."""
    parser = subparsers.add_parser(
        'video', help='enhance a video, a camera, a stream', description='Enhances a video frame by frame, in constant '
        'memory. Sound and subtitles are copied; time stamps, colour range and matrix are kept. What the '
        'network decides by the whole picture is smoothed over time, so that nothing flickers; a cut starts anew.')
    parser.add_argument('source', metavar='SOURCE', help='file, address (rtsp://...), or device with --source-format')
    parser.add_argument('out', metavar='OUT', help='file to be written; its suffix names the container')
    parser.add_argument('--realtime', action='store_true',
                        help='keep pace with the source: frames that come while others are worked on are dropped, and '
                        'counted; a file comes at its own rate')
    parser.add_argument('--smoothing', type=float, default=0.5, metavar='SECONDS',
                        help='time over which is smoothed; 0 enhances every frame by itself (%(default)s)')
    parser.add_argument('--codec', help='encoder of the picture (libx264; in .webm libvpx-vp9)')
    parser.add_argument('--crf', type=int, help="the encoder's quality, lower is better (hardly visible losses)")
    parser.add_argument('--depth', choices=('8', '10', 'source'),
                        help='bits of a sample: 8 or 10, in 4:2:0, or what the source has where the encoder takes it '
                        '(8; source of encoders for keeping and editing, such as ffv1)')
    parser.add_argument('--max-frames', type=int, metavar='N', help='stop after so many frames')
    parser.add_argument('--source-format', metavar='NAME', help="of a device: 'v4l2', 'dshow', 'avfoundation'")
    parser.add_argument('--source-option', action='append', default=[], type=key_and_value, metavar='KEY=VALUE',
                        help="of the device or stream, say 'video_size=1280x720'; may be repeated")
    parser.add_argument('--overwrite', action='store_true', help='replace OUT where it is there')
    add_tone_options(parser)
    add_model_options(parser, tiles=False, fast=True)


def key_and_value(text: str) -> tuple[str, str]:
    """('a', 'b') of 'a=b'."""
    key, separator, value = text.partition('=')
    if not key or not separator:
        raise argparse.ArgumentTypeError(f'must be KEY=VALUE, got {text!r}')
    return key, value


def run(args: argparse.Namespace) -> int:
    """Enhances; says what was done, unless it is to be quiet."""
    let_threads_sleep()
    from isalux_mm.apis.video import VideoEnhancer
    from isalux_mm.model_zoo import DEFAULT_MODEL
    keep_memory()
    try:
        enhancer = VideoEnhancer(
            args.model or DEFAULT_MODEL, args.weights, device=args.device, dtype=args.dtype,
            mode='fast' if args.fast else 'full', time_constant=args.smoothing,
            show_progress=sys.stderr.isatty() and not args.quiet)
    except ImportError as error:
        raise ValueError(str(error)) from error
    say_dtype(args, enhancer.inferencer)
    report = enhancer(
        args.source, args.out, codec=args.codec, crf=args.crf, source_format=args.source_format,
        source_options=dict(args.source_option), max_frames=args.max_frames, overwrite=args.overwrite,
        depth=args.depth, realtime=args.realtime, told=None if args.quiet else warn, **tone_of(args))
    if not args.quiet:
        print(report.summary())
    return 0


def warn(sentence: str) -> None:
    """Says at once, on standard error, what is lost or not understood."""
    print(f'isalux video: {sentence}', file=sys.stderr)
