"""Damage inside files of pictures: found where a decoder says nothing, and not where there is none."""
import io

import numpy as np
import pytest
from PIL import Image

from isalux_mm.io.picture_damage import damage


def encoded(kind: str, **options) -> bytes:
    """A picture with much detail."""
    buffer = io.BytesIO()
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8))
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


WHOLE = {
    'png': encoded('PNG'), 'jpeg': encoded('JPEG'), 'progressive': encoded('JPEG', progressive=True),
    'restarts': encoded('JPEG', restart_marker_blocks=4), 'commented': encoded('JPEG', comment=b'\xff\xd9' * 9),
    'followed': encoded('JPEG') + b'a trailer of a phone'}


@pytest.mark.parametrize('name', [*WHOLE, 'webp'])
def test_whole_files(name):
    assert damage(WHOLE.get(name) or encoded('WEBP')) is None


@pytest.mark.parametrize('name', [name for name in WHOLE if name != 'followed'])
@pytest.mark.parametrize('share', [0.3, 0.9])
def test_files_cut_off_and_closed(name, share):
    """With the end marker put behind what is left, as some recorders do, a JPEG is within the format."""
    data = WHOLE[name]
    cut = data[:int(share * len(data))]
    assert damage(cut) is not None
    assert damage(cut + bytes(len(data) - len(cut))) is not None  # the rest was never written


@pytest.mark.parametrize('name', WHOLE)
def test_foreign_bytes_inside(name):
    """2048 bytes of another file: one of 256 pairs of bytes begins a marker that cannot stand there."""
    data, middle = bytearray(WHOLE[name]), len(WHOLE[name]) // 2
    data[middle:middle + 2048] = np.random.default_rng(1).integers(0, 256, 2048, np.uint8).tobytes()
    assert damage(bytes(data)) is not None


def test_a_decoder_says_nothing():
    data = bytearray(WHOLE['jpeg'])
    data[len(data) // 2:] = bytes(len(data) - len(data) // 2)
    Image.open(io.BytesIO(bytes(data) + b'\xff\xd9')).load()
    assert damage(bytes(data)) is not None
