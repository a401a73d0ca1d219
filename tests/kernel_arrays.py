"""Arrays for tests of compiled kernels."""
import numpy as np
import torch


def planes(*size, seed=0):
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def array(x):
    return np.ascontiguousarray(x.numpy(), dtype=np.float32)
