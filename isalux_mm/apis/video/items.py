"""What goes from the thread that decodes to the one that enhances and on to the one that encodes."""
from typing import NamedTuple

import numpy as np

from isalux_mm.apis.video.look import VideoLook


class Shot(NamedTuple):
    """A frame.

    Attributes:
        image: upright, (H, W, 3), RGB, uint8 or uint16.
        seconds: since the frame before it in the source.
        tick: time stamp, by the clock of the result.
        look: how its samples are to be read, and so those that are written.
    """
    image: np.ndarray
    seconds: float
    tick: int
    look: VideoLook


class Remark(NamedTuple):
    """What a thread has to say for the report, which is the main thread's alone.

    Attributes:
        field: of `VideoReport`: a number that grows by `value`, or 'warnings'.
        value: the number, or the sentence.
    """
    field: str
    value: int | str
