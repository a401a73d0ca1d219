"""Decoding, enhancing and encoding at once: as one after the other, whatever ends it; dropping in real time."""
import threading
from itertools import chain

import numpy as np
import pytest
from clips import RATE, av, stills, times_of, write_clip

from isalux_mm.apis.video import UnfinishedError
from isalux_mm.apis.video.containers import created, opened
from isalux_mm.apis.video.items import Remark, Shot
from isalux_mm.apis.video.line import AssemblyLine
from isalux_mm.apis.video.pace import paced
from isalux_mm.apis.video.reading import FrameReader
from isalux_mm.apis.video.report import VideoReport
from isalux_mm.apis.video.threads import FRAMES, Ahead, Behind, Channel, ClosedError
from isalux_mm.apis.video.writing import FrameWriter

OPTIONS = {'crf': '18'}


def shot(number=0, seconds=1 / RATE):
    return Shot(np.full((1, 1, 3), number, np.uint8), seconds, number, None)


def numbers(items):
    return [item.tick if isinstance(item, Shot) else item for item in items]


class Parts:
    """Reader and writer of a clip, opened for the block."""

    def __init__(self, source, out, codec='libx264', options=OPTIONS):
        self.source, self.out, self.codec, self.options = source, out, codec, options

    def __enter__(self):
        self.opening = opened(av, self.source, None, None)
        self.reader = FrameReader(av, self.opening, self.codec, self.out)
        self.target = created(av, self.out, self.out, {})
        self.writer = FrameWriter(av, self.target, self.reader, self.codec, self.options, '8', self.out)
        return self.reader, self.writer, VideoReport(self.out)

    def __exit__(self, *error):
        self.target.close()
        self.opening.__exit__(*error)


def inverted(one):
    return 255 - one.image


@pytest.mark.parametrize('most', [None, 7])
def test_the_result_is_that_of_one_after_the_other(tmp_path, most):
    """By FFmpeg's own encoder: libx264 gives the same samples of so small frames other bytes each time."""
    source = write_clip(tmp_path / 'in.mp4', stills(20), sound='aac', options={'bf': '2'})
    with Parts(source, tmp_path / 'serial.mp4', 'mpeg4', {'bf': '2'}) as (reader, writer, report):
        for item in reader.items():
            if isinstance(item, Remark):
                report.note(item)
            else:
                writer.write(item._replace(image=inverted(item)) if isinstance(item, Shot) else item)
            if isinstance(item, Shot) and writer.frames == most:
                break
        writer.finish()
    with Parts(source, tmp_path / 'threads.mp4', 'mpeg4', {'bf': '2'}) as (reader, writer, report):
        AssemblyLine(reader, writer, report, max_frames=most).run(inverted, lambda report: None)
    assert (tmp_path / 'threads.mp4').read_bytes() == (tmp_path / 'serial.mp4').read_bytes()
    assert report.frames == (most or 20) == len(times_of(tmp_path / 'threads.mp4'))
    assert report.dropped is None and 'dropped' not in report.summary()


def test_all_three_work_at_once(tmp_path):
    """The second frame is decoded while the first is enhanced, and the first encoded while the second is."""
    source, decoded, encoded = write_clip(tmp_path / 'in.mkv'), threading.Event(), threading.Event()
    with Parts(source, tmp_path / 'out.mkv') as (reader, writer, report):
        items, write = reader.items, writer.write

        def told_items():
            for count, item in enumerate(items()):
                yield item
                if count:
                    decoded.set()

        def told_write(item):
            write(item)
            encoded.set()

        def enhance(one):
            assert decoded.wait(60)
            assert one.tick == 0 or encoded.wait(60)
            return one.image

        reader.items, writer.write = told_items, told_write
        AssemblyLine(reader, writer, report).run(enhance, lambda report: None)
    assert report.frames == 6


@pytest.mark.parametrize('stage', ['items', 'write', 'enhance'])
@pytest.mark.parametrize('error', [RuntimeError('of a stage'), MemoryError('of a stage'), EOFError('of a stage')])
def test_an_error_of_any_stage_ends_all(tmp_path, stage, error):
    """The frames before it are kept, the error is the stage's, no thread is left."""
    source, before = write_clip(tmp_path / 'in.mkv', stills(12), sound='aac'), set(threading.enumerate())
    with Parts(source, tmp_path / 'out.mkv') as (reader, writer, report):
        def failing(original, at):
            calls = []

            def work(*arguments):
                calls.append(1)
                if len(calls) > at:
                    raise error
                return original(*arguments)
            return work

        enhance = failing(inverted, 5) if stage == 'enhance' else inverted
        if stage == 'items':
            items = reader.items
            reader.items = lambda: map(failing(lambda item: item, 9), items())
        if stage == 'write':
            writer.write = failing(writer.write, 7)
        with pytest.raises(type(error), match='of a stage') as caught:
            AssemblyLine(reader, writer, report).run(enhance, lambda report: None)
    assert caught.value is error
    assert 0 < report.frames == len(times_of(tmp_path / 'out.mkv')) < 12
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()


def test_no_room_on_the_disk_is_the_error_that_is_said(tiny, tmp_path, monkeypatch):
    source, write = write_clip(tmp_path / 'in.mkv', stills(12)), FrameWriter.write

    def full(self, item):
        if self.frames == 3:
            raise OSError(28, 'No space left on device')
        write(self, item)

    monkeypatch.setattr(FrameWriter, 'write', full)
    with pytest.raises(UnfinishedError, match='failed after 3 frames, .*No space left on device') as caught:
        tiny(source, tmp_path / 'out.mkv')
    assert len(times_of(caught.value.kept)) == 3


@pytest.mark.parametrize('at', [Ahead, Behind])
@pytest.mark.parametrize('started', [True, False])
def test_ctrl_c_while_the_threads_start(tiny, tmp_path, monkeypatch, at, started):
    """Containers were closed under a thread's hands, and the process ended with a segmentation fault."""
    start = at.start

    def interrupted(self):
        if started:
            start(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(at, 'start', interrupted)
    with pytest.raises(KeyboardInterrupt):
        tiny(write_clip(tmp_path / 'in.mkv'), tmp_path / 'out.mkv')
    assert [path.name for path in tmp_path.iterdir()] == ['in.mkv']


def test_a_source_that_does_not_answer_is_left_behind(tmp_path, monkeypatch):
    """Its container stays open, since a thread is busy with it; what came is kept."""
    monkeypatch.setattr('isalux_mm.apis.video.line.STALLED', 0.01)
    source, answer = write_clip(tmp_path / 'in.mkv'), threading.Event()
    parts = Parts(source, tmp_path / 'out.mkv')
    with parts as (reader, writer, report):
        items = reader.items

        def stalling():
            for item in items():
                yield item
                if isinstance(item, Shot) and item.tick:
                    answer.wait()

        reader.items = stalling
        AssemblyLine(reader, writer, report, max_frames=2).run(inverted, lambda report: None)
    assert parts.opening.busy and report.frames == len(times_of(tmp_path / 'out.mkv')) == 2
    answer.set()


def test_channel_keeps_order_and_bounds_frames():
    channel = Channel()
    given = [*(shot(i) for i in range(FRAMES)), 'sound', 'more sound']
    assert all(channel.put(item) for item in given)
    waiting = threading.Thread(target=channel.put, args=(shot(9), ))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive(), 'no more frames than may wait'
    assert numbers(channel.get() for _ in range(FRAMES + 3)) == [*range(FRAMES), 'sound', 'more sound', 9]
    waiting.join()
    channel.close()
    assert not channel.put(shot()) and channel.dropped == 0
    with pytest.raises(ClosedError):
        channel.get()


def test_a_dropping_channel_keeps_the_newest_frame_and_all_sound():
    channel = Channel(dropping=True)
    for item in (shot(0), 'a', shot(1), 'b', shot(2), 'c'):
        assert channel.put(item)
    assert channel.dropped == 2 and numbers(channel.get() for _ in range(4)) == ['a', 'b', 2, 'c']


@pytest.mark.parametrize(('steps', 'late', 'expected'), [
    ([0, 1, 2, 1], 0, [1, 2, 1]),
    ([0, 1, 2, 1], 0.25, [0.75, 1.75, 0.75]),  # decoding takes a quarter of a second: the rate is kept
    ([0, 1, 1, 5], 2, [1]),  # decoding is too slow: nothing is waited for until it has caught up
    ([7, 1], 0, [1]),  # what stands before the first frame is not waited for
])
def test_a_file_comes_at_its_own_rate(steps, late, expected):
    now, pauses = [100.0], []

    def pause(seconds):
        pauses.append(seconds)
        now[0] += seconds

    def items():
        for number, seconds in enumerate(steps):
            now[0] += late if number else 0
            yield from ('sound', shot(number, seconds))

    assert numbers(paced(items(), lambda: now[0], pause)) == list(
        chain.from_iterable(('sound', number) for number in range(len(steps))))
    assert pauses == pytest.approx(expected)


class FakeTime:
    """Time that passes only while a frame is enhanced; a source waits in it."""

    def __init__(self):
        self.now, self.due, self.over, self.changed = 0.0, -1.0, False, threading.Condition()

    def clock(self):
        return self.now

    def pause(self, seconds):
        with self.changed:
            self.due = self.now + seconds
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: self.now >= self.due, 60)

    def end(self):
        with self.changed:
            self.over = True
            self.changed.notify_all()

    def advance(self, seconds):
        """Lets time pass, until the source waits for a time beyond it."""
        with self.changed:
            self.now += seconds
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: self.due > self.now or self.over, 60)


@pytest.mark.parametrize(('cost', 'shown'), [
    (0.105, [0, 2, 5, 7, 10, 13, 15, 18, 19]),  # by hand: the newest that has come when one is done, 0.04 s apart
    (0.04, list(range(20))),
    (10, [0, 19]),
])
def test_real_time_drops_what_does_not_keep_pace(tmp_path, cost, shown):
    source, fake, seen = write_clip(tmp_path / 'in.mkv', stills(20), sound='aac'), FakeTime(), []
    with Parts(source, tmp_path / 'out.mkv') as (reader, writer, report):
        items = reader.items

        def ended():
            yield from items()
            fake.end()

        def enhance(one):
            seen.append(round(one.tick * reader.time_base * RATE))
            fake.advance(cost)
            return one.image

        reader.items = ended
        AssemblyLine(reader, writer, report, realtime=True, clock=fake.clock, pause=fake.pause).run(
            enhance, lambda report: None)
    assert seen == shown and report.frames == len(shown) and report.dropped == 20 - len(shown)
    assert times_of(tmp_path / 'out.mkv') == pytest.approx([number / RATE for number in shown], abs=0.001)
    assert f'{20 - len(shown)} of 20 dropped to keep pace' in report.summary()
    with av.open(str(source)) as before, av.open(str(tmp_path / 'out.mkv')) as after:
        sound = [[bytes(p) for p in c.demux(audio=0) if p.size] for c in (before, after)]
    assert sound[0] == sound[1], 'the sound is whole'


def test_live_sources_in_real_time(tiny, tmp_path):
    report = tiny('testsrc=size=64x48:rate=25', tmp_path / 'out.mkv', source_format='lavfi', max_frames=4,
                  realtime=True)
    assert report.frames == len(times_of(tmp_path / 'out.mkv')) == 4 and report.dropped >= 0
    assert f'{report.dropped} of {4 + report.dropped} dropped' in report.summary() and report.rate > 0
