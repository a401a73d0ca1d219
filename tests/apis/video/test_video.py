"""Videos: what comes out, what is kept, what is refused, and that nothing flickers."""
import signal
import subprocess
from fractions import Fraction

import numpy as np
import pytest
import torch
from processes import PATIENCE, environment, started, wait_until

from isalux_mm.apis import EnhanceInferencer
from isalux_mm.apis.tone import Tone
from isalux_mm.apis.video import VideoEnhancer
from isalux_mm.apis.video.encoding import pixel_format
from isalux_mm.apis.video.reading import FrameReader
from isalux_mm.apis.video.threads import FRAMES
from isalux_mm.cli import main
from isalux_mm.functional.illumination import LUMA_WEIGHTS
from isalux_mm.inference.temporal import TemporalEnhancer, flicker

av = pytest.importorskip('av', reason='videos need PyAV')
SIZE = (48, 64)
TIME_BASE = Fraction(1, 1000)


@pytest.fixture(scope='module')
def enhancer():
    return VideoEnhancer(device='cpu', show_progress=False)


def scene(seed=0):
    return np.kron(np.random.default_rng(seed).integers(5, 60, (6, 8, 3)), np.ones((8, 8, 1)))


def write_clip(path, stills=None, *, times=None, audio=False, pix_fmt='yuv420p', full_range=False, codec='libx264'):
    """A clip of pictures (H, W, 3), uint8 or uint16, 25 a second unless times are given, in milliseconds."""
    if stills is None:
        noise = np.random.default_rng(1)
        stills = [np.clip(scene() + noise.normal(0, 2, (*SIZE, 3)), 0, 255).astype(np.uint8) for _ in range(6)]
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=25, options={'crf': '8'} if codec == 'libx264' else {})
        stream.height, stream.width = stills[0].shape[:2]
        stream.pix_fmt, context = pix_fmt, stream.codec_context
        context.time_base, context.color_range, context.colorspace = TIME_BASE, 2 if full_range else 1, 1
        context.sample_aspect_ratio = Fraction(4, 3)
        sound = container.add_stream('aac', rate=16000, layout='mono') if audio else None
        for i, still in enumerate(stills):
            frame = av.VideoFrame.from_ndarray(still, format='rgb24' if still.dtype == np.uint8 else 'rgb48le')
            frame = frame.reformat(format=pix_fmt, src_colorspace=1, dst_colorspace=1, src_color_range=2,
                                   dst_color_range=2 if full_range else 1)
            frame.pts, frame.time_base = (times[i] if times else 40 * i), TIME_BASE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio:
            wave = (8000 * np.sin(np.arange(640 * len(stills)) / 10)).astype(np.int16)[None]
            samples = av.AudioFrame.from_ndarray(wave, format='s16', layout='mono')
            samples.sample_rate, samples.pts = 16000, 0
            container.mux(sound.encode(samples))
            container.mux(sound.encode(None))
    return path


def packets(path, kind):
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(stream) if p.size]


def pictures(path, pix_fmt='rgb24'):
    """Frames (N, H, W, 3) as a player shows them."""
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format=pix_fmt) for f in container.decode(video=0)])


def test_sound_times_and_size_are_kept(enhancer, tmp_path):
    times = [0, 40, 90, 95, 200, 240]  # a variable frame rate
    clip = write_clip(tmp_path / 'in.mkv', times=times, audio=True)
    report = enhancer(clip, tmp_path / 'out.mkv')
    assert report.frames == 6 and report.cuts == 0 and report.broken == 0 and not report.left_out
    assert packets(tmp_path / 'out.mkv', 'audio') == packets(clip, 'audio')
    assert sorted(t for t, _ in packets(tmp_path / 'out.mkv', 'video')) == [t / 1000 for t in times]
    low, enhanced = pictures(clip), pictures(tmp_path / 'out.mkv')
    assert enhanced.shape == low.shape and enhanced.mean() > 2 * low.mean()
    with av.open(str(tmp_path / 'out.mkv')) as container:
        stream = container.streams.video[0]
        assert stream.index == 0 and stream.sample_aspect_ratio == Fraction(4, 3)
        assert stream.codec_context.colorspace == 1 and stream.codec_context.color_range == 1


@pytest.mark.parametrize('full_range', [True, False])
def test_frames_are_what_stills_are(enhancer, tmp_path, full_range):
    """The first frame equals the inferencer's result on the decoded picture; both ranges of the samples are read."""
    clip = write_clip(tmp_path / 'in.mkv', [scene().astype(np.uint8)] * 3, pix_fmt='yuv444p', codec='ffv1',
                      full_range=full_range)
    with av.open(str(clip)) as container:
        frame = next(container.decode(video=0))
        shown = frame.reformat(format='rgb24', src_colorspace=1, dst_colorspace=1,
                               src_color_range=2 if full_range else 1, dst_color_range=2).to_ndarray()
    assert np.abs(shown.astype(int) - scene()).mean() < 1, 'the test reads its own clip rightly'
    still = EnhanceInferencer(device='cpu', show_progress=False)(shown)['predictions'][0].astype(int)
    enhancer(clip, tmp_path / 'out.mkv', codec='ffv1')
    with av.open(str(tmp_path / 'out.mkv')) as container:
        frame = next(container.decode(video=0))
        assert frame.color_range == (2 if full_range else 1) and frame.format.name == 'yuv444p'
        got = frame.reformat(format='rgb24', src_colorspace=1, dst_colorspace=1,
                             src_color_range=2 if full_range else 1, dst_color_range=2).to_ndarray().astype(int)
    assert np.abs(got - still).max() <= 3 and np.abs(got - still).mean() < 0.8  # YUV of 8 bits is coarser than RGB


def test_no_strength_leaves_the_picture(enhancer, tmp_path):
    clip = write_clip(tmp_path / 'in.mkv', pix_fmt='yuv444p', codec='ffv1')
    enhancer(clip, tmp_path / 'out.mkv', codec='ffv1', strength=0)
    assert np.abs(pictures(clip).astype(int) - pictures(tmp_path / 'out.mkv')).max() <= 2


def test_ten_bits_stay_ten(enhancer, tmp_path):
    stills = [(scene() * 257).astype(np.uint16)] * 2
    clip = write_clip(tmp_path / 'in.mkv', stills, pix_fmt='yuv420p10le')
    enhancer(clip, tmp_path / 'out.mkv', depth='source')
    with av.open(str(tmp_path / 'out.mkv')) as container:
        assert next(container.decode(video=0)).format.name == 'yuv420p10le'


def test_odd_sizes_and_webm(enhancer, tmp_path):
    clip = write_clip(tmp_path / 'in.mkv', [scene().astype(np.uint8)[:37, :53]] * 2, pix_fmt='yuv444p')
    enhancer(clip, tmp_path / 'out.mkv')
    enhancer(clip, tmp_path / 'out.webm')
    assert pictures(tmp_path / 'out.mkv').shape == pictures(tmp_path / 'out.webm').shape == (2, 37, 53, 3)


def test_pixel_formats():
    assert pixel_format(av, 'libx264', 'yuvj420p', even=True) == 'yuv420p'
    assert pixel_format(av, 'libx264', 'yuv420p', even=False) == 'yuv444p'
    assert pixel_format(av, 'libx264', 'yuv422p12le', even=True) == 'yuv420p10le'
    assert pixel_format(av, 'libx264', 'yuv444p12le', even=True, depth='8') == 'yuv420p'
    assert pixel_format(av, 'libx264', 'yuv420p', even=True, depth='10') == 'yuv420p10le'
    assert pixel_format(av, 'libx264', 'yuv420p', even=False, depth='10') == 'yuv444p10le'
    assert pixel_format(av, 'mpeg4', 'yuv420p', even=True, depth='10') == 'yuv420p'
    with pytest.raises(ValueError, match='codec must take frames of odd width or height, mpeg4 takes yuv420p'):
        pixel_format(av, 'mpeg4', 'yuv420p', even=False)


def test_rotation_is_applied(enhancer, tmp_path):
    """A display matrix written into the file, as phones do: what players turn comes out turned."""
    clip = write_clip(tmp_path / 'in.mp4')
    content = clip.read_bytes()
    one, none = (65536).to_bytes(4), bytes(4)
    upright = one + none * 3 + one + none * 3 + (2**30).to_bytes(4)
    turned = none + one + none + (-65536).to_bytes(4, signed=True) + none * 4 + (2**30).to_bytes(4)
    header, track, rest = content.split(upright)  # the movie's, then the track's
    clip.write_bytes(header + upright + track + turned + rest)
    with av.open(str(clip)) as container:
        frame = next(container.decode(video=0))
        assert frame.rotation == -90  # clockwise
        shown = np.rot90(frame.to_ndarray(format='rgb24'), -1)
    enhancer(clip, tmp_path / 'out.mp4', strength=0, crf=1)
    got = pictures(tmp_path / 'out.mp4')[0]
    assert got.shape == (64, 48, 3) and np.abs(got.astype(int) - shown).mean() < 3


def test_cuts_and_smoothing(enhancer, tmp_path):
    stills = [scene(i // 3).astype(np.uint8) if i < 3 else 255 - scene(5).astype(np.uint8) for i in range(6)]
    assert enhancer(write_clip(tmp_path / 'in.mkv', stills), tmp_path / 'out.mkv').cuts == 1


def luminance_after(enhancer, clip, time_constant):
    temporal = TemporalEnhancer(enhancer.inferencer.network, time_constant=time_constant)
    return torch.tensor([(enhancer.enhance_frame(temporal, f, 0.04, Tone()) @ LUMA_WEIGHTS).mean() for f in clip])


@pytest.mark.parametrize('gain', [0, 0.02])
def test_flicker_is_at_least_halved(enhancer, shared_data, gain):
    """A static clip made from a real dark photograph, noise new in every frame, the gain steady or trembling."""
    import cv2
    path = sorted((shared_data / 'noref').glob('*/*'))[10]
    still = cv2.resize(cv2.imread(str(path))[..., ::-1], (96, 64), interpolation=cv2.INTER_AREA).astype(float)
    rng = np.random.default_rng(0)
    clip = [np.clip(still * (1 + rng.uniform(-gain, gain)) + rng.normal(0, 2, still.shape), 0, 255).astype(np.uint8)
            for _ in range(20)]
    before, after = (flicker(luminance_after(enhancer, clip, t)) for t in (0, 0.5))
    assert after < before / 2
    assert after < before / 20, 'what was measured on 60 frames (docs/video.md) holds here too'


def test_broken_packets_are_left_out_and_counted(enhancer, tmp_path):
    clip = write_clip(tmp_path / 'in.mkv', codec='mpeg4')
    content = clip.read_bytes()
    for _, data in packets(clip, 'video')[2:3]:
        content = content.replace(data, bytes(len(data)))
    clip.write_bytes(content)
    report = enhancer(clip, tmp_path / 'out.mkv')
    assert report.broken == 1 and report.frames == 5
    assert '1 broken packets left out' in report.summary()


@pytest.mark.parametrize('options, error, message', [
    (dict(strength=2), ValueError, 'strength must be in'),
    (dict(reference_brightness=0), ValueError, r'reference_brightness must be in \(0, 1\), got 0'),
    (dict(codec='h999'), ValueError, "codec must be a video encoder .* got 'h999'"),
    (dict(codec='mpeg4', crf=3), ValueError, 'crf must be left out with mpeg4'),
    (dict(crf=99), ValueError, r'crf must be in \[0, 63\], got 99'),
    (dict(depth='12'), ValueError, "depth must be .* got '12'"),
    (dict(max_frames=0), ValueError, 'max_frames must be at least 1, got 0'),
    (dict(out='in.mkv'), ValueError, 'out must be another file than the source'),
    (dict(out='there.mkv'), FileExistsError, 'out must not exist unless it may be overwritten'),
    (dict(out='nothing'), ValueError, "out must have a container's suffix"),
    (dict(out='a.xyz'), ValueError, r"container's suffix such as .mp4 or .mkv, got \S*/a.xyz \(((?!/\.a-).)*$"),
    (dict(source='none.mkv'), FileNotFoundError, 'source must be a video file, .* got .*none.mkv'),
    (dict(source='text.mkv'), ValueError, 'source must be a video that FFmpeg reads'),
    (dict(source='sound.mkv'), ValueError, 'source must have a video stream'),
])
def test_refused_before_any_work(enhancer, tmp_path, options, error, message):
    write_clip(tmp_path / 'in.mkv')
    (tmp_path / 'there.mkv').write_bytes(b'mine')
    (tmp_path / 'text.mkv').write_text('no video')
    with av.open(str(tmp_path / 'sound.mkv'), 'w') as container:
        sound = container.add_stream('aac', rate=16000, layout='mono')
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.int16), format='s16', layout='mono')
        samples.sample_rate = 16000
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    options = dict(options)
    source, out = (tmp_path / options.pop(name, default) for name, default in (('source', 'in.mkv'), ('out', 'o.mkv')))
    with pytest.raises(error, match=message):
        enhancer(source, out, **options)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_files_of_the_user_with_a_name_like_a_drafts_stay(enhancer, tmp_path):
    """A source whose name looks like that of a part of the result, and a stranger beside it."""
    source = write_clip(tmp_path / 'film.partial.mp4')
    (tmp_path / '.film-000000.mp4').write_bytes(b'mine')
    before = source.read_bytes()
    enhancer(source, tmp_path / 'film.mp4')
    assert source.read_bytes() == before and (tmp_path / '.film-000000.mp4').read_bytes() == b'mine'
    assert len(pictures(tmp_path / 'film.mp4')) == 6
    assert sorted(p.name for p in tmp_path.iterdir()) == ['.film-000000.mp4', 'film.mp4', 'film.partial.mp4']


def test_memory_holds_a_few_frames(enhancer, tmp_path, monkeypatch):
    """Frames alive at any time: those at hand and on their way, and not the clip."""
    import gc
    import weakref
    clip, alive, most = write_clip(tmp_path / 'in.mkv', [scene().astype(np.uint8)] * 40), [], []

    class Frame(np.ndarray):
        pass

    original = FrameReader._rgb

    def watched(self, frame, look):
        array = original(self, frame, look).view(Frame)
        alive.append(weakref.ref(array))
        gc.collect()
        most.append(sum(reference() is not None for reference in alive))
        return array

    monkeypatch.setattr(FrameReader, '_rgb', watched)
    gc.freeze()  # what there is by now is not looked through for every frame
    try:
        enhancer(clip, tmp_path / 'out.mkv')
    finally:
        gc.unfreeze()
    assert len(most) == 40 and max(most) <= FRAMES + 3  # one decoded, one enhanced, one at hand


def test_live_sources_keep_what_came(enhancer, tmp_path, monkeypatch):
    """A source with a format, here FFmpeg's own test picture; Ctrl-C keeps what came, of a file nothing."""
    source = dict(source='testsrc=size=64x48:rate=25', source_format='lavfi')
    report = enhancer(**source, out=tmp_path / 'live.mkv', max_frames=3)
    assert report.frames == 3 and len(pictures(tmp_path / 'live.mkv')) == 3
    original, calls = VideoEnhancer.enhance_frame, []

    def interrupted(self, *arguments, **options):
        calls.append(1)
        if len(calls) % 3 == 0:
            raise KeyboardInterrupt
        return original(self, *arguments, **options)

    monkeypatch.setattr(VideoEnhancer, 'enhance_frame', interrupted)
    report = enhancer(**source, out=tmp_path / 'ended.mkv')
    assert report.interrupted and report.frames == 2 and len(pictures(tmp_path / 'ended.mkv')) == 2
    clip = write_clip(tmp_path / 'in.mkv')
    with pytest.raises(KeyboardInterrupt):
        enhancer(clip, tmp_path / 'out.mkv')
    assert sorted(p.name for p in tmp_path.iterdir()) == ['ended.mkv', 'in.mkv', 'live.mkv']


def test_the_command(tmp_path, capsys):
    still = np.kron(scene(), np.ones((3, 3, 1))).astype(np.uint8)
    clip = write_clip(tmp_path / 'in.mp4', [still] * 400, audio=True)  # many seconds of work
    arguments = ['video', str(clip), str(tmp_path / 'out.mp4'), '--quiet', '--device', 'cpu']
    assert main([*arguments[:3], '--device', 'cpu', '--max-frames', '3', '--smoothing', '0.2']) == 0
    assert capsys.readouterr().out.startswith('3 frames enhanced, 0 scene cuts, ')
    assert main(arguments) == 2 and 'out must not exist unless' in capsys.readouterr().err
    assert main([*arguments, '--overwrite', '--smoothing', '-1']) == 2
    assert 'time_constant must be at least 0 seconds' in capsys.readouterr().err
    before = (tmp_path / 'out.mp4').read_bytes()
    with started('-m', 'isalux_mm', *arguments, '--overwrite', stderr=subprocess.PIPE, text=True,
                 env=environment()) as process:
        wait_until(lambda: list(tmp_path.glob('.out-*.mp4')), process)
        process.send_signal(signal.SIGTERM)  # as Ctrl-C; SIGINT is ignored where the tests run in the background
        assert 'interrupted' in process.communicate(timeout=PATIENCE)[1] and process.returncode == 130
    assert sorted(p.name for p in tmp_path.iterdir()) == ['in.mp4', 'out.mp4']
    assert (tmp_path / 'out.mp4').read_bytes() == before
