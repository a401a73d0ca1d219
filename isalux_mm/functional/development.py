"""What a camera does to linear light, and back: sRGB, an S-shaped tone curve with a toe, colour matrices (ours).

Arrays are (..., 3), float32, RGB in [0, 1], unless said otherwise.
"""
from collections.abc import Callable, Sequence

import numpy as np

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601
SRGB_KNEE, SRGB_LINEAR_KNEE = 0.04045, 0.0031308  # IEC 61966-2-1
TABLE_LAST = 2**14 - 1  # curves are looked up in tables of 2^14 entries, which leaves 8-bit output exact to 1/4 level
# linear sRGB to CIE XYZ (D65), IEC 61966-2-1
RGB_TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                       [0.0193339, 0.1191920, 0.9503041]])
# XYZ to the raw colours of the four cameras of the Darmstadt Noise Dataset, as Brooks et al. (2019, Unprocessing Images
# for Learned Raw Denoising) publish them with their code
XYZ_TO_CAMERAS = np.array([
    [[1.0234, -0.2969, -0.2266], [-0.5625, 1.6328, -0.0469], [-0.0703, 0.2188, 0.6406]],
    [[0.4913, -0.0541, -0.0202], [-0.6130, 1.3513, 0.2906], [-0.1564, 0.2151, 0.7183]],
    [[0.8380, -0.2630, -0.0639], [-0.2887, 1.0725, 0.2496], [-0.0627, 0.1427, 0.5438]],
    [[0.6596, -0.2079, -0.0562], [-0.4782, 1.3016, 0.1933], [-0.0970, 0.1581, 0.5181]],
])
NUM_CAMERAS = len(XYZ_TO_CAMERAS)


def srgb_to_linear(image: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] to linear light in [0, 1] (IEC 61966-2-1)."""
    return np.where(image <= SRGB_KNEE, image / 12.92, ((image + 0.055) / 1.055)**np.float32(2.4))


def linear_to_srgb(image: np.ndarray) -> np.ndarray:
    """Linear light in [0, 1] to sRGB in [0, 1] (IEC 61966-2-1)."""
    curved = 1.055 * np.maximum(image, SRGB_LINEAR_KNEE)**np.float32(1 / 2.4) - 0.055
    return np.where(image <= SRGB_LINEAR_KNEE, image * 12.92, curved)


def tone_curve(image: np.ndarray, toe: float) -> np.ndarray:
    """S-curve x^p / (x^p + (1 - x)^p): on log-log axes its toe has the slope p; 0, 1/2 and 1 stay.

    The inverse is the curve of toe 1 / p. Values in [0, 1].
    """
    if toe == 1:
        return image
    power = np.float32(toe)
    dark, light = image**power, (1 - image)**power
    return dark / (dark + light)


def unprocess(image: np.ndarray, reference_toe: float = 1.0) -> np.ndarray:
    """sRGB photograph to linear light: inverse tone curve, inverse sRGB."""
    return srgb_to_linear(tone_curve(np.clip(image, 0, 1), 1 / reference_toe))


def process(linear: np.ndarray, toe: float = 1.0) -> np.ndarray:
    """Linear light to a developed photograph: sRGB, then the tone curve with a toe, on each channel."""
    return tone_curve(np.clip(linear_to_srgb(np.clip(linear, 0, 1)), 0, 1), toe)


def develop(linear: np.ndarray, toe: float = 1.0, luma_share: float = 0.0) -> np.ndarray:
    """Linear light to a developed photograph, the tone curve applied in part to the luma.

    On each channel the curve raises the saturation by its slope; on the luma, the channels keep their ratios. Cameras
    do either, or a blend. Looked up in tables: exact to a quarter of an 8-bit level.

    Args:
        linear: (..., 3), linear light; clipped to [0, 1].
        toe: see `tone_curve`.
        luma_share: share of the luma's result in the blend; grey is the same for every share.
    """
    apply = look_up if linear.size > TABLE_LAST else lambda image, curve: curve(image)
    root = np.sqrt(np.clip(linear, 0, 1))  # even steps of the root give the dark tones entries enough
    by_channel = apply(root, lambda grid: process(grid * grid, toe))
    if luma_share == 0 or toe == 1:
        return by_channel
    encoded = apply(root, lambda grid: process(grid * grid))
    luma = encoded @ LUMA
    gain = apply(np.sqrt(luma), lambda grid: _curve_gain(grid * grid, toe))
    by_luma = np.minimum(encoded * gain[..., None], 1)
    return by_channel + np.float32(luma_share) * (by_luma - by_channel)


def look_up(image: np.ndarray, curve: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A curve on [0, 1] applied through a table: many times faster than powers of every pixel."""
    table = curve(np.linspace(0, 1, TABLE_LAST + 1, dtype=np.float32)).astype(np.float32)
    index = np.clip(image, 0, 1)
    index *= np.float32(TABLE_LAST)
    index += np.float32(0.5)
    return table.take(index.astype(np.uint16), mode='clip')


def mean_luma(image: np.ndarray) -> float:
    """Mean BT.601 luma of an RGB image."""
    return float((image.reshape(-1, 3) @ LUMA).mean())


def camera_matrix(seen: Sequence[float], assumed: Sequence[float]) -> np.ndarray:
    """Colours that come out when one camera's raw picture is developed with another camera's matrix.

    Args:
        seen: weights of the four cameras of `XYZ_TO_CAMERAS` in the camera that took the picture; normalized.
        assumed: the same for the camera whose matrix develops it.

    Returns:
        (3, 3), linear sRGB to linear sRGB; rows sum to 1, so that grey stays grey. The identity for equal cameras.
    """
    raw = [np.tensordot(np.asarray(weights) / np.sum(weights), XYZ_TO_CAMERAS, 1) @ RGB_TO_XYZ
           for weights in (seen, assumed)]
    seen_by, assumed_by = (matrix / matrix.sum(1, keepdims=True) for matrix in raw)  # white balance
    return np.linalg.solve(assumed_by, seen_by)


def saturation_matrix(saturation: float) -> np.ndarray:
    """(3, 3): distances from the luma times `saturation`; rows sum to 1, so that grey stays grey."""
    return saturation * np.eye(3) + (1 - saturation) * np.tile(LUMA.astype(np.float64), (3, 1))


def _curve_gain(luma: np.ndarray, toe: float) -> np.ndarray:
    """What the tone curve multiplies a luma by; at 0 the limit from above."""
    luma = np.maximum(luma, np.float32(1e-6))
    return tone_curve(luma, toe) / luma
