"""What the controls of the page call: pictures in, what the page shows out, every failure as a sentence."""
import html
import traceback
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from isalux_mm.apis.serve.vault import Vault
from isalux_mm.apis.serve.workbench import RefusedError, Shown, Wish, Workbench
from isalux_mm.apis.tone import Tone
from isalux_mm.io.names import distinct
from isalux_mm.io.whole_file import whole_path

ARCHIVE = 'enhanced.zip'
GONE = 'The result is no longer here: enhance the picture again.'


def message(text: str, *, problem: bool = False) -> str:
    """A line of the page that screen readers speak when it changes."""
    return f'<p role="{"alert" if problem else "status"}" class="{"problem" if problem else "note"}">' \
           f'{html.escape(text)}</p>'


def tile_size(name: str) -> int | None:
    """The inverse of the page's `tile_name`."""
    return {'automatic': None, 'never': 0}[name] if name in ('automatic', 'never') else int(name.split()[0])


def wish_of(strength: float, brightness: float, highlights: str, model: str, tile: str, fast: bool) -> Wish:
    """What the controls stand at; brightness 0 leaves it to the network.

    Raises:
        RefusedError: if one is out of its range.
    """
    try:
        return Wish(Tone(strength, brightness or None, highlights), tile_size(tile), model, 'fast' if fast else 'full')
    except (ValueError, TypeError) as error:
        raise RefusedError(str(error)) from error


class Events:
    """Makes the functions that Gradio calls.

    Args:
        gr: Gradio.
        workbench: does the work.
        vault: knows whose files are.
        cookie: name of the one that tells visitors apart.
    """

    def __init__(self, gr: ModuleType, workbench: Workbench, vault: Vault, cookie: str):
        self.gr, self.workbench, self.vault, self.cookie = gr, workbench, vault, cookie

    def enhance(self, stale: int) -> Callable:
        """Enhances the pictures one by one; empties `stale` outputs of those before."""

        def enhance(paths: Sequence[str] | None, strength: float, brightness: float, highlights: str, model: str,
                    tile: str, fast: bool, request: Any) -> Iterator[tuple]:
            done: list[Shown] = []
            failed: list[str] = []
            try:
                visitor = self._visitor(request)
                wish = wish_of(strength, brightness, highlights, model, tile, fast)
                if not paths:
                    raise RefusedError('Choose a picture first.')
                self.vault.forget(visitor, keep=paths)
                folder = self.vault.results_of(visitor)
            except RefusedError as error:
                yield self._shown([], [str(error)], None, stale)
                return
            for path in paths:
                found = self._attempt(partial(self._enhanced, path, visitor, wish, folder), path)
                if isinstance(found, str):
                    failed.append(found)
                else:
                    done.append(found)
                if len(done) + len(failed) < len(paths):
                    yield self._shown(done, failed, None, stale, f'{len(done) + len(failed)} of {len(paths)}.')
            yield self._shown(done, failed, self._archive(done, folder), stale)

        return self._asked(enhance)

    def pick(self, stale: int) -> Callable:
        """Shows another of the pictures."""

        def pick(name: str, shown: Sequence[Shown]) -> tuple:
            one = self._picked(name, shown)
            if one is None or not one.before.is_file():
                return None, self._button(None), message(GONE, problem=True), *[None] * stale
            return self._slide(one), self._button(one.download), message(one.text), *[None] * stale

        return pick

    def clear(self, stale: int) -> Callable:
        """Empties the page."""
        return lambda: (None, self._button(None), self._archive_button(None), self._picker([]), '', [], *[None] * stale)

    def explain(self) -> Callable:
        """Draws priors and routing of the picture that is shown."""

        def explain(paths: Sequence[str] | None, name: str | None, strength: float, brightness: float, highlights: str,
                    model: str, tile: str, fast: bool, request: Any) -> tuple:
            path = (paths or [''])[min(number_of(name), max(len(paths or ()) - 1, 0))]

            def draw() -> Path:
                if not path:
                    raise RefusedError('Choose a picture first.')
                visitor = self._visitor(request)
                folder = self.vault.results_of(visitor)
                wish = wish_of(strength, brightness, highlights, model, tile, fast)
                return self.workbench.explain(self._own(path, visitor), wish, folder)

            found = self._attempt(draw, path)
            if isinstance(found, str):
                return None, message(found, problem=True)
            return str(found), message('Priors and routing: done.')

        return self._asked(explain)

    def detect(self) -> Callable:
        """Draws boxes on input and result of the picture that is shown."""

        def detect(name: str | None, shown: Sequence[Shown]) -> tuple:

            def work() -> tuple[Path, Path, str]:
                one = self._picked(name, shown)
                if one is None:
                    raise RefusedError('Enhance a picture first.')
                return self.workbench.detect(one)

            found = self._attempt(work, 'the picture')
            if isinstance(found, str):
                return None, '', message(found, problem=True)
            before, after, note = found
            return (str(before), str(after)), message(note), message('Detection: done.')

        return detect

    def _asked(self, function: Callable) -> Callable:
        """Has Gradio hand the request on, which it does to a parameter of its type."""
        function.__annotations__['request'] = self.gr.Request
        return function

    def _visitor(self, request: Any) -> str:
        return self.vault.visitor(request.cookies.get(self.cookie))

    def _own(self, path: str, visitor: str) -> str:
        if not self.vault.may_use(path, visitor):
            raise RefusedError(f'{Path(path).name} is no longer here, or not yours: upload it again.')
        return path

    def _enhanced(self, path: str, visitor: str, wish: Wish, folder: Path) -> Shown:
        return self.workbench.enhance(self._own(path, visitor), wish, folder)

    def _attempt(self, work: Callable[[], Any], path: str) -> Any:
        """What the work gives, or a sentence on why it gives nothing; what no one foresaw is logged."""
        try:
            return work()
        except RefusedError as error:
            return str(error)
        except Exception as error:  # the page goes on, whatever one picture does
            traceback.print_exc()
            return f'{Path(path).name} cannot be worked on: {type(error).__name__}.'

    def _picked(self, name: str | None, shown: Sequence[Shown]) -> Shown | None:
        return shown[min(number_of(name), len(shown) - 1)] if shown else None

    def _shown(self, done: Sequence[Shown], failed: Sequence[str], archive: Path | None, stale: int,
               progress: str = '') -> tuple:
        texts = [progress] if progress else []
        texts += [f'{len(done)} pictures: done.', *done[0].losses] if len(done) > 1 else [one.text for one in done]
        first = done[0] if done else None
        line = message(' '.join([*texts, *failed]), problem=bool(failed))
        return (self._slide(first) if first else None, self._button(first.download if first else None),
                self._archive_button(archive), self._picker(done), line, list(done), *[None] * stale)

    def _slide(self, one: Shown) -> tuple[str, str]:
        return str(one.before), str(one.after)

    def _button(self, path: Path | None) -> Any:
        return self.gr.update(value=None if path is None else str(path), interactive=path is not None)

    def _archive_button(self, path: Path | None) -> Any:
        return self.gr.update(value=None if path is None else str(path), visible=path is not None)

    def _picker(self, done: Sequence[Shown]) -> Any:
        names = [f'{i + 1}: {one.download.name}' for i, one in enumerate(done)]
        return self.gr.update(choices=names, value=names[0] if names else None, visible=len(names) > 1)

    def _archive(self, done: Sequence[Shown], folder: Path) -> Path | None:
        """All results in one file, where there are several."""
        if len(done) < 2:
            return None
        names = distinct([Path(one.download.name) for one in done])
        with (whole_path(folder / ARCHIVE, overwrite=True) as draft,
              zipfile.ZipFile(draft, 'w', zipfile.ZIP_STORED) as archive):
            for one, name in zip(done, names):
                archive.write(one.download, name)
        return folder / ARCHIVE


def number_of(name: str | None) -> int:
    """The place of a picture by what the page calls it: '2: b.png' is 1."""
    number = (name or '').partition(':')[0]
    return max(int(number) - 1, 0) if number.isdecimal() else 0
