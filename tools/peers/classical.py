"""Classical methods, from OpenCV: what a picture is worth without any network. (H, W, 3), float32, RGB in [0, 1].

Neither OpenCV nor scikit-image has LIME, so there is no such row.
"""
import cv2
import numpy as np
import torch

from isalux_mm.models.isalux import gamma_brightened


def unchanged(image: np.ndarray) -> np.ndarray:
    """The picture itself."""
    return image


def gamma(image: np.ndarray) -> np.ndarray:
    """A power law that brings the mean luma to about 0.45."""
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
    return gamma_brightened(tensor)[0].permute(1, 2, 0).numpy()


def equalized(image: np.ndarray) -> np.ndarray:
    """Histogram equalization of the luma of YCrCb, 8 bits."""
    ycc = cv2.cvtColor(_as_bytes(image), cv2.COLOR_RGB2YCrCb)
    ycc[..., 0] = cv2.equalizeHist(ycc[..., 0])
    return cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB).astype(np.float32) / 255


def clahe(image: np.ndarray) -> np.ndarray:
    """Contrast-limited histogram equalization of the L of Lab, clip limit 4, 8x8 tiles, 8 bits."""
    lab = cv2.cvtColor(_as_bytes(image), cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(clipLimit=4.0, tileGridSize=(8, 8)).apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).astype(np.float32) / 255


def _as_bytes(image: np.ndarray) -> np.ndarray:
    return np.round(image * 255).astype(np.uint8)
