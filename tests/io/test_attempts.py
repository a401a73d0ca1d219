"""Whatever one item raises is kept with its reason, and the others are done."""
import struct
import zlib

import pytest

from isalux_mm.io.attempts import Attempts, outcome, reason


class RustPanic(BaseException):
    """As a decoder written in Rust raises them."""


@pytest.mark.parametrize('error', [
    struct.error('short'), zlib.error('bad'), KeyError('x'), RecursionError(), MemoryError(), AssertionError(),
    TypeError('t'), OSError(28, 'No space left on device'), EOFError(), StopIteration(), RustPanic('p')])
def test_one_item_never_ends_the_rest(error):
    attempts, done = Attempts(), []
    for name in 'abc':
        with attempts.attempt(name):
            if name == 'b':
                raise error
            done.append(name)
    assert done == ['a', 'c'] and list(attempts.failed) == ['b'] and attempts.failed['b']
    assert type(error).__name__ in attempts.tracebacks['b'] and 'test_attempts.py' in attempts.tracebacks['b']


@pytest.mark.parametrize('error', [KeyboardInterrupt, SystemExit])
def test_what_ends_the_run_ends_it(error):
    attempts = Attempts()
    with pytest.raises(error), attempts.attempt('a'):
        raise error
    with pytest.raises(error):
        outcome(lambda: (_ for _ in ()).throw(error))
    assert not attempts.failed


def test_an_outcome_is_a_value_or_an_error():
    assert outcome(lambda: 3) == 3
    assert isinstance(outcome(lambda: 1 // 0), ZeroDivisionError)


@pytest.mark.parametrize(('error', 'text'), [
    (ValueError('one\n two'), 'one two'), (ValueError(), 'ValueError'), (KeyError('x'), "KeyError: 'x'"),
    (struct.error('unpack requires 8 bytes'), 'struct.error: unpack requires 8 bytes'),
    (FileNotFoundError(2, 'No such file', 'a'), "[Errno 2] No such file: 'a'")])
def test_reasons_are_one_line(error, text):
    assert reason(error) == text


def test_reasons_are_gathered():
    attempts, other = Attempts(), Attempts()
    attempts.fail('a', ValueError('a: no picture'))
    attempts.fail('a', ValueError('no room'), 'explanation')
    other.fail('b', ValueError('lost'))
    attempts.add(other)
    assert attempts.failed == {'a': 'no picture; explanation: no room', 'b': 'lost'}
    assert attempts.lines() == ['  a: no picture; explanation: no room', '  b: lost'] and 'b' in attempts.tracebacks
