"""`VideoEnhancer`: a video, a camera or a stream in, an enhanced video out, frame by frame (ours).

Needs PyAV: `pip install isalux-mm[video]`. The module itself does not import it.
"""
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from torch import Tensor

from isalux_mm.apis.inferencer import HIGHLIGHTS, EnhanceInferencer
from isalux_mm.functional.checks import check_choice, check_range
from isalux_mm.functional.illumination import luma
from isalux_mm.functional.tone import blended, white_level, with_mean_luma, with_soft_highlights
from isalux_mm.inference.temporal import TIME_CONSTANT, TemporalEnhancer
from isalux_mm.model_zoo import DEFAULT_MODEL

if TYPE_CHECKING:
    import av

CODECS = {'.webm': 'libvpx-vp9'}  # of a container that takes no H.264
DEFAULT_CODEC = 'libx264'
RATE_FACTORS = {'libx264': 18, 'libx265': 20, 'libvpx-vp9': 24, 'libsvtav1': 24}  # ours: hardly visible losses
SUBSAMPLED = ('420', '411', '410', '422', 'nv12', 'nv16', 'nv21')  # in names of formats that need even sides
UNNAMED_MATRICES = (0, 2)  # AVCOL_SPC_RGB, AVCOL_SPC_UNSPECIFIED
BT709, BT601, HD_HEIGHT = 1, 5, 720  # what players take for a matrix that no one named
LIMITED, FULL = 1, 2  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG
PARTIAL = '.partial'


@dataclass
class VideoReport:
    """What became of a video.

    Attributes:
        path: the file written.
        frames: enhanced and written.
        cuts: scenes begun after the first.
        broken: packets and frames that could not be decoded, left out.
        left_out: streams that the container does not take, or that are neither picture, sound nor subtitle.
        interrupted: whether a live source was ended by Ctrl-C.
    """
    path: Path
    frames: int = 0
    cuts: int = 0
    broken: int = 0
    left_out: list[str] = field(default_factory=list)
    interrupted: bool = False

    def summary(self) -> str:
        """One line."""
        parts = [f'{self.frames} frames enhanced', f'{self.cuts} scene cuts']
        parts += [f'{self.broken} broken packets left out'] if self.broken else []
        parts += [f'streams left out: {", ".join(self.left_out)}'] if self.left_out else []
        return f'{", ".join(parts)} (result in {self.path})'


class VideoEnhancer:
    """Enhances videos: `VideoEnhancer()('dark.mp4', 'bright.mp4')`.

    Frames are decoded, enhanced and encoded one by one, so that memory does not grow with the length. Sound and
    subtitles are copied as they are; time stamps, frame rate, bit depth, colour range, matrix and the pixels' shape are
    kept. A rotation that players apply is applied to the pixels.

    Args:
        model: as of `EnhanceInferencer`, like `weights`, `device` and `dtype`.
        time_constant: seconds over which `TemporalEnhancer` smooths; 0 enhances every frame by itself.
        show_progress: whether a bar is shown, on standard error.

    Raises:
        ImportError: if PyAV is not installed.
        ValueError: if an option is out of range.
    """

    def __init__(self, model: str | Path = DEFAULT_MODEL, weights: str | Path | None = None, *,
                 device: str | None = None, dtype: str = 'float32', time_constant: float = TIME_CONSTANT,
                 show_progress: bool = True):
        self.av = import_av()
        self.inferencer = EnhanceInferencer(model, weights, device, dtype=dtype, show_progress=False)
        self.time_constant, self.show_progress = time_constant, show_progress
        TemporalEnhancer(self.inferencer.network, time_constant=time_constant)  # raises now what would be raised later

    def __call__(self, source: str | Path, out: str | Path, *, strength: float = 1.0,
                 reference_brightness: float | None = None, highlights: str = 'soft', codec: str | None = None,
                 crf: int | None = None, source_format: str | None = None,
                 source_options: Mapping[str, str] | None = None, max_frames: int | None = None,
                 overwrite: bool = False) -> VideoReport:
        """Enhances one video.

        The result appears under its name when it is complete. A live source (an address, or one with a format, such as
        a camera) ends with `max_frames` or Ctrl-C, and what came until then is kept; of a file nothing is kept then.

        Args:
            source: file, address such as 'rtsp://...', or device such as '/dev/video0' with its format.
            out: file to be written; its suffix names the container.
            strength, reference_brightness, highlights: as of `EnhanceInferencer`.
            codec: encoder; H.264 by default, VP9 in WebM.
            crf: the encoder's quality, lower is better; by default hardly visible losses.
            source_format: of a device, say 'v4l2', 'dshow', 'avfoundation'.
            source_options: of the format, say {'video_size': '1280x720'}.
            max_frames: stop after so many.
            overwrite: whether `out` may be there.

        Raises:
            FileNotFoundError: if there is no such file.
            FileExistsError: if `out` is there and may not be replaced.
            ValueError: if an option is out of range or unknown, `out` is the source, or the source has no picture.
        """
        check_tone(strength, reference_brightness, highlights)
        if max_frames is not None and max_frames < 1:
            raise ValueError(f'max_frames must be at least 1, got {max_frames}')
        live = source_format is not None or '://' in str(source)
        out = Path(out)
        check_paths(source, out, live=live, overwrite=overwrite)
        codec = codec or CODECS.get(out.suffix.lower(), DEFAULT_CODEC)
        options = encoder_options(self.av, codec, crf)
        report = VideoReport(out)
        partial = out.with_name(f'{out.stem}{PARTIAL}{out.suffix}')
        out.parent.mkdir(parents=True, exist_ok=True)
        tone = dict(strength=strength, reference_brightness=reference_brightness, highlights=highlights)
        try:
            with (opened(self.av, source, source_format, source_options) as reader,
                  created(self.av, partial) as writer):
                self._run(Job(self.av, reader, writer, codec, options, report), tone, max_frames, live)
            os.replace(partial, out)
        finally:
            partial.unlink(missing_ok=True)
        return report

    def _run(self, job: 'Job', tone: dict, max_frames: int | None, live: bool) -> None:
        temporal = TemporalEnhancer(self.inferencer.network, time_constant=self.time_constant)
        total = min(filter(None, (job.frames_expected, max_frames)), default=None)
        columns = (TextColumn('{task.description}'), BarColumn(), TaskProgressColumn(show_speed=True),
                   TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), disable=not self.show_progress, transient=True) as bar:
            task = bar.add_task('enhancing', total=total)
            try:
                for frame, seconds in job.frames():
                    job.write(self.enhance_frame(temporal, frame, seconds, **tone))
                    job.report.frames += 1
                    bar.advance(task)
                    if job.report.frames == max_frames:
                        break
            except KeyboardInterrupt:
                if not live or not job.report.frames:
                    raise
                job.report.interrupted = True
            job.finish()
        job.report.cuts = temporal.cuts
        if not job.report.frames:
            raise ValueError(f'source must hold a frame that can be decoded, got none of {job.report.broken} packets')

    @torch.inference_mode()
    def enhance_frame(self, temporal: TemporalEnhancer, frame: np.ndarray, seconds: float, *, strength: float,
                 reference_brightness: float | None, highlights: str) -> np.ndarray:
        """Enhances the next frame.

        Args:
            temporal: of this video.
            frame: (H, W, 3), RGB, integers of their full scale.
            seconds: since the frame before.
            strength: as of `__call__`, like `reference_brightness` and `highlights`.

        Returns:
            Same shape and type.
        """
        scale = np.iinfo(frame.dtype).max
        low = torch.from_numpy(frame.astype(np.float32) / np.float32(scale)).permute(2, 0, 1)[None]
        low = low.to(self.inferencer.device)
        enhanced = temporal(low, seconds)
        if highlights == 'soft':
            enhanced = with_soft_highlights(enhanced, low, white=temporal.smoothed('white', white_level(enhanced)))
        enhanced = blended(low, steady(temporal, enhanced.clamp(0, 1)), strength)
        if reference_brightness is not None:
            enhanced = with_mean_luma(enhanced, reference_brightness)
        return (enhanced[0].permute(1, 2, 0) * scale).round().cpu().numpy().astype(frame.dtype)


def steady(temporal: TemporalEnhancer, enhanced: Tensor) -> Tensor:
    """A result (1, 3, H, W) in [0, 1] whose mean luma follows its mean over time, by the power law of the tone."""
    own = luma(enhanced).mean()
    target = temporal.smoothed('luma', own)
    return enhanced if target == own else with_mean_luma(enhanced, float(target))


class Job:
    """A container that is read and one that is written.

    Args:
        av: PyAV.
        reader: the container that is read, `writer` the one that is written.
        codec: encoder of the picture.
        options: of the encoder.
        report: counts go there.
    """

    def __init__(self, av: ModuleType, reader: 'av.container.InputContainer', writer: 'av.container.OutputContainer',
                 codec: str, options: dict[str, str], report: VideoReport):
        self.av, self.reader, self.writer, self.report = av, reader, writer, report
        if not reader.streams.video:
            raise ValueError(f'source must have a video stream, got {[s.type for s in reader.streams] or "none"}')
        self.source = reader.streams.video[0]
        self.source.thread_type = 'AUTO'
        self.rate = self.source.average_rate or self.source.guessed_rate or Fraction(25)
        self.target = writer.add_stream(codec, rate=self.rate, options=options)
        self.copies = {}
        self.look: VideoLook | None = None
        self._started = False
        self._pts: int | None = None
        writer.metadata.update(reader.metadata)
        for stream in reader.streams:
            if stream is not self.source:
                self._copy(stream)

    @property
    def frames_expected(self) -> int | None:
        """As the container tells, or `None`."""
        return self.source.frames or None

    def _copy(self, stream: 'av.stream.Stream') -> None:
        if stream.type in ('audio', 'subtitle'):
            try:
                self.copies[stream.index] = copy = self.writer.add_stream_from_template(stream)
                copy.metadata.update(stream.metadata)
                return
            except (ValueError, self.av.error.FFmpegError):
                self.copies.pop(stream.index, None)
        self.report.left_out.append(f'{stream.index} ({stream.type})')

    def frames(self) -> Iterator[tuple[np.ndarray, float]]:
        """Frames, upright, (H, W, 3), RGB, uint8 or uint16, and the seconds since the one before; copies the rest."""
        streams = [s for s in self.reader.streams if s is self.source or s.index in self.copies]
        waiting = []  # packets that came before the first frame: the header is written with the first packet
        for packet in self.reader.demux(streams):
            if packet.stream is not self.source:
                waiting.append(packet)
            for frame in self._decoded(packet) if packet.stream is self.source else ():
                yield self._rgb(frame), self._seconds(frame)
            if self._started:
                for copied in waiting:
                    self._mux_copy(copied)
                waiting.clear()

    def _decoded(self, packet: 'av.Packet') -> list['av.VideoFrame']:
        try:
            return packet.decode()
        except self.av.error.FFmpegError:
            self.report.broken += 1
            return []

    def _mux_copy(self, packet: 'av.Packet') -> None:
        if packet.size:  # an empty one marks the end
            packet.stream = self.copies[packet.stream.index]
            self.writer.mux(packet)

    def _seconds(self, frame: 'av.VideoFrame') -> float:
        """Since the frame before; notes the time stamp, which goes on at the frame rate where there is none."""
        last, pts = self._pts, frame.pts
        if pts is None:
            pts = 0 if last is None else last + max(round(1 / (self.rate * self.source.time_base)), 1)
        self._pts = pts
        return 0.0 if last is None else float((pts - last) * self.source.time_base)

    def _rgb(self, frame: 'av.VideoFrame') -> np.ndarray:
        self.look = VideoLook.of(frame)
        deep = any(component.bits > 8 for component in frame.format.components)
        rgb = frame.reformat(format='rgb48le' if deep else 'rgb24', src_colorspace=self.look.matrix,
                             dst_colorspace=self.look.matrix, src_color_range=self.look.range, dst_color_range=FULL)
        return np.ascontiguousarray(np.rot90(rgb.to_ndarray(), self.look.turns))

    def write(self, image: np.ndarray) -> None:
        """Encodes an enhanced frame with the time stamp of the frame read last."""
        if not self._started:
            self._start(*image.shape[:2])
        if image.shape[:2] != (self.target.height, self.target.width):
            raise ValueError(f'frames must keep their size, got {image.shape[:2]} after '
                             f'{(self.target.height, self.target.width)}')
        frame = self.av.VideoFrame.from_ndarray(image, format='rgb24' if image.dtype == np.uint8 else 'rgb48le')
        look = self.look
        frame = frame.reformat(format=self.target.pix_fmt, src_colorspace=look.matrix, dst_colorspace=look.matrix,
                               src_color_range=FULL, dst_color_range=look.range)
        frame.colorspace, frame.color_range = look.colorspace, look.range
        frame.color_primaries, frame.color_trc = look.primaries, look.transfer
        frame.pts, frame.time_base = self._pts, self.source.time_base
        self.writer.mux(self.target.encode(frame))

    def _start(self, height: int, width: int) -> None:
        source, target = self.source, self.target
        target.width, target.height = width, height
        even = height % 2 == width % 2 == 0
        target.pix_fmt = pixel_format(self.av, target.codec_context.name, self.look.format, even=even)
        target.codec_context.time_base = source.time_base
        target.codec_context.thread_type = 'AUTO'
        ratio = source.codec_context.sample_aspect_ratio or source.sample_aspect_ratio
        if ratio:
            target.codec_context.sample_aspect_ratio = 1 / ratio if self.look.turns % 2 else ratio
        target.codec_context.colorspace = self.look.colorspace
        target.codec_context.color_range = self.look.range
        target.codec_context.color_primaries = self.look.primaries
        target.codec_context.color_trc = self.look.transfer
        self._started = True

    def finish(self) -> None:
        """Writes what the encoder still holds."""
        if self._started:
            self.writer.mux(self.target.encode(None))


@dataclass(frozen=True)
class VideoLook:
    """How a frame's samples are to be read.

    Attributes:
        format: name of the pixel format.
        matrix: YUV matrix, as swscale numbers it.
        colorspace, primaries, transfer: as the frame names them, or unnamed.
        range: limited or full.
        turns: quarters by which a player turns it, counterclockwise.
    """
    format: str
    matrix: int
    colorspace: int
    primaries: int
    transfer: int
    range: int
    turns: int

    @classmethod
    def of(cls, frame: 'av.VideoFrame') -> 'VideoLook':
        """Of a decoded frame; what it does not name as players guess it."""
        name = frame.format.name
        full = name.startswith('yuvj') or frame.format.is_rgb
        colorspace = int(frame.colorspace)
        matrix = (BT709 if frame.height >= HD_HEIGHT else BT601) if colorspace in UNNAMED_MATRICES else colorspace
        return cls(name, matrix, colorspace if colorspace else 2, int(frame.color_primaries), int(frame.color_trc),
                   int(frame.color_range) or (FULL if full else LIMITED), round(frame.rotation / 90) % 4)


def pixel_format(av: ModuleType, codec: str, wanted: str, *, even: bool) -> str:
    """The wanted pixel format if the encoder takes it, or the nearest that it takes.

    Args:
        av: PyAV.
        codec: encoder.
        wanted: of the source.
        even: whether width and height are; formats with chroma of lower resolution need that.
    """
    known = [f.name for f in av.Codec(codec, 'w').video_formats or ()]
    wanted = wanted.replace('yuvj', 'yuv')  # the range is named apart
    deep = any(c.bits > 8 for c in av.VideoFormat(wanted).components)
    candidates = [wanted, *(['yuv420p10le', 'yuv444p10le'] if deep else []), 'yuv420p', 'yuv444p', *known]
    fits = [c for c in candidates if c in known and (even or not any(s in c for s in SUBSAMPLED))]
    if not fits:
        raise ValueError(f'codec must take frames of odd width or height, {codec} takes {", ".join(known)}')
    return fits[0]


def encoder_options(av: ModuleType, codec: str, crf: int | None) -> dict[str, str]:
    """Options of an encoder for the quality asked.

    Raises:
        ValueError: if there is no such encoder, or it has no rate factor and one is given.
    """
    try:
        known = av.Codec(codec, 'w').type == 'video'
    except (ValueError, av.error.FFmpegError):
        known = False
    if not known:
        raise ValueError(f"codec must be a video encoder of FFmpeg's such as {', '.join(RATE_FACTORS)}, got {codec!r}")
    if codec not in RATE_FACTORS:
        if crf is not None:
            raise ValueError(f'crf must be left out with {codec}: it has no rate factor')
        return {}
    crf = RATE_FACTORS[codec] if crf is None else crf
    if not 0 <= crf <= 63:
        raise ValueError(f'crf must be in [0, 63], got {crf}')
    return {'crf': str(crf), **({'b:v': '0'} if codec == 'libvpx-vp9' else {})}


def check_tone(strength: float, reference_brightness: float | None, highlights: str) -> None:
    """Raises a `ValueError` that names the first option out of its range."""
    check_range(strength, 0, 1, 'strength')
    if reference_brightness is not None and not 0 < reference_brightness < 1:
        raise ValueError(f'reference_brightness must be in (0, 1), got {reference_brightness}')
    check_choice(highlights, HIGHLIGHTS, 'highlights')


def check_paths(source: str | Path, out: Path, *, live: bool, overwrite: bool) -> None:
    """Raises before any work what would go wrong with source and target."""
    if not live:
        if not Path(source).is_file():
            raise FileNotFoundError('source must be a video file, an address, or a device with its format, '
                                    f'got {source}')
        if out.exists() and out.samefile(source):
            raise ValueError(f'out must be another file than the source, got {out}')
    if not out.suffix:
        raise ValueError(f"out must have a container's suffix such as .mp4 or .mkv, got {out}")
    if out.exists() and not overwrite:
        raise FileExistsError(f'out must not exist unless it may be overwritten, got {out}')


def opened(av: ModuleType, source: str | Path, source_format: str | None,
           options: Mapping[str, str] | None) -> 'av.container.InputContainer':
    """The source, opened for reading.

    Raises:
        ValueError: if FFmpeg cannot read it.
    """
    options = dict(options or {})
    if str(source).startswith('rtsp'):
        options.setdefault('rtsp_transport', 'tcp')  # UDP loses packets, which shows
    try:
        return av.open(str(source), format=source_format, options=options)
    except (ValueError, av.error.FFmpegError) as error:
        raise ValueError(f'source must be a video that FFmpeg reads, got {source} ({error})') from error


def created(av: ModuleType, path: Path) -> 'av.container.OutputContainer':
    """A new container.

    Raises:
        ValueError: if no container has that suffix, or it cannot be written.
    """
    try:
        return av.open(str(path), 'w')
    except (ValueError, av.error.FFmpegError) as error:
        raise ValueError(f"out must be writable and have a container's suffix such as .mp4 or .mkv, got {path} "
                         f'({error})') from error


def import_av() -> ModuleType:
    """PyAV.

    Raises:
        ImportError: if it is missing; names the extra.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError('videos need PyAV: pip install isalux-mm[video]') from error
    return av
