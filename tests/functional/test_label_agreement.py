"""Agreement of label maps by hand."""
import pytest
import torch

from isalux_mm.functional.label_agreement import confusion, mean_iou, pixel_agreement


def test_by_hand():
    expected = torch.tensor([[0, 0, 0, 1], [1, 1, 2, 2]])
    found = torch.tensor([[0, 0, 1, 1], [1, 3, 2, 2]])
    counts = confusion(found, expected, 4)
    assert counts.tolist() == [[2, 1, 0, 0], [0, 2, 0, 1], [0, 0, 2, 0], [0, 0, 0, 0]]
    assert pixel_agreement(counts) == 6 / 8
    # 2 of 3, 2 of 4 and 2 of 2; class 3 is found but expected nowhere
    assert mean_iou(counts) == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r'one shape, got \(2, 2\) and \(4,\)'):
        confusion(torch.zeros(2, 2), torch.zeros(4), 2)
