"""`VideoEnhancer`: a video, a camera or a stream in, an enhanced video out, frame by frame (ours)."""
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from mmengine.device import get_device

from isalux_mm.apis.dtypes import AUTO, chosen_dtype
from isalux_mm.apis.inferencer import EnhanceInferencer
from isalux_mm.apis.loading import reachable_device
from isalux_mm.apis.tone import Tone
from isalux_mm.apis.video.containers import check_paths, created, import_av, is_address, local, opened
from isalux_mm.apis.video.encoding import DEPTHS, codec_for, default_depth, encoder_options, quiet_encoders
from isalux_mm.apis.video.finishing import finished, planes_of, quick_picture
from isalux_mm.apis.video.keeping import UnfinishedError, kept_unfinished
from isalux_mm.apis.video.line import AssemblyLine
from isalux_mm.apis.video.progress import progress
from isalux_mm.apis.video.reading import FrameReader
from isalux_mm.apis.video.report import VideoReport
from isalux_mm.apis.video.writing import FrameWriter
from isalux_mm.functional.checks import check_choice
from isalux_mm.inference.fast import MODES, FastNetwork
from isalux_mm.inference.fast_temporal import FastTemporalEnhancer
from isalux_mm.inference.temporal import TIME_CONSTANT, TemporalEnhancer
from isalux_mm.io.whole_file import whole_path
from isalux_mm.model_zoo import DEFAULT_MODEL


class VideoEnhancer:
    """Enhances videos: `VideoEnhancer()('dark.mp4', 'bright.mp4')`.

    Frames are decoded, enhanced and encoded one by one, so that memory does not grow with the length. Sound and
    subtitles are copied as they are; time stamps, frame rate, colour range, matrix and the pixels' shape are kept. A
    rotation that players apply is applied to the pixels.

    Args:
        model: as of `EnhanceInferencer`, like `weights`, `device` and `dtype`.
        mode: 'full' has the network see every frame at full size; 'fast' some frames, reduced (`FastTemporalEnhancer`),
            and has the encoder take less time.
        time_constant: seconds over which `TemporalEnhancer` smooths; 0 enhances every frame by itself.
        show_progress: whether a bar is shown, on standard error.

    Raises:
        ImportError: if PyAV is not installed.
        ValueError: if an option is out of range.
    """

    def __init__(self, model: str | Path = DEFAULT_MODEL, weights: str | Path | None = None, *,
                 device: str | None = None, dtype: str = 'float32', mode: str = 'full',
                 time_constant: float = TIME_CONSTANT, show_progress: bool = True):
        check_choice(mode, MODES, 'mode')
        self.av = import_av()
        reason = 'asked for'
        if dtype == AUTO:
            dtype, reason = chosen_dtype(mode, reachable_device(device or get_device()))
        self.inferencer = EnhanceInferencer(model, weights, device, dtype=dtype, show_progress=False)
        self.inferencer.dtype_reason = reason
        self.mode, self.time_constant, self.show_progress = mode, time_constant, show_progress
        self.begun()  # raises now what would be raised later

    def __call__(self, source: str | Path, out: str | Path, *, strength: float = 1.0,
                 reference_brightness: float | None = None, highlights: str = 'soft', codec: str | None = None,
                 crf: int | None = None, depth: str | None = None,
                 source_format: str | None = None, source_options: Mapping[str, str] | None = None,
                 max_frames: int | None = None, overwrite: bool = False, realtime: bool = False,
                 told: Callable[[str], None] | None = None) -> VideoReport:
        """Enhances one video.

        The result appears under its name when it is complete. A live source (an address, or one with a format, such as
        a camera) ends with `max_frames` or Ctrl-C, and what came until then is kept; of a file nothing is kept then.
        Where the work fails, the finished frames are kept under another name.

        Args:
            source: file, address such as 'rtsp://...', or device such as '/dev/video0' with its format.
            out: file to be written; its suffix names the container.
            strength, reference_brightness, highlights: as of `EnhanceInferencer`.
            codec: encoder; H.264 by default, VP9 in WebM.
            crf: the encoder's quality, lower is better; by default hardly visible losses.
            depth: '8' and '10' write so many bits in 4:2:0, 'source' what the source has, or the nearest that the
                encoder takes; by default 8, which plays everywhere, and what the source has where the encoder is one
                for keeping or editing, such as FFV1.
            source_format: of a device, say 'v4l2', 'dshow', 'avfoundation'.
            source_options: of the format, say {'video_size': '1280x720'}.
            max_frames: stop after so many.
            overwrite: whether `out` may be there.
            realtime: drops frames that come while others are worked on, so that the result keeps pace with the source;
                a file comes at its own rate.
            told: hears every warning as it arises; the report holds them too.

        Raises:
            FileNotFoundError: if there is no such file.
            FileExistsError: if `out` is there and may not be replaced.
            ValueError: if an option is out of range or unknown, `out` is the source, the source has no picture or no
                frame that can be decoded, or the network's result for the first is not finite.
            UnfinishedError: if the work fails after some frames; a `ValueError` that names where they are.
        """
        tone = Tone(strength, reference_brightness, highlights)
        if max_frames is not None and max_frames < 1:
            raise ValueError(f'max_frames must be at least 1, got {max_frames}')
        live = source_format is not None or is_address(source)
        out = Path(out)
        check_paths(source, out, live=live, overwrite=overwrite)
        codec = codec or codec_for(out)
        options = encoder_options(self.av, codec, crf, quick=self.mode == 'fast' or realtime)
        depth = default_depth(codec) if depth is None else depth
        check_choice(depth, DEPTHS, 'depth')
        report = VideoReport(out, told=told)
        with (opened(self.av, source, source_format, source_options) as opening,
              whole_path(out, overwrite=overwrite) as draft):
            try:
                with quiet_encoders(), created(self.av, draft, out, opening.container.metadata) as target:
                    reader = FrameReader(self.av, opening, codec, out)
                    writer = FrameWriter(self.av, target, reader, codec, options, depth, out)
                    line = AssemblyLine(reader, writer, report, live=live, max_frames=max_frames, realtime=realtime)
                    self._run(line, tone)
                if out.exists() and not overwrite:
                    raise FileExistsError(f'out has come into being in the meantime: {out}')
            except Exception as error:
                if report.frames:
                    kept = kept_unfinished(self.av, draft, out)
                    raise UnfinishedError(source, error, kept, report) from error
                if not isinstance(error, (RuntimeError, MemoryError, self.av.error.FFmpegError)):
                    raise
                reason = str(error).replace(local(draft), str(out))
                raise ValueError(f'{source} cannot be enhanced ({reason})') from error
        return report

    def begun(self) -> TemporalEnhancer:
        """What smooths a video, at its beginning."""
        network = self.inferencer.network
        if self.mode == 'fast':
            return FastTemporalEnhancer(FastNetwork(network, compiled=True), time_constant=self.time_constant)
        return TemporalEnhancer(network, time_constant=self.time_constant)

    def _run(self, line: AssemblyLine, tone: Tone) -> None:
        temporal, report = self.begun(), line.report
        total = min(filter(None, (line.reader.frames_expected, line.max_frames)), default=None)
        with progress(total, shown=self.show_progress) as told:
            line.run(lambda shot: self.enhance_frame(temporal, shot.image, shot.seconds, tone), told)
        report.cuts = temporal.cuts
        report.asked = temporal.asked if isinstance(temporal, FastTemporalEnhancer) else None
        if not report.frames:
            raise ValueError(f'source must hold a frame that can be decoded, got none of {report.broken} packets')

    @torch.inference_mode()
    def enhance_frame(self, temporal: TemporalEnhancer, frame: np.ndarray, seconds: float, tone: Tone) -> np.ndarray:
        """Enhances the next frame.

        Args:
            temporal: of this video.
            frame: (H, W, 3), RGB, integers of their full scale.
            seconds: since the frame before.
            tone: of the result.

        Returns:
            Same shape and type.
        """
        if isinstance(temporal, FastTemporalEnhancer):
            return self._quickly_enhanced(temporal, frame, seconds, tone)
        scale = np.iinfo(frame.dtype).max
        low = torch.from_numpy(frame.astype(np.float32) / np.float32(scale)).permute(2, 0, 1)[None]
        low = low.to(self.inferencer.device)
        enhanced = finished(temporal, temporal(low, seconds), low, tone)
        return (enhanced[0].permute(1, 2, 0) * scale).round().cpu().numpy().astype(frame.dtype)

    def _quickly_enhanced(self, temporal: FastTemporalEnhancer, frame: np.ndarray, seconds: float,
                          tone: Tone) -> np.ndarray:
        """The same in fast mode; channels lie apart from the beginning."""
        low = planes_of(frame, self.inferencer.device)
        return quick_picture(temporal, temporal(low, seconds), low, tone, frame.dtype)
