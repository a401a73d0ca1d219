"""`noise_removal.removed` by OpenCV, in less than half the time on a CPU: the same numbers, no gradients (ours)."""
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from isalux_mm.functional.illumination import LUMA_WEIGHTS
from isalux_mm.functional.noise_removal import BANDS, COLOR, MULTIPLE, STRENGTH, TINY, WINDOW, removed

LEAST_SIDE = MULTIPLE * WINDOW  # of a picture whose smallest band has a window's border on either side


def noise_of(bright: Tensor, deviation: Tensor) -> Tensor:
    """`removed` of pictures of any size, quickly where that is possible."""
    h, w = bright.shape[-2:]
    padding = (0, -w % MULTIPLE, 0, -h % MULTIPLE)
    if any(padding):
        bright, deviation = (F.pad(x, padding, mode='replicate') for x in (bright, deviation))
    remove = quickly_removed if is_quick(bright, deviation) else removed
    return remove(bright, deviation)[:, :, :h, :w]


def is_quick(bright: Tensor, deviation: Tensor) -> bool:
    """Whether `quickly_removed` can take the place of `removed`: nothing is traced, compiled or differentiated."""
    watched = torch.compiler.is_compiling() or torch.jit.is_tracing() or torch.is_grad_enabled() and (
        bright.requires_grad or deviation.requires_grad)
    plain = all(x.device.type == 'cpu' and x.dtype == torch.float32 for x in (bright, deviation))
    return plain and not watched and min(bright.shape[-2:]) >= LEAST_SIDE


def quickly_removed(bright: Tensor, deviation: Tensor) -> Tensor:
    """Arguments and result as of `removed`, on a CPU, float32."""
    pairs = zip(bright.detach().numpy(), deviation.detach().numpy())
    return torch.from_numpy(np.stack([_removed_of(planes, noise[0]) for planes, noise in pairs]))


def _removed_of(planes: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """The noise of one picture, (3, H, W)."""
    red, green, blue = (np.ascontiguousarray(plane) for plane in planes)
    y = cv2.scaleAdd(blue, LUMA_WEIGHTS[2], cv2.addWeighted(red, LUMA_WEIGHTS[0], green, LUMA_WEIGHTS[1], 0))
    variance = cv2.multiply(deviation, deviation, scale=STRENGTH)
    noise = [_noise_of(channel, variance * np.float32(scale)) for channel, scale in (
        (y, 1), (cv2.subtract(blue, y), COLOR**2), (cv2.subtract(red, y), COLOR**2))]
    y, blue, red = noise
    shares = (-LUMA_WEIGHTS[0] / LUMA_WEIGHTS[1], -LUMA_WEIGHTS[2] / LUMA_WEIGHTS[1])
    green = cv2.add(y, cv2.addWeighted(red, shares[0], blue, shares[1], 0))
    return np.stack([cv2.add(y, red), green, cv2.add(y, blue)])


def _noise_of(channel: np.ndarray, variance: np.ndarray, bands: int = BANDS) -> np.ndarray:
    """The noise of one channel (H, W), of its finest band and of what lies below."""
    low = _smaller(channel)
    band, variance = cv2.subtract(channel, _larger(low)), _smaller(variance)
    most = cv2.max(_window_mean(_smaller(cv2.multiply(band, band))), variance)
    np.maximum(most, np.float32(TINY), out=most)  # OpenCV takes long over a number
    part = cv2.multiply(band, _larger(cv2.divide(variance, most)))
    if bands == 1:
        return part
    return cv2.add(part, _larger(_noise_of(low, variance / np.float32(4), bands - 1)))


def _smaller(x: np.ndarray) -> np.ndarray:
    return cv2.resize(x, (x.shape[1] // 2, x.shape[0] // 2), interpolation=cv2.INTER_AREA)


def _larger(x: np.ndarray) -> np.ndarray:
    return cv2.resize(x, (2 * x.shape[1], 2 * x.shape[0]), interpolation=cv2.INTER_LINEAR)


def _window_mean(x: np.ndarray) -> np.ndarray:
    """Mean in the window of the pixels inside."""
    mean, reach = cv2.blur(x, (WINDOW, WINDOW), borderType=cv2.BORDER_CONSTANT), WINDOW // 2  # zeros beyond the border
    for i in range(reach):
        share = np.float32(WINDOW / (reach + 1 + i))
        for edge in (mean[i], mean[-1 - i], mean[:, i], mean[:, -1 - i]):
            edge *= share
    return mean
