"""Pictures whose right colours are known without a camera: grey fields, ramps, steps, lamps in the dark (ours)."""
import numpy as np

KINDS = ('field', 'ramp', 'steps', 'lamps')
BLACK_SHARE, WHITE_SHARE = 0.25, 0.15  # of the fields
FULL_SHARE = 0.5  # of the ramps, which go from black to white
STEPS = (2, 8)  # grey patches along a side
NIGHT = 0.02  # brightest ground behind lamps
LAMPS = (1, 3)
RADIUS = (0.01, 0.06)  # of a lamp, share of the shorter side
GLOW = (0.5, 4.0)  # pixels in which a lamp's glow falls to 1/e
GLOW_LEVEL = 0.6  # of the glow at a lamp's rim
WARMEST = (1.0, 0.85, 0.6)  # colour of a glow; a lamp's disc is white, for it clips


def draw_chart(height: int, width: int, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """A neutral picture and its kind.

    Args:
        height: in pixels.
        width: in pixels.
        rng: source of chance.

    Returns:
        (H, W, 3), float32, in [0, 1], grey but for the glow of lamps; one of `KINDS`.
    """
    kind = KINDS[rng.integers(len(KINDS))]
    if kind == 'field':
        draw, level = rng.uniform(), rng.uniform()
        level = 0.0 if draw < BLACK_SHARE else 1.0 if draw < BLACK_SHARE + WHITE_SHARE else level
        gray = np.full((height, width), level, np.float32)
    elif kind == 'ramp':
        gray = _ramp(height, width, rng)
    elif kind == 'steps':
        rows, columns = rng.integers(STEPS[0], STEPS[1] + 1, 2)
        patches = rng.uniform(size=(rows, columns)).astype(np.float32)
        gray = patches[np.arange(height)[:, None] * rows // height, np.arange(width) * columns // width]
    else:
        gray = np.full((height, width), rng.uniform(0, NIGHT), np.float32)
    chart = np.repeat(gray[..., None], 3, axis=2)
    return add_lamps(chart, rng) if kind == 'lamps' else chart, kind


def add_lamps(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light sources laid over a picture: white discs that clip, with a narrow glow, neutral to warm.

    Args:
        image: (H, W, 3), float32, RGB in [0, 1].
        rng: source of chance.
    """
    height, width = image.shape[:2]
    rows, columns = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)
    for _ in range(rng.integers(LAMPS[0], LAMPS[1] + 1)):
        y, x = rng.uniform(0, height), rng.uniform(0, width)
        radius, glow = max(rng.uniform(*RADIUS) * min(height, width), 1.0), rng.uniform(*GLOW)
        color = 1 - rng.uniform() * (1 - np.array(WARMEST, np.float32))
        beyond = np.sqrt((rows - np.float32(y))**2 + (columns - np.float32(x))**2) - np.float32(radius)
        halo = np.float32(GLOW_LEVEL) * np.exp(-np.maximum(beyond, 0) / np.float32(glow))
        image = np.maximum(image, halo[..., None] * color)
        image = np.where((beyond <= 0)[..., None], np.float32(1), image)
    return image


def _ramp(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A linear ramp in a random direction between two greys."""
    angle, full, ends = rng.uniform(0, 2 * np.pi), rng.uniform() < FULL_SHARE, rng.uniform(size=2)
    low, high = (0.0, 1.0) if full else ends
    place = np.sin(angle) * np.linspace(-1, 1, height)[:, None] + np.cos(angle) * np.linspace(-1, 1, width)
    share = (place - place.min()) / max(np.ptp(place), 1e-9)
    return (low + (high - low) * share).astype(np.float32)
