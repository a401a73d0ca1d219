"""A video whose work fails near its end: what is finished is kept, under a name that says so."""
import os
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import ModuleType

from isalux_mm.apis.video.report import VideoReport
from isalux_mm.io.names import fitted
from isalux_mm.io.whole_file import settle

UNFINISHED = '.incomplete'


class UnfinishedError(ValueError):
    """A video that failed after some of its frames.

    Attributes:
        kept: the file that holds them, or `None` where they make no playable one.
        report: what became of it until then.
    """

    def __init__(self, source: str | Path, reason: Exception, kept: Path | None, report: VideoReport):
        self.kept, self.report = kept, report
        text = ' '.join(str(reason).split()) or type(reason).__name__
        fate = f'kept in {kept}' if kept else 'lost, since they make no playable file'
        super().__init__(f'{source}: failed after {report.frames} frames, which are {fate} ({text})')


def kept_unfinished(av: ModuleType, draft: Path, out: Path) -> Path | None:
    """Gives the draft of a video a name that no file has; returns it, or `None` where the draft cannot be played.

    Args:
        av: PyAV.
        draft: what was written.
        out: what it was to become: `film.mp4` gives `film.incomplete.mp4`, then `film.incomplete-2.mp4`.
    """
    if not is_playable(av, draft):
        return None
    for number in count(1):
        path = out.with_name(fitted(out.stem, f'{UNFINISHED}{f"-{number}" if number > 1 else ""}{out.suffix}'))
        with suppress(FileExistsError, IsADirectoryError):
            settle(draft, path)
            return path
    return None


def is_playable(av: ModuleType, path: Path) -> bool:
    """Whether a file holds a frame that can be decoded."""
    try:
        with av.open(os.path.abspath(path)) as container:  # FFmpeg takes what stands before a colon for a protocol
            return next(container.decode(video=0), None) is not None
    except (av.error.FFmpegError, IndexError, ValueError):
        return False
