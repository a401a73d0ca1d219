"""One spelling of each word: -ize everywhere; in names of code American as PyTorch's; prose is British otherwise."""
import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = [Path(name) for name in subprocess.run(
    ['git', 'ls-files', '*.py', '*.md'], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    if (ROOT / name).is_file()]
STEMS = ('custom', 'equal', 'final', 'general', 'initial', 'local', 'maxim', 'minim', 'neutral', 'normal', 'optim',
         'organ', 'parallel', 'quant', 'random', 'real', 'recogn', 'regular', 'serial', 'special', 'stabil',
         'standard', 'summar', 'synchron', 'token', 'vector', 'visual')
ISE = re.compile(rf'(?:{"|".join(STEMS)})is(?:e|ed|es|er|ers|ing|ation|ations|able)(?![a-z])', re.IGNORECASE)
BRITISH = re.compile('colour|grey|neighbour|centre|behaviour|licence|honour|favour|labell|artefact|metre',
                     re.IGNORECASE)


def names(source: str) -> Iterator[str]:
    """Every name in a source: of variables, attributes, arguments, functions, classes, modules, and options by name."""
    for node in ast.walk(ast.parse(source)):
        for field in ('id', 'attr', 'arg', 'name', 'asname', 'value'):
            name = getattr(node, field, None)
            if isinstance(name, str) and name.isidentifier():
                yield name


@pytest.mark.parametrize('path', [p for p in FILES if p.name != Path(__file__).name], ids=str)
def test_words_are_spelt_in_one_way(path):
    text = (ROOT / path).read_text(encoding='utf-8')
    assert not ISE.findall(text)
    if path.suffix == '.py':
        assert not {name for name in names(text) if BRITISH.search(name)}
    quoted = re.findall(r'`([\w.]+)`', text)
    assert not [name for name in quoted if BRITISH.search(name)]
    assert not BRITISH.search(path.name)


def test_the_rule_itself():
    assert ISE.findall('normalised, re-initialisation, Quantise') == ['normalised', 'initialisation', 'Quantise']
    assert not ISE.search('normalized, otherwise precise, noise, realistic, a specialist')
    source = 'from a import colour as b\ndef f(grey): return x.centre(licence="honour")\nclass Neighbour: "A colour."\n'
    assert {name for name in names(source) if BRITISH.search(name)} == {
        'colour', 'Neighbour', 'grey', 'licence', 'centre', 'honour'}
