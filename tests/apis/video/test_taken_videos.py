"""What FFmpeg takes is taken: odd time stamps, cover art, changing sizes, matrices, a failure near the end."""
import os
import subprocess
from fractions import Fraction

import clips
import numpy as np
import pytest
from clips import av, joined, remuxed, stills, times_of, write_clip, write_cover, write_y4m
from processes import PATIENCE, environment, started

from isalux_mm.apis.video import UnfinishedError, VideoEnhancer
from isalux_mm.apis.video.keeping import kept_unfinished
from isalux_mm.cli import main

FRAMES = 6


def with_b_frames(path, **options):
    return write_clip(path, options={'bf': '2', 'g': '6'}, **options)


def mpeg_ts_twice(folder):
    part = with_b_frames(folder / 'part.ts', sound='aac')
    return joined(folder / 'in.ts', part, part)


SOURCES = {  # builder, frames, what is said
    'joined transport streams': (mpeg_ts_twice, 2 * FRAMES, '1 jumps in time closed'),
    'B-frames in AVI': (lambda f: with_b_frames(f / 'in.avi', sound='mp2'), FRAMES, ''),
    'raw H.264': (lambda f: with_b_frames(f / 'in.h264'), FRAMES, '6 time stamps corrected'),
    'raw MJPEG': (lambda f: write_clip(f / 'in.mjpeg', codec='mjpeg', pix_fmt='yuvj420p'), FRAMES, ''),
    'YUV4MPEG': (lambda f: write_y4m(f / 'in.y4m'), FRAMES, ''),
    'repeated': (lambda f: write_clip(f / 'in.mkv', codec='ffv1', times=[0, 0, 80, 80, 160, 160],
                                      time_base=Fraction(1, 1000)), FRAMES, '3 time stamps corrected'),
}


@pytest.mark.parametrize('suffix', ['.mp4', '.mkv', '.avi'])
@pytest.mark.parametrize('kind', SOURCES)
def test_no_frame_is_lost_to_its_time_stamp(tiny, tmp_path, kind, suffix):
    build, frames, said = SOURCES[kind]
    report = tiny(build(tmp_path), tmp_path / f'out{suffix}')
    times = times_of(tmp_path / f'out{suffix}')
    assert report.frames == len(times) == frames and said in report.summary()
    assert times == sorted(set(times)), 'times of showing increase'
    assert not report.broken


def test_joined_parts_stay_with_their_sound(tiny, tmp_path):
    """The sound of both parts is there, and as long as the picture."""
    tiny(mpeg_ts_twice(tmp_path), tmp_path / 'out.mkv')
    with av.open(str(tmp_path / 'out.mkv')) as container:
        sound = [float(p.pts * p.time_base) for p in container.demux(audio=0) if p.size]
    times = times_of(tmp_path / 'out.mkv')
    assert sound == sorted(set(sound))
    steps = np.diff(times)
    assert steps[FRAMES - 1] < 0.2, 'the second part begins when the sound of the first one ends'
    assert np.delete(steps, FRAMES - 1) == pytest.approx(0.04, abs=0.002)
    assert abs((sound[-1] - sound[0]) - (times[-1] - times[0])) < 0.2


@pytest.mark.parametrize(('parts', 'flags', 'suffix'), [
    (['cover', 'film', 'sound'], {0: 'attached_pic'}, '.mp4'),
    (['film', 'sound', 'cover'], {2: 'attached_pic'}, '.mp4'),
    (['cover', 'film', 'sound'], {}, '.mkv'),  # a still picture that no one marked
    (['cover', 'sound', 'film'], {2: 'comment'}, '.mkv'),  # and that is the default
])
def test_the_picture_that_moves_is_enhanced(tiny, tmp_path, parts, flags, suffix):
    cover, film = write_cover(tmp_path / 'cover.jpg'), write_clip(tmp_path / 'film.mp4', sound='aac')
    known = {'cover': (cover, 'video'), 'film': (film, 'video'), 'sound': (film, 'audio')}
    source = remuxed(tmp_path / f'in{suffix}', *(known[part] for part in parts), flags=flags)
    report = tiny(source, tmp_path / 'out.mkv')
    assert report.frames == len(times_of(tmp_path / 'out.mkv')) == FRAMES and len(report.left_out) == 1
    with av.open(str(tmp_path / 'out.mkv')) as container:
        assert [s.type for s in container.streams] == ['video', 'audio']


def test_a_picture_alone_is_a_film_of_one_frame(tiny, tmp_path):
    assert tiny(write_cover(tmp_path / 'a.jpg'), tmp_path / 'out.mkv').frames == 1


@pytest.mark.parametrize('later', [(16, 24), (64, 48), (33, 49)])
def test_other_sizes_are_scaled_to_the_first(tiny, tmp_path, later):
    options = dict(codec='mpeg4') if later[0] % 2 else {}  # takes odd sides in 4:2:0
    source = joined(tmp_path / 'in.ts', write_clip(tmp_path / 'a.ts', **options),
                    write_clip(tmp_path / 'b.ts', stills(size=later), **options))
    told = []
    report = tiny(source, tmp_path / 'out.mp4', strength=0, crf=4, told=told.append)
    assert report.frames == 2 * FRAMES and report.resized == FRAMES
    assert told == [f'frames of {later[1]} x {later[0]} pixels are scaled to 48 x 32, the size of the first']
    with av.open(str(tmp_path / 'out.mp4')) as container:
        shown = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
    assert {frame.shape for frame in shown} == {(32, 48, 3)}
    assert np.abs(shown[0].astype(int) - shown[FRAMES]).mean() < 6, 'the same ramps, scaled'


@pytest.mark.parametrize('matrix', [0, 2, 3, 8, 9, 10, 12, 14, 17])
def test_matrices_that_the_scaler_does_not_know_fall_back(tiny, tmp_path, matrix):
    """Samples that are read and written by the same rule come back, whatever they are called."""
    source = write_clip(tmp_path / 'in.mkv', matrix=matrix)
    report = tiny(source, tmp_path / 'out.mkv', strength=0, crf=4)
    assert report.frames == FRAMES
    assert ('YUV matrix' in ' '.join(report.warnings)) == (matrix not in (0, 2, 3, 9))
    planes = []
    for path in (source, tmp_path / 'out.mkv'):
        with av.open(str(path)) as container:
            planes.append(next(container.decode(video=0)).to_ndarray().astype(int))
    assert np.abs(planes[0] - planes[1]).mean() < 2.5


@pytest.mark.parametrize(('options', 'said'), [
    (dict(transfer=16, primaries=9, matrix=9), 'HDR (PQ)'),
    (dict(transfer=18), 'HDR (HLG)'),
    (dict(options={'x264-params': 'interlaced=1'}), 'interlaced'),
    (dict(codec='ffv1', pix_fmt='yuva420p'), 'transparency'),
    (dict(codec='ffv1', pix_fmt='bgra'), 'transparency'),
    (dict(codec='ffv1', pix_fmt='yuv422p10le'), '10 bits are written as 8'),
    (dict(frames=stills(2, (33, 49)), codec='ffv1', pix_fmt='yuv444p'), '4:4:4'),
    (dict(), None),
])
def test_what_is_lost_is_said_as_it_comes(tiny, tmp_path, options, said):
    told = []
    report = tiny(write_clip(tmp_path / 'in.mkv', **options), tmp_path / 'out.mp4', told=told.append)
    assert told == report.warnings and (any(said in line for line in told) if said else not told)


@pytest.mark.parametrize(('pix_fmt', 'options', 'expected'), [
    ('yuv444p', {}, 'yuv420p'), ('yuv422p10le', {}, 'yuv420p'), ('bgra', {}, 'yuv420p'), ('gray', {}, 'yuv420p'),
    ('yuv422p10le', dict(depth='10'), 'yuv420p10le'), ('yuv444p', dict(depth='10'), 'yuv420p10le'),
    ('yuv422p10le', dict(depth='source'), 'yuv422p10le'), ('yuv444p', dict(depth='source'), 'yuv444p'),
    ('yuv422p10le', dict(codec='ffv1'), 'yuv422p10le'),
])
def test_eight_bits_of_420_unless_asked(tiny, tmp_path, pix_fmt, options, expected):
    tiny(write_clip(tmp_path / 'in.mkv', stills(2), codec='ffv1', pix_fmt=pix_fmt), tmp_path / 'out.mkv', **options)
    with av.open(str(tmp_path / 'out.mkv')) as container:
        frame = next(container.decode(video=0))
        assert frame.format.name == expected and frame.color_range == 1, 'limited, as players expect'


@pytest.mark.parametrize(('suffix', 'tag'), [('.mp4', b'hvc1'), ('.mov', b'hvc1')])
def test_hevc_has_the_tag_that_plays(tiny, tmp_path, suffix, tag):
    tiny(write_clip(tmp_path / 'in.mkv', stills(2, (64, 64))), tmp_path / f'out{suffix}', codec='libx265')
    content = (tmp_path / f'out{suffix}').read_bytes()
    assert tag in content and b'hev1' not in content


def rich_source(path):
    """Two sounds with flags and languages, a chapter, a font, and what a phone writes of itself."""
    part = write_clip(path.with_name('part.mkv'), sound='aac')
    with av.open(str(path), 'w') as container, av.open(str(part)) as first, av.open(str(part)) as second:
        container.metadata.update({'title': 'Night', 'com.android.version': '15', 'encoder': 'Phone'})
        container.set_chapters([dict(id=1, start=0, end=100, time_base=Fraction(1, 1000), metadata={'title': 'One'})])
        kinds = type(first.streams[0].disposition)
        copies = []
        for source, index, language, flags in ((first, 0, 'und', kinds.default), (first, 1, 'deu', kinds.default),
                                               (second, 1, 'fra', kinds.forced)):
            copy = container.add_stream_from_template(source.streams[index], opaque=True)
            copy.metadata['language'], copy.disposition = language, flags
            copies.append((source, source.streams[index], copy))
        container.add_attachment('letters.ttf', 'font/ttf', b'font')
        for source, stream, copy in copies[:2]:
            for packet in source.demux(stream):
                if packet.size:
                    packet.stream = copy
                    container.mux(packet)
            source.seek(0)
        for packet in second.demux(second.streams[1]):
            if packet.size:
                packet.stream = copies[2][2]
                container.mux(packet)
    return path


@pytest.mark.parametrize('suffix', ['.mkv', '.mp4'])
def test_flags_languages_chapters_and_device_are_kept(tiny, tmp_path, suffix):
    report = tiny(rich_source(tmp_path / 'in.mkv'), tmp_path / f'out{suffix}')
    with av.open(str(tmp_path / f'out{suffix}')) as container:
        tags = {key.lower(): value for key, value in container.metadata.items()}
        assert (tags['title'], tags['com.android.version']) == ('Night', '15') and tags['encoder'] != 'Phone'
        assert [c['metadata']['title'] for c in container.chapters()] == ['One']
        sounds = container.streams.audio
        assert [s.metadata['language'] for s in sounds] == ['deu', 'fra']
        assert [bool(s.disposition & type(s.disposition).forced) for s in sounds] == [False, True]
        assert [bool(s.disposition & type(s.disposition).default) for s in sounds] == [True, False]
        attached = [s for s in container.streams if s.type == 'attachment']
    assert len(attached) == (suffix == '.mkv') and len(report.left_out) == (suffix != '.mkv')


def test_tags_that_are_no_text_stop_nothing(tiny, tmp_path):
    source = write_clip(tmp_path / 'in.avi', codec='mpeg4', tags={'title': 'Nacht-QQQ'})
    source.write_bytes(source.read_bytes().replace(b'QQQ', b'\xff\xfe\xfc'))
    assert tiny(source, tmp_path / 'out.mp4').frames == FRAMES


def failing(original, at):
    """`enhance_frame` that fails at a frame."""
    calls = []

    def enhance_frame(self, *arguments):
        calls.append(1)
        if len(calls) == at:
            raise RuntimeError('out of\nmemory')
        return original(self, *arguments)

    return enhance_frame


@pytest.mark.parametrize('suffix', ['.mp4', '.mkv', '.webm'])
def test_finished_frames_outlive_a_failure(tiny, tmp_path, monkeypatch, suffix):
    source = write_clip(tmp_path / 'in.mkv')
    mine = tmp_path / f'out.incomplete{suffix}'
    mine.write_bytes(b'mine')
    monkeypatch.setattr(VideoEnhancer, 'enhance_frame', failing(VideoEnhancer.enhance_frame, 5))
    with pytest.raises(UnfinishedError, match=r'in.mkv: failed after 4 frames, which are kept in \S*out.incomplete-2'
                                              r'\.\w+ \(out of memory\)') as caught:
        tiny(source, tmp_path / f'out{suffix}')
    assert caught.value.kept == tmp_path / f'out.incomplete-2{suffix}' and len(times_of(caught.value.kept)) == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ['in.mkv', f'out.incomplete-2{suffix}', mine.name]
    assert mine.read_bytes() == b'mine'


def test_a_failure_at_the_first_frame_leaves_nothing(tiny, tmp_path, monkeypatch):
    source = write_clip(tmp_path / 'in.mkv')
    monkeypatch.setattr(VideoEnhancer, 'enhance_frame', failing(VideoEnhancer.enhance_frame, 1))
    with pytest.raises(ValueError, match='in.mkv cannot be enhanced'):
        tiny(source, tmp_path / 'out.mkv')
    assert [p.name for p in tmp_path.iterdir()] == ['in.mkv']


def test_a_name_of_many_bytes_is_cut_for_what_is_kept(tmp_path):
    draft = write_clip(tmp_path / 'draft.mkv')
    kept = kept_unfinished(av, draft, tmp_path / f'{"夜" * 82}.mkv')
    assert kept.name.startswith('夜' * 60) and kept.name.endswith('夜.incomplete.mkv')
    assert len(times_of(kept)) == FRAMES and not draft.exists()
    draft.write_bytes(b'nothing')
    assert kept_unfinished(av, draft, tmp_path / 'out.mkv') is None and draft.exists()


@pytest.mark.parametrize('codec', ['libx264', 'libx265', 'libsvtav1'])
def test_quiet_is_quiet(tiny_files, tmp_path, codec):
    """Nothing on either stream, encoders that write by themselves included; without it what was done is said."""
    source = write_clip(tmp_path / 'in.mkv', stills(2, (64, 64)), codec='ffv1', pix_fmt='yuv444p16le')
    config, weights = tiny_files
    command = ('-m', 'isalux_mm', 'video', str(source), str(tmp_path / 'out.mkv'), '--quiet', '--codec', codec,
               '--model', config, '--weights', weights, '--device', 'cpu')
    with started(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.communicate(timeout=PATIENCE) == (b'', b'') and process.returncode == 0
    assert len(times_of(tmp_path / 'out.mkv')) == 2


def test_the_command_says_what_is_lost(tiny_files, tmp_path, capsys):
    source = write_clip(tmp_path / 'in.mkv', codec='ffv1', pix_fmt='yuv420p10le')
    config, weights = tiny_files
    assert main(['video', str(source), str(tmp_path / 'o.mp4'), '--model', config, '--weights', weights, '--device',
                 'cpu']) == 0
    told = capsys.readouterr()
    assert 'isalux video: 10 bits are written as 8' in told.err and told.out.startswith('6 frames enhanced')
    assert 'SVT_LOG' not in os.environ


def test_a_source_that_ends_early_gives_what_it_holds(tiny, tmp_path):
    source = write_clip(tmp_path / 'in.ts', clips.stills(20))
    content = source.read_bytes()
    source.write_bytes(content[:len(content) * 3 // 4])
    report = tiny(source, tmp_path / 'out.mp4')
    assert 10 <= report.frames < 20 and len(times_of(tmp_path / 'out.mp4')) == report.frames
