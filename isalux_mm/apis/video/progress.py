"""The bar of a video at work, on standard error."""
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from isalux_mm.apis.video.report import VideoReport


@contextmanager
def progress(total: int | None, *, shown: bool) -> Iterator[Callable[[VideoReport], None]]:
    """Within it what is yielded shows how far a report has come: frames, frames a second, frames dropped.

    Args:
        total: frames that are expected; `None` where nobody knows.
        shown: whether anything is.
    """
    columns = (TextColumn('{task.description}'), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not shown, transient=True) as bar:
        task = bar.add_task('enhancing', total=total)
        yield lambda report: bar.update(task, completed=report.frames + (report.dropped or 0),
                                        description=described(report))


def described(report: VideoReport) -> str:
    """What the bar says: '120 frames, 15.2 a second'."""
    dropped = f', {report.dropped} dropped' if report.dropped else ''
    return f'{report.frames} frames, {report.rate:.3g} a second{dropped}'
