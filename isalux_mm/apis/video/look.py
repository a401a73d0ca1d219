"""How a frame's samples are to be read: format, matrix, range, and the turn that a player applies."""
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av

UNNAMED_MATRICES = (0, 2)  # AVCOL_SPC_RGB, AVCOL_SPC_UNSPECIFIED
BT709, BT601, HD_HEIGHT = 1, 5, 720  # what players take for a matrix that no one named
LIMITED, FULL = 1, 2  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG


@dataclass(frozen=True)
class VideoLook:
    """How a frame's samples are to be read.

    Attributes:
        format: name of the pixel format.
        matrix: YUV matrix, as swscale numbers it.
        colorspace: as the frame names it, like `primaries` and `transfer`, or unnamed.
        range: limited or full.
        turns: quarters by which a player turns it, counterclockwise.
    """
    format: str
    matrix: int
    colorspace: int
    primaries: int
    transfer: int
    range: int
    turns: int

    @classmethod
    def of(cls, frame: 'av.VideoFrame') -> 'VideoLook':
        """Of a decoded frame; what it does not name as players guess it."""
        name = frame.format.name
        full = name.startswith('yuvj') or frame.format.is_rgb
        colorspace = int(frame.colorspace)
        matrix = (BT709 if frame.height >= HD_HEIGHT else BT601) if colorspace in UNNAMED_MATRICES else colorspace
        return cls(name, matrix, colorspace if colorspace else 2, int(frame.color_primaries), int(frame.color_trc),
                   int(frame.color_range) or (FULL if full else LIMITED), round(frame.rotation / 90) % 4)
