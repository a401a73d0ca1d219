"""Videos in fast mode: the tone is full mode's, brightness is as steady, every depth and size is taken."""
import numpy as np
import pytest
import torch
from clips import av, stills, times_of, write_clip

from isalux_mm.apis.tone import Tone
from isalux_mm.apis.video import VideoEnhancer
from isalux_mm.apis.video.encoding import QUICK_OPTIONS, RATE_FACTORS, encoder_options
from isalux_mm.apis.video.finishing import finished, quick_picture
from isalux_mm.cli import main
from isalux_mm.functional.illumination import LUMA_WEIGHTS, luma
from isalux_mm.inference.temporal import TemporalEnhancer, flicker


@pytest.fixture(scope='module')
def fast(tiny_files):
    return VideoEnhancer(*tiny_files, device='cpu', mode='fast', show_progress=False)


def results(count=3, most=1.5, size=(37, 53)):
    """What a network may have given, and dark frames."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        low = 0.3 * torch.rand(1, 3, *size, generator=generator)
        yield most * torch.rand(1, 3, *size, generator=generator)**2 - 0.05, low


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize('highlights', ['soft', 'clip'])
@pytest.mark.parametrize('most', [0.6, 1.2, 3.0])
@pytest.mark.parametrize('options', [{}, dict(strength=0.5), dict(reference_brightness=0.4)])
def test_the_quick_finish_is_the_finish(most, highlights, dtype, options):
    tone, scale = Tone(highlights=highlights, **options), np.iinfo(dtype).max
    plain, quick = (TemporalEnhancer(torch.nn.Identity()) for _ in range(2))
    for i, (enhanced, low) in enumerate(results(most=most)):
        plain.means.memory = quick.means.memory = 0.9
        bright = enhanced * (1 + 0.02 * i)  # the exposure trembles
        expected = finished(plain, bright.clone(), low, tone)[0].permute(1, 2, 0).numpy() * scale
        got = quick_picture(quick, bright.clone(), low, tone, np.dtype(dtype))
        assert got.dtype == dtype and got.shape == expected.shape
        off = np.abs(got - expected) / scale
        # a parabola and a power law that correct by some percent differ by tenths of that
        assert off.max() < 0.5001 / scale + (1e-5 if i == 0 else 0.02)
        assert abs(got.mean() - expected.mean()) / scale < 1e-3


def test_strips_hold_the_same(monkeypatch):
    pictures = []
    for pixels in (53 * 7, 10**6):
        monkeypatch.setattr('isalux_mm.apis.video.finishing.STRIP_PIXELS', pixels)
        temporal = TemporalEnhancer(torch.nn.Identity())
        pictures.append([quick_picture(temporal, *pair, Tone(), np.dtype(np.uint16)) for pair in results(most=2.0)])
    assert np.abs(np.array(pictures[0], int) - np.array(pictures[1], int)).max() <= 1  # of 65535: sums differ


def test_the_mean_is_steady_to_the_last_bit():
    """Whatever the frame's own brightness, its luma is the mean over time; far corrections follow the power law."""
    temporal = TemporalEnhancer(torch.nn.Identity())
    (first, low), (second, _) = results(2, most=0.9)
    means = []
    for gain in (1.0, 0.9, 0.1):
        temporal.means.memory = 1.0
        picture = quick_picture(temporal, gain * (first if gain == 1 else second), low * 0, Tone(), np.dtype(np.uint16))
        means.append((picture @ LUMA_WEIGHTS).mean() / 65535)
    assert means[0] == pytest.approx(float(luma(first.clamp(0, 1)).mean()), abs=1e-5)
    assert means[1:] == pytest.approx([means[0]] * 2, rel=2e-4)


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_what_is_not_finite_is_no_picture(value):
    (enhanced, low), = results(1)
    enhanced[0, 1, 2, 3] = value
    with pytest.raises(ValueError, match="the network's result for a frame must be finite"):
        quick_picture(TemporalEnhancer(torch.nn.Identity()), enhanced, low, Tone(), np.dtype(np.uint8))


@pytest.mark.parametrize('gain', [0, 0.02])
def test_flicker_is_that_of_full_mode(shared_data, gain):
    """A static clip made from a real dark photograph, noise new in every frame, the gain steady or trembling."""
    import cv2
    path = sorted((shared_data / 'noref').glob('*/*'))[10]
    still = cv2.resize(cv2.imread(str(path))[..., ::-1], (96, 64), interpolation=cv2.INTER_AREA).astype(float)
    rng, found = np.random.default_rng(0), {}
    clip = [np.clip(still * (1 + rng.uniform(-gain, gain)) + rng.normal(0, 2, still.shape), 0, 255).astype(np.uint8)
            for _ in range(20)]
    for mode in ('full', 'fast'):
        enhancer = VideoEnhancer(device='cpu', mode=mode, show_progress=False)
        temporal = enhancer.begun()
        found[mode] = flicker(torch.tensor(
            [(enhancer.enhance_frame(temporal, frame, 0.04, Tone()) @ LUMA_WEIGHTS).mean() for frame in clip]))
    assert found['fast'] < 2 * found['full'] + 2e-9  # rounding to 8 bits alone makes that of so small frames


@pytest.mark.parametrize(('pix_fmt', 'size', 'codec'), [
    ('yuv420p', (64, 96), 'libx264'), ('yuv444p', (37, 53), 'ffv1'), ('yuv420p10le', (64, 96), 'libx264'),
    ('yuva420p', (64, 96), 'ffv1'), ('gray', (2, 2), 'ffv1'), ('yuv444p', (1, 64), 'ffv1'),
    ('gbrp16le', (64, 64), 'ffv1')])
def test_every_kind_of_frame(fast, tmp_path, pix_fmt, size, codec):
    source = write_clip(tmp_path / 'in.mkv', stills(11, size), codec=codec, pix_fmt=pix_fmt, sound='aac')
    report = fast(source, tmp_path / 'out.mkv', depth='source')
    assert report.frames == len(times_of(tmp_path / 'out.mkv')) == 11
    assert 1 <= report.asked <= 11 and f'the network run on {report.asked} of them' in report.summary()
    assert 'frames a second' in report.summary()
    with av.open(str(tmp_path / 'out.mkv')) as container:
        bits = max(c.bits for c in container.streams.video[0].format.components)
    assert bits == (8 if pix_fmt[-2:] != 'le' else 10)


def test_no_strength_leaves_the_picture(fast, tmp_path):
    source = write_clip(tmp_path / 'in.mkv', codec='ffv1', pix_fmt='yuv444p')
    fast(source, tmp_path / 'out.mkv', codec='ffv1', strength=0)
    frames = []
    for path in (source, tmp_path / 'out.mkv'):
        with av.open(str(path)) as container:
            frames.append([frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)])
    assert np.abs(np.array(frames[0], int) - frames[1]).max() <= 2, 'what the way through YUV makes of it'


@pytest.mark.parametrize('codec', RATE_FACTORS)
def test_quick_encoders(codec):
    plain, quick = (encoder_options(av, codec, None, quick=quick) for quick in (False, True))
    assert quick == {**plain, **QUICK_OPTIONS[codec]} and len(quick) > len(plain)


def test_modes(tiny_files):
    with pytest.raises(ValueError, match="mode must be .* got 'quick'"):
        VideoEnhancer(*tiny_files, device='cpu', mode='quick')


def test_the_command(tiny_files, tmp_path, capsys):
    config, weights = tiny_files
    source, out = write_clip(tmp_path / 'in.mp4', stills(9)), tmp_path / 'out.mp4'
    command = ['video', str(source), str(out), '--model', config, '--weights', weights, '--device', 'cpu', '--fast']
    assert main(command) == 0
    said = capsys.readouterr().out
    assert said.startswith('9 frames enhanced, ') and ' frames a second, the network run on ' in said
    assert main([*command, '--realtime', '--overwrite']) == 0
    assert ' of 9 dropped to keep pace with the source' in capsys.readouterr().out
