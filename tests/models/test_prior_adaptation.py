"""Adaptation to darkness: the divergence by hand, who is trained, that a step helps, what is counted."""
import math

import pytest
import torch

from isalux_mm.models.prior_adaptation import balanced_divergence
from isalux_mm.registry import METRICS, MODELS
from isalux_mm.structures import EnhanceDataSample

PRIOR = dict(type='SegmentationPrior', module='torch.nn.Conv2d', num_classes=3,
             module_args=dict(in_channels=3, out_channels=3, kernel_size=1))


def adaptation(**options):
    torch.manual_seed(0)
    model = MODELS.build(dict(type='PriorAdaptation', teacher=PRIOR, student=PRIOR, **options))
    model.student.network.load_state_dict(model.teacher.network.state_dict())
    return model


def samples(bright: torch.Tensor) -> list[EnhanceDataSample]:
    return [EnhanceDataSample(gt_img=image) for image in bright]


def test_divergence_by_hand():
    """Two classes, three pixels sure of the first and one of the second; the student says 1/2 everywhere: log 2."""
    expected = torch.tensor([1., 1, 1, 0]).view(1, 1, 1, 4)
    expected = torch.cat([expected, 1 - expected], dim=1)
    even = torch.zeros(1, 2, 1, 4)
    assert balanced_divergence(even, expected).item() == pytest.approx(math.log(2), abs=1e-6)
    # wrong at the rare pixel alone: its weight is (1/4)^(-1/4) = 1.4142, the others' (3/4)^(-1/4) = 1.0746
    logits = torch.zeros(1, 2, 1, 4)
    logits[0, 0] = 20
    by_hand = 20 * 1.414214 / (3 * 1.074570 + 1.414214)
    assert balanced_divergence(logits, expected).item() == pytest.approx(by_hand, rel=1e-5)
    assert balanced_divergence(expected.clamp_min(1e-9).log(), expected).item() == pytest.approx(0, abs=1e-6)


def test_student_learns_teacher_stays():
    model = adaptation(bright_share=0.0).train()
    bright = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    teacher = {k: v.clone() for k, v in model.teacher.state_dict().items()}
    trained = [p for p in model.parameters() if p.requires_grad]
    assert {id(p) for p in trained} == {id(p) for p in model.student.network.parameters()}
    optimizer, losses = torch.optim.Adam(trained, lr=0.2), []
    for _ in range(60):
        loss = model(bright / 8, samples(bright), mode='loss')['loss_divergence']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
    assert all(torch.equal(v, teacher[k]) for k, v in model.teacher.state_dict().items())


def test_bright_images_alone_cost_nothing_at_the_start():
    bright = torch.rand(2, 3, 8, 8)
    assert adaptation(bright_share=1.0).loss(bright / 9, bright)['loss_divergence'].item() < 1e-6
    assert adaptation(bright_share=0.0).loss(bright / 9, bright)['loss_divergence'].item() > 1e-4


def test_prediction_counts_and_metric():
    model, bright = adaptation(), torch.rand(2, 3, 9, 11, generator=torch.Generator().manual_seed(2))
    same = model(bright, samples(bright), mode='predict')
    assert all(s.confusion.diagonal().sum() == s.confusion.sum() == 99 for s in same)
    metric = METRICS.build(dict(type='LabelAgreement'))
    metric.process({}, [s.to_dict() for s in same])
    assert metric.evaluate(2) == {'agreement/pixels': 1.0, 'agreement/mIoU': 1.0}


def test_bad_options():
    with pytest.raises(ValueError, match=r'bright_share must be in \[0, 1\], got 2'):
        adaptation(bright_share=2)
    with pytest.raises(ValueError, match="mode must be 'loss' or 'predict', got 'tensor'"):
        bright = torch.rand(1, 3, 4, 4)
        adaptation()(bright, samples(bright), mode='tensor')
