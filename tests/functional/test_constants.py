"""Fixed numbers: the same whether they are copied or filled in."""
import pytest
import torch

from isalux_mm.functional.constants import constants, filled
from isalux_mm.functional.illumination import LUMA_WEIGHTS


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16])
def test_numbers_are_the_same_filled_in_or_copied(dtype):
    like = torch.zeros(2, dtype=dtype)
    for make in (constants, filled):
        made = make(LUMA_WEIGHTS, like)
        assert made.dtype == dtype and torch.equal(made, torch.tensor(LUMA_WEIGHTS, dtype=dtype))
