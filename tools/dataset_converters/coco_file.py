"""Annotation files in COCO's format, read for other tools."""
import json
from collections.abc import Mapping, Sequence
from pathlib import Path


def read_coco(path: Path, lists: Mapping[str, Sequence[str]]) -> dict:
    """The content of a COCO file.

    Args:
        path: of the file.
        lists: that it must have, and what every record of each must state.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is no COCO file; names it and what it lacks.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path}: expected a COCO file, got no JSON ({error})') from error
    missing = [name for name in lists if not isinstance(content, dict) or not isinstance(content.get(name), list)]
    if missing:
        raise ValueError(f'{path}: expected a COCO file with lists {", ".join(lists)}, got none of '
                         f'{", ".join(missing)}')
    for name, keys in lists.items():
        for number, record in enumerate(content[name]):
            if not isinstance(record, dict) or not record.keys() >= set(keys):
                raise ValueError(f'{path}: expected {name} with {", ".join(keys)}, got {name}[{number}] = {record}')
    return content
