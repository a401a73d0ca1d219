"""What options of numbers take, and what a tool says of a wrong use."""
import argparse
import errno
import subprocess
import sys

import pytest

from isalux_mm.cli.options import ConfigOptions, count, count_or_none, demand_enhancers, gain, run_tool


@pytest.mark.parametrize('kind, text, value', [
    (gain, '1', 1), (gain, '0.004', 0.004), (gain, '1e-3', 0.001), (count, '1', 1), (count, '007', 7),
    (count_or_none, '0', 0), (count_or_none, '12', 12)])
def test_good_numbers(kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize('kind, wanted', [
    (gain, 'a gain above 0 and up to 1'), (count, 'a whole number from 1 up'),
    (count_or_none, 'a whole number from 0 up')])
@pytest.mark.parametrize('text', ['-1', '1.5', 'nan', 'inf', 'many', '', '-0.5'])
def test_bad_numbers(kind, wanted, text):
    with pytest.raises(argparse.ArgumentTypeError, match=f'^expected {wanted}, got {text}$'):
        kind(text)


@pytest.mark.parametrize('kind', [gain, count])
def test_none_is_no_count_and_no_gain(kind):
    with pytest.raises(argparse.ArgumentTypeError):
        kind('0')


@pytest.mark.parametrize('words', [['foo'], ['a=1', 'foo'], ['=1']])
def test_changes_of_a_config_have_a_key(words, capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions)
    with pytest.raises(SystemExit):
        parser.parse_args(['--cfg-options', *words])
    assert f'argument --cfg-options: expected KEY=VALUE, got {words[-1]}' in capsys.readouterr().err
    assert parser.parse_args(['--cfg-options', 'a.b=1', 'c=x=y']).cfg_options == {'a.b': 1, 'c': 'x=y'}


@pytest.mark.parametrize('enhancer', ['nope', '0', '-1', 'nan', 'inf'])
def test_an_enhancer_is_a_model_or_a_gamma(enhancer, capsys):
    parser = argparse.ArgumentParser()
    demand_enhancers(parser, '--enhancers', ['isalux_general', '0.45', '2'])
    with pytest.raises(SystemExit):
        demand_enhancers(parser, '--enhancers', ['0.45', enhancer])
    assert capsys.readouterr().err.strip().endswith(f'got {enhancer}')


@pytest.mark.parametrize('error, line', [
    (ValueError('side must be 1, got 0'), 'side must be 1, got 0'),
    (FileNotFoundError('no photograph x'), 'no photograph x'),
    (FileNotFoundError(errno.ENOENT, 'No such file', 'x'), 'No such file: x')])
def test_a_wrong_use_of_a_tool_is_one_line(error, line, monkeypatch, capsys):
    def main() -> int:
        raise error

    monkeypatch.setattr(sys, 'argv', ['tools/some.py'])
    try:
        code = run_tool(main)
    except SystemExit as ended:
        code = ended.code
    assert code == 2 and capsys.readouterr().err == f'some.py: {line}\n'


@pytest.mark.parametrize('error', [RuntimeError('x'), KeyError('x'), TypeError('x'), OSError(errno.EBADF, 'x')])
def test_a_fault_of_the_program_keeps_its_traceback(error):
    def main() -> int:
        raise error

    with pytest.raises(type(error)):
        run_tool(main)


@pytest.mark.parametrize('result, code', [(None, 0), (0, 0), (1, 1)])
def test_the_exit_code_is_the_tools(result, code):
    assert run_tool(lambda: result) == code


@pytest.mark.parametrize('options, seen', [([], False), (['-X', 'dev'], True)])
def test_a_developer_sees_where(options, seen):
    program = 'from isalux_mm.cli.options import run_tool\nraise SystemExit(run_tool(lambda: int("x")))'
    done = subprocess.run([sys.executable, *options, '-c', program], capture_output=True, text=True)
    assert done.returncode and ('Traceback' in done.stderr) == seen
