"""pip's report as a requirements file with hashes."""
import json

import pytest
from loading import load_tool


def entry(name: str, version: str, **hashes: str) -> dict:
    """One package of pip's report."""
    return dict(metadata=dict(name=name, version=version), download_info=dict(archive_info=dict(hashes=hashes)))


def test_lines(tmp_path):
    report = dict(version='1', install=[entry('numpy', '2.2.6', sha256='ab'), entry('Attrs', '1.0', sha256='cd')])
    (tmp_path / 'report.json').write_text(json.dumps(report))
    assert load_tool('lock_requirements').main([str(tmp_path / 'report.json'), str(tmp_path / 'x.lock')]) == 0
    head, *lines = (tmp_path / 'x.lock').read_text().splitlines()
    assert head.startswith('# Written by make lock') and head.endswith('pip install --require-hashes -r x.lock')
    assert lines == ['Attrs==1.0 --hash=sha256:cd', 'numpy==2.2.6 --hash=sha256:ab']


def test_a_file_without_a_hash():
    with pytest.raises(ValueError, match='numpy 2.2.6 must come from a file with a SHA-256'):
        load_tool('lock_requirements').locked(dict(install=[entry('numpy', '2.2.6')]))
