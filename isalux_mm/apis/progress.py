"""A bar on standard error, of a package that is imported where one is shown."""
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(name: str, total: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Shows a bar while the block runs.

    Args:
        name: what is done.
        total: of the units.
        shown: whether there is a bar at all.

    Yields:
        What is told how many units more are done.
    """
    if not shown:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(name, total=total)
        yield lambda done: progress.advance(bar, done)
