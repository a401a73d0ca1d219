"""The one place that catches what the work on one item of many raises, so that the others are done."""
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar('T')

ENDS = (KeyboardInterrupt, SystemExit, GeneratorExit)  # of the whole run, never of one item
PLAIN = (OSError, ValueError, RuntimeError)  # whose messages stand for themselves


@dataclass
class Attempts:
    """What failed of many items.

    Attributes:
        failed: reason by item, one line each.
        tracebacks: of the same, for who looks for the fault in the program (`--debug`).
    """
    failed: dict[str, str] = field(default_factory=dict)
    tracebacks: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def attempt(self, name: str, part: str = '') -> Iterator[None]:
        """Ends the work on an item that raises, whatever it raises, and goes on behind the block.

        Only what ends the whole run does not stay here: an interrupt, an exit. An exception that is no `Exception`
        (a decoder written in Rust raises such) is one of the item.

        Args:
            name: of the item, left out of the reason where that begins with it.
            part: of the work, which leads the reason where it is one of several.
        """
        try:
            yield
        except ENDS:
            raise
        except BaseException as error:
            self.fail(name, error, part)

    def fail(self, name: str, error: BaseException, part: str = '') -> None:
        """Keeps why an item failed, arguments as of `attempt`; a further reason is added to the first."""
        text = (f'{part}: ' if part else '') + reason(error).removeprefix(f'{name}: ')
        self.failed[name] = f'{self.failed[name]}; {text}' if name in self.failed else text
        self.tracebacks[name] = self.tracebacks.get(name, '') + ''.join(traceback.format_exception(error))

    def add(self, other: 'Attempts') -> None:
        """Takes over what failed elsewhere, in another process say."""
        self.failed |= other.failed
        self.tracebacks |= other.tracebacks

    def lines(self) -> list[str]:
        """The failed items with their reasons, one a line."""
        return [f'  {name}: {text}' for name, text in self.failed.items()]


def outcome(work: Callable[..., T], *arguments: object) -> T | BaseException:
    """What a function returns, or what it raises as of `Attempts.attempt`: for work that is done ahead, elsewhere."""
    try:
        return work(*arguments)
    except ENDS:
        raise
    except BaseException as error:
        return error


def reason(error: BaseException) -> str:
    """An exception in one line: its message, led by its type where the message alone says little."""
    text = ' '.join(str(error).split())
    if isinstance(error, PLAIN) and text:
        return text
    kind = type(error).__qualname__
    kind = kind if type(error).__module__ == 'builtins' else f'{type(error).__module__}.{kind}'
    return f'{kind}: {text}' if text else kind
