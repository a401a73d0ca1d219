"""Videos that no one should have to meet, through the command: worked on rightly, or refused by a sentence."""
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import clips
import numpy as np
import pytest
from clips import joined, remuxed, stills, times_of, write_clip, write_cover

from isalux_mm.cli import WRONG_USE, main

pytestmark = pytest.mark.slow
COUNT = 4
HANDLES = Path('/proc/self/fd')
Builder = Callable[[Path], Path]
# builder by name; refused ones say a part of the sentence
TAKEN: dict[str, Builder] = {}
REFUSED: dict[str, tuple[Builder, str]] = {}
EITHER: dict[str, Builder] = {}  # damage whose extent is the decoder's to say


def clip(suffix='.mkv', size=clips.SIZE, count=COUNT, **options) -> Builder:
    return lambda folder: write_clip(folder / f'in{suffix}', stills(count, size), **options)


for size in ((1, 1), (1, 64), (64, 1)):
    TAKEN[f'{size[1]} x {size[0]} pixels'] = clip(size=size, codec='rawvideo', pix_fmt='gray')
for size in ((2, 2), (3, 5), (2, 64), (64, 2), (7, 7), (16, 16), (33, 47), (2, 1000), (1000, 2)):
    TAKEN[f'{size[1]} x {size[0]} pixels'] = clip(size=size, codec='ffv1', pix_fmt='yuv444p')
for name, codec in (('bgra', 'ffv1'), ('gray', 'ffv1'), ('gray16le', 'ffv1'), ('yuva420p', 'ffv1'),
                    ('yuv411p', 'ffv1'), ('yuv410p', 'ffv1'), ('yuv440p', 'ffv1'), ('gbrp16le', 'ffv1'),
                    ('yuv420p16le', 'ffv1'), ('yuyv422', 'rawvideo'), ('nv12', 'rawvideo'), ('yuvj420p', 'mjpeg')):
    TAKEN[f'{name} by {codec}'] = clip(codec=codec, pix_fmt=name)
for matrix in (4, 7, 8, 11, 13, 16):
    TAKEN[f'matrix {matrix}'] = clip(matrix=matrix)
for transfer in (8, 11, 16, 17):
    TAKEN[f'transfer {transfer}'] = clip(transfer=transfer, primaries=9)
TIMES = {'all the same': [5] * 4, 'one far ahead': [0, 40, 2**40, 2**40 + 40], 'negative': [-200, -160, -120, -80],
         'a day between': [0, 86_400_000, 86_400_040, 86_400_080], 'a tick between': [0, 1, 2, 3]}
for name, times in TIMES.items():
    TAKEN[f'times: {name}'] = clip(codec='ffv1', times=times, time_base=Fraction(1, 1000))
TAKEN['one frame'] = clip(count=1)
TAKEN['a single picture'] = lambda folder: write_cover(folder / 'in.jpg')
TAKEN['raw H.264'] = clip('.h264', options={'bf': '2'})
TAKEN['a name of signs'] = lambda folder: clip()(folder).rename(folder / '10:20:30 % [a] {0}.mkv')
TAKEN['rubbish behind the end'] = lambda folder: joined(folder / 'in.avi', clip('.avi', codec='mpeg4')(folder), rubbish(
    folder / 'rubbish', 5000))
EITHER['rubbish before a transport stream'] = lambda folder: joined(
    folder / 'all.ts', rubbish(folder / 'rubbish', 1000), clip('.ts')(folder))
TAKEN['two codecs in one transport stream'] = lambda folder: joined(
    folder / 'all.ts', write_clip(folder / 'a.ts', stills(COUNT)), write_clip(folder / 'b.ts', stills(COUNT, (16, 16))))
TAKEN['two films'] = lambda folder: remuxed(
    folder / 'all.mkv', *((write_clip(folder / f'{i}.mkv', stills(COUNT)), 'video') for i in range(2)))
TAKEN['text that is no text'] = lambda folder: replaced(clip('.avi', codec='mpeg4', tags={'title': 'ABCD'})(folder),
                                                        b'ABCD', b'\xff\xfe\xfd\xfc')
REFUSED['empty'] = (lambda folder: rubbish(folder / 'in.mp4', 0), 'must be a video that FFmpeg reads')
REFUSED['rubbish'] = (lambda folder: rubbish(folder / 'in.mp4', 3000), 'must be a video that FFmpeg reads')
REFUSED['zeros'] = (lambda folder: whole(folder / 'in.mkv', bytes(3000)), 'must be a video that FFmpeg reads')
REFUSED['text'] = (lambda folder: whole(folder / 'in.mp4', b'no film\n' * 50), 'must be a video that FFmpeg reads')
REFUSED['a folder'] = (lambda folder: made(folder / 'in.mkv'), 'must be a video file')
REFUSED['an end without a beginning'] = (lambda folder: cut(clip('.mp4')(folder), 0.2, 1), 'FFmpeg reads')
REFUSED['a beginning alone'] = (lambda folder: cut(clip('.mp4')(folder), 0, 0.3), 'FFmpeg reads')
for suffix, options in {'.mp4': {}, '.mkv': {}, '.ts': {}, '.avi': dict(codec='mpeg4'), '.webm': dict(
        codec='libvpx-vp9'), '.mov': dict(codec='mjpeg', pix_fmt='yuvj420p')}.items():
    for share in (0.5, 0.9):
        EITHER[f'{suffix} cut at {share}'] = lambda folder, suffix=suffix, options=options, share=share: cut(
            clip(suffix, count=8, **options)(folder), 0, share)
    for seed in range(2):
        EITHER[f'{suffix} with wrong bytes {seed}'] = lambda folder, suffix=suffix, options=options, seed=seed: damaged(
            clip(suffix, count=8, **options)(folder), seed)


def whole(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def made(path: Path) -> Path:
    path.mkdir()
    return path


def rubbish(path: Path, count: int) -> Path:
    return whole(path, np.random.default_rng(0).bytes(count))


def replaced(path: Path, old: bytes, new: bytes) -> Path:
    assert old in path.read_bytes()
    return whole(path, path.read_bytes().replace(old, new))


def cut(path: Path, start: float, end: float) -> Path:
    content = path.read_bytes()
    return whole(path, content[int(start * len(content)):int(end * len(content))])


def damaged(path: Path, seed: int) -> Path:
    """One byte of a hundred is another, in the second half, where the frames are."""
    generator, content = np.random.default_rng(seed), bytearray(path.read_bytes())
    places = generator.integers(len(content) // 2, len(content), len(content) // 100)
    for place in places:
        content[place] = generator.integers(256)
    return whole(path, bytes(content))


def handles() -> int:
    """Open files of this process, 0 where the system does not tell."""
    return len(os.listdir(HANDLES)) if HANDLES.is_dir() else 0


@pytest.fixture
def enhanced(tiny_files, tmp_path, capsys):
    """Runs the command on what a builder makes; exit code, output file, what it says on both streams."""
    config, weights = tiny_files

    def run(builder: Builder) -> tuple[int, Path, str, str]:
        made(tmp_path / 'in')
        source, out, before = builder(tmp_path / 'in'), made(tmp_path / 'out') / 'out.mkv', handles()
        code = main(['video', str(source), str(out), '--model', config, '--weights', weights, '--device', 'cpu'])
        assert handles() <= before, 'no file is left open'
        assert {path.name for path in out.parent.iterdir()} <= {'out.mkv'}, 'no draft is left'
        return code, out, *capsys.readouterr()

    return run


def check_result(out: Path, said: str) -> None:
    times = times_of(out)
    assert said.startswith(f'{len(times)} frames enhanced') and times == sorted(set(times))


def check_refusal(out: Path, told: str) -> None:
    sentence = told.splitlines()[-1]
    assert not out.exists() and 'Traceback' not in told
    assert sentence.startswith('isalux video: ') and len(sentence) > 40


@pytest.mark.parametrize('kind', TAKEN)
def test_taken(enhanced, kind):
    code, out, said, told = enhanced(TAKEN[kind])
    assert code == 0, told
    check_result(out, said)


@pytest.mark.parametrize('kind', REFUSED)
def test_refused_by_a_sentence(enhanced, kind):
    builder, sentence = REFUSED[kind]
    code, out, _, told = enhanced(builder)
    assert code == WRONG_USE and sentence in told
    check_refusal(out, told)


@pytest.mark.parametrize('kind', EITHER)
def test_taken_or_refused(enhanced, kind):
    code, out, said, told = enhanced(EITHER[kind])
    assert code in (0, WRONG_USE)
    check_result(out, said) if code == 0 else check_refusal(out, told)


def test_there_are_sixty_of_them():
    assert len(TAKEN) + len(REFUSED) + len(EITHER) >= 60


def test_frames_beyond_the_limit_are_refused(enhanced, monkeypatch):
    monkeypatch.setattr('isalux_mm.apis.video.reading.MAX_PIXELS', 1000)
    code, out, _, told = enhanced(clip())
    assert code == WRONG_USE and 'at most 1000 pixels, got 48 x 32' in told
    check_refusal(out, told)


