"""How a frame's samples are to be read: format, matrix, range, and the turn that a player applies."""
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av

UNNAMED_MATRICES = (0, 2, 3)  # AVCOL_SPC_RGB, AVCOL_SPC_UNSPECIFIED, AVCOL_SPC_RESERVED
SCALER_MATRICES = (1, 4, 5, 6, 7, 9)  # BT.709, FCC, BT.470BG, SMPTE 170M, SMPTE 240M, BT.2020 NCL: FFmpeg's scaler's
MATRIX_NAMES = {8: 'YCgCo', 10: 'BT.2020 of constant luminance', 11: 'SMPTE 2085', 12: 'by the primaries',
                13: 'by the primaries, of constant luminance', 14: 'ICtCp', 15: 'IPT-C2', 16: 'YCgCo-Re',
                17: 'YCgCo-Ro'}  # AVColorSpace
BT709, BT601, HD_HEIGHT = 1, 5, 720  # what players take for a matrix that no one named
LIMITED, FULL = 1, 2  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG
HDR_TRANSFERS = {16: 'PQ', 18: 'HLG'}  # AVCOL_TRC_SMPTE2084, AVCOL_TRC_ARIB_STD_B67
SHORT_DEPTH = 8  # bits


@dataclass(frozen=True)
class VideoLook:
    """How a frame's samples are to be read.

    Attributes:
        format: name of the pixel format.
        bits: most of a component.
        matrix: YUV matrix, as swscale numbers it.
        colorspace: as the frame names it, like `primaries` and `transfer`, or unnamed.
        range: limited or full; of RGB the limited one that players expect of the YUV it becomes.
        turns: quarters by which a player turns it, counterclockwise.
        interlaced: whether it holds two fields.
        alpha: whether it has transparency.
    """
    format: str
    bits: int
    matrix: int
    colorspace: int
    primaries: int
    transfer: int
    range: int
    turns: int
    interlaced: bool = False
    alpha: bool = False

    @classmethod
    def of(cls, frame: 'av.VideoFrame') -> 'VideoLook':
        """Of a decoded frame; what it does not name as players guess it."""
        name, components = frame.format.name, frame.format.components
        colorspace, named_range = int(frame.colorspace), int(frame.color_range)
        matrix = colorspace if colorspace in SCALER_MATRICES else BT709 if frame.height >= HD_HEIGHT else BT601
        if frame.format.is_rgb:
            named_range = LIMITED
        elif named_range not in (LIMITED, FULL):
            named_range = FULL if name.startswith('yuvj') else LIMITED
        return cls(name, max(c.bits for c in components), matrix, colorspace or 2, int(frame.color_primaries),
                   int(frame.color_trc), named_range, round(frame.rotation / 90) % 4, frame.interlaced_frame,
                   any(c.is_alpha for c in components))

    @property
    def deep(self) -> bool:
        """Whether samples have more than 8 bits."""
        return self.bits > SHORT_DEPTH

    def warnings(self) -> list[str]:
        """What is lost or not understood of such frames, sentences."""
        said = []
        if self.colorspace not in (*SCALER_MATRICES, *UNNAMED_MATRICES):
            name = MATRIX_NAMES.get(self.colorspace, f'number {self.colorspace}')
            fallback = 'BT.709' if self.matrix == BT709 else 'BT.601'
            said.append(f'the YUV matrix ({name}) is not known: read and written back by {fallback}, which the network '
                        'sees as other colours')
        if self.transfer in HDR_TRANSFERS:
            said.append(f'HDR ({HDR_TRANSFERS[self.transfer]}) is treated as if it were SDR')
        if self.interlaced:
            said.append('interlaced frames are enhanced as they are, both fields at once, and written as progressive: '
                        'deinterlace first')
        if self.alpha:
            said.append('transparency is left out')
        return said
