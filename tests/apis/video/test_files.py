"""Videos and people's files: colons in names, drafts that meet nobody's file, what is not finite."""
import numpy as np
import pytest

from isalux_mm.apis.video import UnfinishedError, VideoEnhancer
from isalux_mm.apis.video.containers import is_address
from isalux_mm.inference.temporal import TemporalEnhancer

av = pytest.importorskip('av', reason='videos need PyAV')


@pytest.fixture(scope='module')
def enhancer():
    return VideoEnhancer(device='cpu', show_progress=False)


def clip(path, frames=2):
    """A dark clip of 48 x 64 pixels; FFmpeg is given an absolute path, in which colons mean nothing."""
    still = np.full((48, 64, 3), 20, np.uint8)
    with av.open(str(path.resolve()), 'w', format='matroska' if path.suffix == '.mkv' else 'mp4') as container:
        stream = container.add_stream('mpeg4', rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, 'yuv420p'
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(still, format='rgb24')))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(('source', 'out'), [
    ('10:20:30.mp4', 'a:b.mp4'), ('concat:x.mkv', 'pipe:1.mkv'), ('rtsp.mkv', 'file:.mkv'), ('a%03d.mkv', 'b%d.mkv')])
def test_a_colon_makes_no_protocol_of_a_file(enhancer, tmp_path, monkeypatch, source, out):
    monkeypatch.chdir(tmp_path)
    clip(tmp_path / source)
    assert enhancer(source, out).frames == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source, out])


@pytest.mark.parametrize(('source', 'expected'), [
    ('rtsp://camera/stream', True), ('http://host/a.mp4', True), ('10:20:30.mp4', False), ('C:/a.mp4', False)])
def test_addresses_are_told_from_files(source, expected):
    assert is_address(source) == expected


@pytest.mark.parametrize('name', [
    'clip.partial.mkv', '.clip.mkv', 'clip.mkv.tmp', 'clip.mkv~', 'clip-000000000000.mkv'])
def test_files_of_the_user_beside_the_result_stay(enhancer, tmp_path, name):
    """Whatever a draft may be called: as the stranger beside the result, and as the source itself."""
    (tmp_path / name).write_bytes(b'something of the user')
    enhancer(clip(tmp_path / 'a.mkv'), tmp_path / 'clip.mkv')
    assert (tmp_path / name).read_bytes() == b'something of the user'
    source = clip(tmp_path / 'film.partial.mkv')
    before = source.read_bytes()
    enhancer(source, tmp_path / 'film.mkv')
    assert source.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ['a.mkv', 'clip.mkv', 'film.mkv', 'film.partial.mkv', name])


def test_a_result_that_comes_while_the_film_is_worked_on_stays(enhancer, tmp_path, monkeypatch):
    real = VideoEnhancer.enhance_frame

    def meanwhile(self, *arguments, **options):
        (tmp_path / 'out.mkv').write_bytes(b'of somebody')
        return real(self, *arguments, **options)

    monkeypatch.setattr(VideoEnhancer, 'enhance_frame', meanwhile)
    with pytest.raises(UnfinishedError, match='come into being in the meantime'):
        enhancer(clip(tmp_path / 'in.mkv'), tmp_path / 'out.mkv')
    assert (tmp_path / 'out.mkv').read_bytes() == b'of somebody'


def test_frames_that_are_not_finite_are_no_black_frames(enhancer, tmp_path, monkeypatch):
    monkeypatch.setattr(TemporalEnhancer, '__call__', lambda self, low, seconds: low / 0 * 0)
    with pytest.raises(ValueError, match="the network's result for a frame must be finite, got 9216 NaN"):
        enhancer(clip(tmp_path / 'in.mkv'), tmp_path / 'out.mkv')
    assert not (tmp_path / 'out.mkv').exists()


def test_the_longest_name(enhancer, tmp_path):
    name = '図' * 83 + '.mkv'
    assert enhancer(clip(tmp_path / 'in.mkv'), tmp_path / name).frames == 2 and (tmp_path / name).is_file()
