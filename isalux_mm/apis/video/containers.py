"""The containers: PyAV, the source opened, the target made."""
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING

from isalux_mm.apis.video.encoding import is_apple
from isalux_mm.apis.video.streams import has_device_tags

if TYPE_CHECKING:
    import av


class OpenedSource:
    """A container that is read; closed at the end of the block, unless a thread that it does not answer is busy with
    it.

    Args:
        container: the source.
    """

    def __init__(self, container: 'av.container.InputContainer'):
        self.container, self.busy = container, False

    def __enter__(self) -> 'OpenedSource':
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        if not self.busy:
            self.container.close()


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


def is_address(source: str | Path) -> bool:
    """Whether a source is no file: `rtsp://...`, but not a file whose name holds a colon (`10:20:30.mp4`)."""
    return '://' in str(source) and not os.path.exists(source)


def local(path: str | Path) -> str:
    """A file for FFmpeg, which takes what stands before a colon for a protocol, but not in an absolute path."""
    return os.path.abspath(path)


def opened(av: ModuleType, source: str | Path, source_format: str | None,
           options: Mapping[str, str] | None) -> OpenedSource:
    """The source, opened for reading.

    Raises:
        ValueError: if FFmpeg cannot read it.
    """
    options = dict(options or {})
    if is_address(source) and str(source).startswith('rtsp'):
        options.setdefault('rtsp_transport', 'tcp')  # UDP loses packets, which shows
    name = str(source) if source_format is not None or is_address(source) else local(source)
    try:
        return OpenedSource(av.open(name, format=source_format, options=options, metadata_errors='replace'))
    except (ValueError, av.error.FFmpegError) as error:
        raise ValueError(f'source must be a video that FFmpeg reads, got {source} ({error})') from error


def created(av: ModuleType, draft: Path, out: Path, tags: Mapping[str, str]) -> 'av.container.OutputContainer':
    """A new container.

    Args:
        av: PyAV.
        draft: the file that is written.
        out: what it is to become, which errors name.
        tags: of the source; what a device wrote is kept.

    Raises:
        ValueError: if no container has that suffix, or it cannot be written.
    """
    options = {'movflags': 'use_metadata_tags'} if has_device_tags(tags) and is_apple(out) else {}
    try:
        return av.open(local(draft), 'w', container_options=options, metadata_errors='replace')
    except (ValueError, av.error.FFmpegError) as error:
        raise ValueError(f"out must be writable and have a container's suffix such as .mp4 or .mkv, got {out} "
                         f'({str(error).replace(local(draft), str(out))})') from error


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
