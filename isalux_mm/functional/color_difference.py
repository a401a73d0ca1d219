"""How far colours are apart: CIEDE2000 and the angle between RGB vectors. Both average over the pixels of a picture.

All take (H, W, 3), sRGB in [0, 1], and compute in float64. CIEDE2000 agrees with scikit-image's to rounding.
"""
import numpy as np

# IEC 61966-2-1, sRGB under D65, with the digits and the white point (2 degrees) that scikit-image takes
XYZ_OF_RGB = np.array(((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227)))
WHITE = np.array((0.95047, 1.0, 1.08883))
LAB_LIMIT, LAB_SLOPE, LAB_OFFSET = 0.008856, 7.787, 16 / 116  # CIE 15
CHROMA_POWER = 25.0**7  # Sharma et al., 2005, Eq. 4
AT_ONCE = 2**18  # pixels: bounds the memory, and stays in the cache


def ciede2000(pred: np.ndarray, gt: np.ndarray) -> float:
    """Mean CIEDE2000 colour difference (k_L = k_C = k_H = 1); 0 for equal pictures, about 1 is just noticeable.

    After Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula", 2005.
    """
    height, width = pred.shape[:2]
    rows = max(AT_ONCE // width, 1)
    bands = (np.s_[top:top + rows] for top in range(0, height, rows))
    return float(sum(delta_e_2000(lab_of(pred[band]), lab_of(gt[band])).sum() for band in bands) / (height * width))


def color_angle(pred: np.ndarray, gt: np.ndarray) -> float:
    """Mean angle between the RGB vectors of the pixels, in degrees: an error of colour, whatever the brightness.

    As in the colour loss of DeepUPE (Wang et al., CVPR 2019), which sums it. Pixels black in either picture have no
    colour and are left out; NaN if all are.
    """
    pred, gt = (x.reshape(-1, 3).astype(np.float64) for x in (pred, gt))
    # of unit vectors, the angle by both sine and cosine: the arc cosine alone loses half the digits near zero
    lengths = np.linalg.norm(pred, axis=1) * np.linalg.norm(gt, axis=1)
    colored = lengths > 0
    if not colored.any():
        return float('nan')
    sines, cosines = np.linalg.norm(np.cross(pred, gt), axis=1), (pred * gt).sum(axis=1)
    return float(np.degrees(np.arctan2(sines, cosines))[colored].mean())


def lab_of(image: np.ndarray) -> np.ndarray:
    """CIE L*, a*, b* of sRGB in [0, 1], (..., 3)."""
    linear = np.where(image > 0.04045, ((np.maximum(image, 0) + 0.055) / 1.055)**2.4, image / 12.92)
    ratios = linear @ XYZ_OF_RGB.T / WHITE
    x, y, z = np.moveaxis(
        np.where(ratios > LAB_LIMIT, np.cbrt(ratios), LAB_SLOPE * ratios + LAB_OFFSET), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def delta_e_2000(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """CIEDE2000 of every pair of L*, a*, b*; (..., 3) to (...). Equations as numbered by Sharma et al., 2005."""
    (l1, a1, b1), (l2, a2, b2) = (np.moveaxis(x, -1, 0) for x in (first, second))
    chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(chroma**7 / (chroma**7 + CHROMA_POWER))  # 1 + G, Eq. 4 and 5
    a1, a2 = stretch * a1, stretch * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = (np.mod(np.arctan2(b, a), 2 * np.pi) for a, b in ((a1, b1), (a2, b2)))  # Eq. 7
    gray = c1 * c2 == 0
    turn = np.mod(h2 - h1 + np.pi, 2 * np.pi) - np.pi  # Eq. 10
    delta_hue = np.where(gray, 0, 2 * np.sqrt(c1 * c2) * np.sin(turn / 2))  # Eq. 11
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    turned = np.where(np.abs(h1 - h2) > np.pi, np.where(h1 + h2 < 2 * np.pi, np.pi, -np.pi), 0)
    hue = np.where(gray, h1 + h2, (h1 + h2) / 2 + turned)  # Eq. 14
    weight = (1 - 0.17 * np.cos(hue - np.radians(30)) + 0.24 * np.cos(2 * hue)
              + 0.32 * np.cos(3 * hue + np.radians(6)) - 0.20 * np.cos(4 * hue - np.radians(63)))  # Eq. 15
    s_l = 1 + 0.015 * (lightness - 50)**2 / np.sqrt(20 + (lightness - 50)**2)  # Eq. 18
    s_c, s_h = 1 + 0.045 * chroma, 1 + 0.015 * chroma * weight  # Eq. 19 and 20
    rotation = -2 * np.sqrt(chroma**7 / (chroma**7 + CHROMA_POWER)) * np.sin(
        np.radians(60) * np.exp(-((np.degrees(hue) - 275) / 25)**2))  # Eq. 16, 17 and 21
    parts = ((l2 - l1) / s_l, (c2 - c1) / s_c, delta_hue / s_h)
    squares = parts[0]**2 + parts[1]**2 + parts[2]**2 + rotation * parts[1] * parts[2]
    return np.sqrt(np.maximum(squares, 0))  # Eq. 22; rounding leaves some of equal colours below zero
