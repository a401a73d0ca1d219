"""Fixtures of tests of plain functions."""
import pytest
import torch


@pytest.fixture(params=[1, 2, 3], ids='{} threads'.format)
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)
