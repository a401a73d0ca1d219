"""Figures of tables that README and docs quote: a number, and behind it, unseen, where it stands in a CSV.

    24.58<!-- csv lol_v1 / ISALux-MM, zero-shot / eval15 / PSNR_GTmean -->

A row that is published too is quoted as it is measured; `published` ahead of the row's name asks for the other.
"""
import re
from collections.abc import Mapping

from tabling.page import Results
from tabling.tables import PUBLISHED

QUOTED = re.compile(r'(\d+(?:\.\d+)?)(<!-- csv ([^>]+?) -->)')


def quoted(text: str, results: Mapping[str, Results]) -> str:
    """The text of a page with the numbers of the CSVs, with as many decimals as it had.

    Raises:
        ValueError: if it quotes what no CSV has.
    """
    def number(match: re.Match) -> str:
        old, comment, place = match.groups()
        return f'{value_at(place, results):.{len(old.partition(".")[2])}f}{comment}'

    return QUOTED.sub(number, text)


def value_at(place: str, results: Mapping[str, Results]) -> float:
    """The value of a place such as 'lol_v1 / IAT / eval15 / PSNR'.

    Raises:
        ValueError: if there is none.
    """
    parts = place.split(' / ')
    if len(parts) == 4:
        table, row, evaluation_set, column = parts
        published = row.startswith(f'{PUBLISHED} ')
        for line in results[table].lines if table in results else ():
            if ((line['row'], line['set']) == (row.removeprefix(f'{PUBLISHED} '), evaluation_set)
                    and (line['how'] == PUBLISHED) == published and line.get(column)):
                return float(line[column])
    raise ValueError(f'a quoted figure must be TABLE / ROW / SET / COLUMN of a CSV, got {place!r}, which is none')
