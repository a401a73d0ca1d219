"""Frames a second of `isalux video` from file to file, peak memory and flicker, in both modes, on clips of 1280x720.

    python tools/benchmark_video.py data/photographs --threads 2

A clip pans over a dark photograph, with new noise in every frame, and has a sound. Every run has a process of its own;
modes take turns. Flicker is measured on a static clip, its exposure steady and trembling, in a smaller size. Figures go
to standard output.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch

from isalux_mm.apis.tone import Tone
from isalux_mm.apis.video import VideoEnhancer, import_av
from isalux_mm.apis.video.containers import created
from isalux_mm.cli.options import count, count_or_none, run_tool
from isalux_mm.cli.process import keep_memory
from isalux_mm.functional.illumination import LUMA_WEIGHTS
from isalux_mm.inference.temporal import flicker

SIZE, STATIC_SIZE = (720, 1280), (160, 240)
RATE, SOUND_RATE = 25, 44_100
NOISE = 2.0  # levels of 255, standard deviation
STEP = 2  # pixels that the clip moves from frame to frame
MARGIN = 200  # pixels that it has to move in
TREMBLING = 0.02
MODES = ('fast', 'full')
MIB = 2**20


def photograph(folder: Path, number: int, size: tuple[int, int]) -> np.ndarray:
    """A photograph of a folder, scaled to cover a size, (H, W, 3), RGB, float32.

    Raises:
        ValueError: if there are fewer that can be read.
    """
    paths = (path for path in sorted(folder.rglob('*')) if path.is_file())
    read = (image for path in paths if (image := cv2.imread(str(path))) is not None)
    for place, image in enumerate(read):
        if place == number:
            scale = max(wanted / side for wanted, side in zip(size, image.shape))
            scaled = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else
                                cv2.INTER_CUBIC)
            return scaled[..., ::-1].astype(np.float32)
    raise ValueError(f'{folder} must hold more than {number} pictures')


def panned(picture: np.ndarray, count: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Frames that move over a picture to and fro, with noise."""
    height, width = SIZE
    generator = np.random.default_rng(seed)
    noise = generator.normal(0, NOISE, (height + 16, width + 16, 3)).astype(np.float32)
    room = picture.shape[1] - width
    for i in range(count):
        left = STEP * i % (2 * room)
        left = min(left, 2 * room - left)
        y, x = generator.integers(0, 16, 2)
        frame = picture[:height, left:left + width] + noise[y:y + height, x:x + width]
        yield np.clip(frame, 0, 255).astype(np.uint8)


def write_clip(path: Path, frames: Iterator[np.ndarray], count: int) -> None:
    """H.264 and AAC."""
    av = import_av()
    with created(av, path, path, {}) as container:
        stream = container.add_stream('libx264', rate=RATE, options={'preset': 'veryfast', 'crf': '18'})
        stream.height, stream.width, stream.pix_fmt = *SIZE, 'yuv420p'
        sound = container.add_stream('aac', rate=SOUND_RATE, layout='mono')
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')))
        container.mux(stream.encode(None))
        wave = 0.2 * np.sin(2 * np.pi * 440 / SOUND_RATE * np.arange(SOUND_RATE * count // RATE, dtype=np.float32))
        samples = av.AudioFrame.from_ndarray(wave[None], format='fltp', layout='mono')
        samples.sample_rate, samples.pts = SOUND_RATE, 0
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))


def one_run(clip: Path, mode: str, frames: int, threads: int) -> dict[str, float]:
    """What `run_alone` prints, of a process of its own."""
    command = [sys.executable, __file__, str(clip), '--one', mode, '--frames', str(frames), '--threads', str(threads)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True,
                                     env={'OMP_WAIT_POLICY': 'passive', **os.environ}).stdout)  # as the command does


def run_alone(clip: Path, mode: str, frames: int) -> dict[str, float]:
    """Enhances a clip in this process: seconds of wall and CPU, peak of the memory in use, and what was asked."""
    import resource
    keep_memory()  # as the command does
    enhancer = VideoEnhancer(device='cpu', mode=mode, show_progress=False)
    with tempfile.TemporaryDirectory() as folder:
        start, cpu = time.perf_counter(), time.process_time()
        report = enhancer(clip, Path(folder) / 'out.mp4', max_frames=frames)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB
    return dict(frames=report.frames, wall=wall, cpu=cpu, peak=peak, asked=report.asked or report.frames)


def flicker_of(folder: Path, mode: str, time_constant: float, trembling: float, count: int) -> float:
    """The figure of a static clip."""
    still = photograph(folder, 0, STATIC_SIZE)[:STATIC_SIZE[0], :STATIC_SIZE[1]]
    generator = np.random.default_rng(0)
    enhancer = VideoEnhancer(device='cpu', mode=mode, time_constant=time_constant, show_progress=False)
    temporal, found = enhancer.begun(), []
    for _ in range(count):
        frame = still * (1 + generator.uniform(-trembling, trembling)) + generator.normal(0, NOISE, still.shape)
        picture = enhancer.enhance_frame(temporal, np.clip(frame, 0, 255).astype(np.uint8), 1 / RATE, Tone())
        found.append((picture @ LUMA_WEIGHTS).mean())
    return flicker(torch.tensor(found))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('photographs', type=Path, help='folder of dark photographs')
    parser.add_argument('--modes', nargs='+', choices=MODES, default=MODES)
    parser.add_argument('--frames', nargs='+', type=count, default=[100, 300], help='lengths of the clip in fast mode')
    parser.add_argument('--full-frames', type=count, default=20, help='length in full mode')
    parser.add_argument('--repeats', type=count, default=3, help='runs of each')
    parser.add_argument('--static-frames', type=count_or_none, default=60,
                        help='of the clip for flicker; 0 leaves it out')
    parser.add_argument('--number', type=count_or_none, default=0, help='of the photograph in the folder')
    parser.add_argument('--threads', type=count, default=torch.get_num_threads(), help='of torch')
    parser.add_argument('--one', choices=MODES, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    torch.set_num_threads(args.threads)
    if args.one:
        print(json.dumps(run_alone(args.photographs, args.one, args.frames[0])))
        return
    jobs = [(mode, count) for mode in args.modes for count in (args.frames if mode == 'fast' else [args.full_frames])]
    runs: dict[tuple[str, int], list[dict[str, float]]] = {job: [] for job in jobs}
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / 'in.mp4'
        picture = photograph(args.photographs, args.number, (SIZE[0], SIZE[1] + MARGIN))
        most = max(count for _, count in jobs)
        write_clip(clip, panned(picture, most), most)
        for _ in range(args.repeats):
            for job in jobs:
                runs[job].append(one_run(clip, *job, args.threads))
    print('| mode | frames | frames a second | CPU ms a frame | network run on | peak memory (MiB) |')
    print('|---|---|---|---|---|---|')
    for (mode, frames), found in runs.items():
        rate, cpu, peak, asked = (median(values) for values in zip(*(
            (one['frames'] / one['wall'], 1000 * one['cpu'] / one['frames'], one['peak'], one['asked'])
            for one in found)))
        print(f'| {mode} | {frames} | {rate:.3g} | {cpu:.0f} | {asked:.0f} | {peak:.0f} |')
    if args.static_frames:
        print('\n| flicker | steady | trembling |\n|---|---|---|')
        for name, mode, constant in (('frame by frame', 'full', 0), *((mode, mode, 0.5) for mode in args.modes)):
            steady, trembling = (flicker_of(args.photographs, mode, constant, share, args.static_frames)
                                 for share in (0, TREMBLING))
            print(f'| {name} | {steady:.2g} | {trembling:.2g} |')


if __name__ == '__main__':
    sys.exit(run_tool(main))
