"""What is wrong with a tool's command line is one line ahead of all work, and no tool writes over what it reads."""
import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from loading import TOOLS, load_tool

from isalux_mm.cli.options import run_tool
from isalux_mm.io.images import write_image
from isalux_mm.registry import MODELS

SCRIPTS = [path for path in sorted(TOOLS.rglob('*.py')) if "__name__ == '__main__'" in path.read_text('utf-8')]
COMMANDS = ('evaluate', 'test', 'train')  # of `isalux`, under other names
DETECT = ['draw_detections', 'PLAIN', 'WEIGHTS', '--images', 'PICTURES', '--labels', 'LABELS']
# a tool and its options, the last of which is wrong; what is said of it
WRONG = [
    (['check_harmless', 'nope'], "model must be one of .* got 'nope'"),
    (['check_harmless', 'nope.py', 'WEIGHTS'], 'nope.py'),
    (['check_harmless', 'PLAIN'], 'needs a checkpoint'),
    (['check_harmless', 'PLAIN', 'nope'], 'checkpoint must be an existing file .* got nope'),
    (['check_harmless', 'PLAIN', 'OTHER'], 'other.pth does not fit the model'),
    (['check_harmless', 'PLAIN', 'WIDER'], 'wider.pth is of another architecture or width'),
    (['check_harmless', 'PLAIN', 'WIDER', '--cfg-options', 'foo'], '--cfg-options: expected KEY=VALUE, got foo'),
    (['get_flops', 'PICTURE'], 'config must be a config file .* got .*a.png'),
    (['get_flops', 'EMPTY'], 'config must be a config with model, got .*empty.json'),
    (['model_converters/checkpoint2package', 'PICTURE', 'WEIGHTS', 'OUT'], 'config must be a config file .*/a.png'),
    (['model_converters/adapted_prior2package', 'PICTURE', 'OUT'], 'a.png must hold .* but it is no checkpoint'),
    (['get_flops', 'PLAIN', '--cfg-options', 'foo'], '--cfg-options: expected KEY=VALUE, got foo'),
    (['check_harmless', 'PLAIN', 'WEIGHTS', '--photos', 'PICTURES'], '--photos must hold 24 photographs'),
    (['check_harmless', 'PLAIN', 'WEIGHTS', '--low', 'PICTURES', '--gt', 'PICTURES', '--names', 'nope.py'],
     '--names must be an existing file, got nope.py'),
    (['compare_dtypes', 'a=PICTURES', '--model', 'nope'], "model must be one of .* got 'nope'"),
    (['get_flops', 'nope.py'], 'config must be an existing file, got nope.py'),
    (['distill', 'PLAIN', 'nope', 'OUT', '--photographs', 'PICTURES'], 'teacher must be one of .* got nope'),
    (['draw_detections', 'nope', *DETECT[2:], '--out', 'out.png'], 'config must be an existing file, got nope'),
    ([*DETECT[:2], 'nope', *DETECT[3:], '--out', 'out.png'], 'checkpoint must be an existing file or one of .* nope'),
    ([*DETECT, '--out', 'out.png', '--enhancers', 'nope'], '--enhancers must be of .* gamma .* got nope'),
    ([*DETECT[:-1], 'nope', '--out', 'out.png'], '--labels must hold text files .* got nope'),
    ([*DETECT, '--out', 'out.xyz'], r'--out must end in one of .*\.png.* got out.xyz'),
    (['plot_training', 'LOG', '--out', 'out.xyz'], r'--out must end in one of .*\.png.* got out.xyz'),
    (['score_segmentation', '--photos', 'PICTURES', '--enhancers', '0.45', 'nope'],
     '--enhancers must be of .* got nope'),
    (['score_segmentation', '--photos', 'PICTURES', '--enhancers', '0'], '--enhancers must be of .* got 0'),
    (['score_semantic_prior', 'nope', '--photos', 'PICTURES'], 'stock must be an existing file .* got nope'),
    (['calibrate_fade', 'PLAIN', 'nope'], 'checkpoint must be an existing file or one of .* got nope'),
    (['test_dark', 'PLAIN', 'WEIGHTS', '--enhancer', 'nope'], '--enhancer must be one of .* got nope'),
    (['run_table', 'nope.py'], 'nope.py'),
    (['lock_requirements', 'nope', 'OUT'], 'report must be an existing file, got nope'),
    (['dataset_converters/darken_coco', '--annotations', 'EMPTY', '--images', 'PICTURES', '--out', 'OUT'],
     'empty.json: expected a COCO file with lists images'),
    (['dataset_converters/darken_coco', '--annotations', 'LOG', '--images', 'PICTURES', '--out', 'OUT', '--ranges',
      '{"foo":1}'], 'argument --ranges: expected JSON of fields of DegradationRanges'),
    (['dataset_converters/darken_coco', '--annotations', 'LOG', '--images', 'PICTURES', '--out', 'OUT', '--ranges',
      '[1'], 'argument --ranges: expected JSON of fields of DegradationRanges'),
    (['dataset_converters/split_coco', 'EMPTY', '--out', 'OUT'], 'empty.json: expected a COCO file with lists images'),
    (['dataset_converters/split_coco', 'PLAIN', '--out', 'OUT'], 'plain.py: expected a COCO file, got no JSON'),
    (['model_converters/checkpoint2package', 'PLAIN', 'OTHER', 'OUT'], 'expected the model of .* differs in'),
    (['model_converters/checkpoint2package', 'PLAIN', 'nope', 'OUT'], 'checkpoint must be an existing file .* nope'),
    (['model_converters/adapted_prior2package', 'OTHER', 'OUT'], 'expected a checkpoint of PriorAdaptation'),
]
# of every tool that writes a file beside files that it reads: the options, and what of them is to survive
READ = [
    (['calibrate_fade', 'PLAIN', 'WEIGHTS', '--json', 'WEIGHTS'], 'WEIGHTS'),
    (['distill', 'PLAIN', 'isalux_zero_shot', 'PICTURE', '--photographs', 'PICTURES'], 'PICTURE'),
    ([*DETECT, '--out', 'PICTURE'], 'PICTURE'),
    ([*DETECT[:-1], 'LABELS', '--out', 'LINK'], 'LABEL'),
    (['plot_training', 'LOG', '--out', 'LOGLINK'], 'LOG'),
    (['score_segmentation', '--photos', 'PICTURES', '--csv', 'PICTURE'], 'PICTURE'),
    (['contact_sheet', 'isalux_zero_shot', '--inputs', 'PICTURES', '--out', 'PICTURE'], 'PICTURE'),
    (['compare_on_pairs', 'PLAIN', '--low', 'PICTURES', '--gt', 'PICTURES', '--csv', 'PICTURE'], 'PICTURE'),
    (['compare_on_pairs', 'PLAIN', 'WEIGHTS', '--low', 'PICTURES', '--gt', 'PICTURES', '--csv', 'WEIGHTS'], 'WEIGHTS'),
    (['lock_requirements', 'EMPTY', 'EMPTY'], 'EMPTY'),
    (['model_converters/checkpoint2package', 'PLAIN', 'WEIGHTS', 'WEIGHTS'], 'WEIGHTS'),
    (['model_converters/adapted_prior2package', 'WEIGHTS', 'WEIGHTS'], 'WEIGHTS'),
    (['model_converters/yolox_onnx2mmdet', 'EMPTY', 'PICTURE', '--calibrate', 'PICTURES'], 'PICTURE'),
    (['model_converters/deeplab_tflite2torch', 'EMPTY', 'PICTURE', '--check', 'PICTURES'], 'PICTURE'),
]


@pytest.fixture
def places(tmp_path) -> dict[str, Path]:
    """Files and folders that tools read, by the words that stand for them."""
    found = dict(
        PLAIN=tmp_path / 'plain.py', WEIGHTS=tmp_path / 'plain.pth', OTHER=tmp_path / 'other.pth',
        PICTURES=tmp_path / 'pictures', PICTURE=tmp_path / 'pictures/a.png', LABELS=tmp_path / 'labels',
        LABEL=tmp_path / 'labels/a.txt', LOG=tmp_path / 'scalars.json', EMPTY=tmp_path / 'empty.json',
        LINK=tmp_path / 'label.png', LOGLINK=tmp_path / 'log.png', OUT=tmp_path / 'out',
        WIDER=tmp_path / 'wider.pth')
    found['PLAIN'].write_text("model = dict(type='LowLightEnhancer', network=dict(type='CurveNetwork', channels=4))\n")
    for word, channels in (('WEIGHTS', 4), ('WIDER', 8)):
        model = MODELS.build(dict(type='LowLightEnhancer', network=dict(type='CurveNetwork', channels=channels)))
        torch.save(model.state_dict(), found[word])
    torch.save({'network.other': torch.zeros(1)}, found['OTHER'])
    write_image(found['PICTURE'], np.full((8, 8, 3), 0.5, np.float32))
    found['LABELS'].mkdir()
    found['LABEL'].write_text('1 0.5 0.5 0.5 0.5')
    found['LOG'].write_text(json.dumps(dict(loss=1.0, iter=1, step=1)))
    found['EMPTY'].write_text('{}')
    found['LINK'].symlink_to(found['LABEL'])
    found['LOGLINK'].symlink_to(found['LOG'])
    return found


def called(words: list[str], places: dict[str, Path], monkeypatch) -> int:
    """The exit code of a tool."""
    options = [str(places.get(word, word)) for word in words[1:]]
    options = [f'a={places["PICTURES"]}' if option == 'a=PICTURES' else option for option in options]
    monkeypatch.setattr(sys, 'argv', [f'{words[0]}.py', *options])
    try:
        return run_tool(load_tool(words[0]).main)
    except SystemExit as ended:
        return ended.code


@pytest.mark.parametrize(('words', 'message'), WRONG, ids=lambda of: ' '.join(of) if isinstance(of, list) else '')
def test_a_wrong_argument_is_one_line(words, message, places, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob('*'))
    assert called(words, places, monkeypatch) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith(f'{Path(words[0]).name}.py: ') or ': error: ' in said[-1]
    assert re.search(message, said[-1])
    assert sorted(tmp_path.rglob('*')) == before


@pytest.mark.parametrize(('words', 'survivor'), READ, ids=lambda of: of[0] if isinstance(of, list) else '')
def test_overwriting_spares_what_is_read(words, survivor, places, tmp_path, monkeypatch, capsys):
    before = {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()}
    assert called([*words, '--overwrite'] if words[0] != 'lock_requirements' else words, places, monkeypatch) == 2
    assert 'must lead to other files than the inputs' in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()} == before


def calls(path: Path, name: str) -> Iterator[ast.Call]:
    """The calls of a function or method of this name in a script."""
    for node in ast.walk(ast.parse(path.read_text('utf-8'))):
        if isinstance(node, ast.Call) and name in (getattr(node.func, 'id', ''), getattr(node.func, 'attr', '')):
            yield node


def keywords(call: ast.Call) -> dict[str, str]:
    """What a call gives by name, as it is written."""
    return {str(keyword.arg): ast.unparse(keyword.value) for keyword in call.keywords}


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda path: path.stem)
def test_every_tool_tells_what_is_wrong(path):
    text = path.read_text('utf-8')
    assert path.stem in COMMANDS or text.rstrip().endswith('sys.exit(run_tool(main))'), text[-200:]


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda path: path.stem)
def test_numbers_of_a_command_line_have_a_range(path):
    """A count has a least one and a gain its range: no option takes just any whole number."""
    for call in calls(path, 'add_argument'):
        given = keywords(call)
        assert given.get('type') != 'int', ast.unparse(call)
        if ast.literal_eval(call.args[0]) in ('--gain', '--gains'):
            assert given['type'] in ('gain', 'a_gain'), ast.unparse(call)
        if ast.literal_eval(call.args[0]) == '--cfg-options':
            assert given['action'] == 'ConfigOptions', ast.unparse(call)


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda path: path.stem)
def test_every_file_that_is_written_is_told_from_those_read(path):
    for call in calls(path, 'demand_free'):
        assert 'read' in keywords(call), ast.unparse(call)
