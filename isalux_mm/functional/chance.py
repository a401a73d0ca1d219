"""Random numbers by place: what is drawn hangs on the seed and on where a run stands, not on what was drawn before."""
import random
from collections.abc import Sequence

import numpy as np
import torch

WORDS = 4  # 32 bits each: one for NumPy, two for PyTorch, one for Python


def seed_by_place(place: Sequence[int]) -> None:
    """Seeds the process's generators of Python, NumPy and PyTorch.

    Args:
        place: integers of 0 or more, such as (seed, iteration, rank); different places give unrelated numbers.
    """
    words = np.random.SeedSequence(list(place)).generate_state(WORDS)
    random.seed(int(words[3]))
    np.random.seed(words[0])
    torch.manual_seed(int(words[1]) << 31 ^ int(words[2]))
