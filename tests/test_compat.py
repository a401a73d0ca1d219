"""The stand-in for mmcv's compiled operators, against formulas written out plainly."""
import importlib
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
import torch.nn.functional as F

pytest.importorskip('mmcv')

from isalux_mm import compat

STAND_IN = compat.install_mmcv_ops()
ops = importlib.import_module('mmcv.ops')


def random_boxes(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 40
    size = torch.rand(count, 2, generator=generator) * 30 + 2
    return torch.cat([corner, corner + size], dim=1), torch.rand(count, generator=generator)


def overlap(a: np.ndarray, b: np.ndarray, offset: int) -> float:
    w, h = (max(min(a[d + 2], b[d + 2]) - max(a[d], b[d]) + offset, 0) for d in (0, 1))
    areas = [(x[2] - x[0] + offset) * (x[3] - x[1] + offset) for x in (a, b)]
    return w * h / (sum(areas) - w * h)


def plain_nms(boxes, scores, threshold, offset):
    kept = []
    for index in np.argsort(-scores):
        if all(overlap(boxes[index], boxes[other], offset) <= threshold for other in kept):
            kept.append(index)
    return kept


def plain_soft_nms(boxes, scores, threshold, sigma, least, method, offset):
    scores, left, kept = scores.copy(), list(range(len(boxes))), []
    while left:
        best = max(left, key=lambda i: scores[i])
        kept.append((best, scores[best]))
        left.remove(best)
        for other in left:
            iou = overlap(boxes[best], boxes[other], offset)
            if method == 'gaussian':
                scores[other] *= np.exp(-iou**2 / sigma)
            elif iou >= threshold:
                scores[other] *= 1 - iou if method == 'linear' else 0
        left = [i for i in left if scores[i] >= least]
    return kept


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('threshold', [0.1, 0.5])
def test_nms_keeps_what_the_definition_keeps(threshold, offset):
    boxes, scores = random_boxes(60)
    dets, kept = ops.nms(boxes, scores, threshold, offset)
    expected = plain_nms(boxes.double().numpy(), scores.double().numpy(), threshold, offset)
    assert kept.tolist() == expected
    torch.testing.assert_close(dets[:, 4], scores[expected])


def test_nms_of_classes_suppresses_within_a_class_only():
    boxes = torch.tensor([[0., 0., 10., 10.], [0., 0., 10., 10.], [1., 0., 10., 10.]])
    scores, classes = torch.tensor([0.9, 0.8, 0.7]), torch.tensor([0, 1, 0])
    dets, kept = ops.batched_nms(boxes, scores, classes, dict(type='nms', iou_threshold=0.5))
    assert kept.tolist() == [0, 1]
    torch.testing.assert_close(dets, torch.tensor([[0., 0., 10., 10., 0.9], [0., 0., 10., 10., 0.8]]))


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
def test_soft_nms_decays_as_the_definition(method, offset):
    boxes, scores = random_boxes(40, seed=3)
    dets, kept = ops.soft_nms(boxes, scores, 0.3, 0.5, 0.05, method, offset)
    expected = plain_soft_nms(boxes.double().numpy(), scores.double().numpy(), 0.3, 0.5, 0.05, method, offset)
    assert kept.tolist() == [index for index, _ in expected]
    np.testing.assert_allclose(dets[:, 4], [score for _, score in expected], atol=1e-5)
    torch.testing.assert_close(dets[:, :4], boxes[kept])


def test_no_boxes_give_no_boxes():
    none = torch.zeros(0, 4), torch.zeros(0)
    assert len(ops.nms(*none, 0.5)[1]) == len(ops.soft_nms(*none)[1]) == 0


def test_roi_align_of_a_plane_is_the_plane_at_the_bins_centers():
    """A linear function is its own bilinear interpolation, and its mean over a bin is its value at the centre."""
    rows, columns = torch.meshgrid(torch.arange(16.), torch.arange(20.), indexing='ij')
    image = (3 * columns - 2 * rows).expand(1, 2, 16, 20).clone().requires_grad_()
    roi = torch.tensor([[0., 4., 6., 28., 22.]])  # in twice the map's coordinates
    out = ops.roi_align(image, roi, (2, 3), 0.5, 2, 'avg', True)
    x = 2 + (torch.arange(3) + 0.5) * 12 / 3 - 0.5
    y = 3 + (torch.arange(2) + 0.5) * 8 / 2 - 0.5
    expected = 3 * x[None] - 2 * y[:, None]
    torch.testing.assert_close(out, expected.expand(1, 2, 2, 3))
    out.sum().backward()
    assert image.grad.sum().item() == pytest.approx(out.numel())  # every output is a mean: weights sum to one


def test_roi_align_gradient_is_the_derivative():
    torch.manual_seed(0)
    image = torch.rand(1, 1, 6, 7, dtype=torch.float64, requires_grad=True)
    roi = torch.tensor([[0., 0.7, 1.1, 5.3, 4.9]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: ops.roi_align(x, roi, (2, 2), 1.0, 2, 'avg', True), (image, ))


@pytest.mark.parametrize(('stride', 'padding', 'dilation', 'groups'), [(1, 1, 1, 1), (2, 2, 2, 2)])
@pytest.mark.parametrize('modulated', [False, True])
def test_deformable_convolution_without_offsets_is_a_convolution(modulated, stride, padding, dilation, groups):
    torch.manual_seed(0)
    image, weight, bias = torch.randn(2, 4, 9, 11), torch.randn(6, 4 // groups, 3, 3), torch.randn(6)
    leaves = [x.requires_grad_() for x in (image, weight)]
    plain = F.conv2d(image, weight, bias if modulated else None, stride, padding, dilation, groups)
    offset = torch.zeros(2, 18, *plain.shape[2:])
    if modulated:
        mask = torch.ones(2, 9, *plain.shape[2:])
        out = ops.modulated_deform_conv2d(image, offset, mask, weight, bias, stride, padding, dilation, groups, 1)
    else:
        out = ops.deform_conv2d(image, offset, weight, stride, padding, dilation, groups, 1)
    torch.testing.assert_close(out, plain, atol=1e-5, rtol=1e-5)
    for got, expected in zip(*(torch.autograd.grad(y.square().sum(), leaves) for y in (out, plain))):
        torch.testing.assert_close(got, expected, atol=1e-3, rtol=1e-4)


def test_offsets_move_the_samples():
    """A half-pixel shift to the right and a whole one down, with a 1x1 kernel: the mean of two neighbours below."""
    image = torch.rand(1, 1, 5, 6)
    offset = torch.tensor([1.0, 0.5]).view(1, 2, 1, 1).expand(1, 2, 5, 6).contiguous()  # (y, x)
    out = ops.deform_conv2d(image, offset, torch.ones(1, 1, 1, 1))
    torch.testing.assert_close(out[..., :-1, :-1], (image[..., 1:, :-1] + image[..., 1:, 1:]) / 2)
    halved = ops.modulated_deform_conv2d(image, offset, torch.full((1, 1, 5, 6), 0.5), torch.ones(1, 1, 1, 1), None)
    torch.testing.assert_close(halved, out / 2)


@pytest.mark.parametrize('modulated', [False, True])
def test_deformable_gradients_are_the_derivatives(modulated):
    torch.manual_seed(0)
    double = dict(dtype=torch.float64)
    image, weight = torch.randn(1, 2, 4, 5, **double), torch.randn(2, 2, 3, 3, **double)
    offset = torch.rand(1, 18, 4, 5, **double) * 0.8 + 0.1  # away from whole pixels, where the derivative jumps
    mask, bias = torch.rand(1, 9, 4, 5, **double), torch.randn(2, **double)
    if modulated:
        arguments = [x.requires_grad_() for x in (image, offset, mask, weight, bias)]
        assert torch.autograd.gradcheck(lambda *x: ops.modulated_deform_conv2d(*x, 1, 1), arguments)
    else:
        arguments = [x.requires_grad_() for x in (image, offset, weight)]
        assert torch.autograd.gradcheck(lambda *x: ops.deform_conv2d(*x, 1, 1), arguments)


def test_deformable_attention_is_mmcvs_own_torch_form():
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch
    torch.manual_seed(0)
    shapes = torch.tensor([[6, 7], [3, 4]])
    value = torch.randn(2, 54, 3, 4)
    locations, weights = torch.rand(2, 5, 3, 2, 4, 2), torch.rand(2, 5, 3, 2, 4)
    leaves = [x.requires_grad_() for x in (value, locations, weights)]
    expected = multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)
    out = compat.ms_deform_attn_forward(value, shapes, torch.tensor([0, 42]), locations, weights, im2col_step=64)
    torch.testing.assert_close(out, expected)
    gradients = [torch.zeros_like(x) for x in leaves]
    compat.ms_deform_attn_backward(value, shapes, torch.tensor([0, 42]), locations, weights, torch.ones_like(out),
                                   *gradients, im2col_step=64)
    for got, wanted in zip(gradients, torch.autograd.grad(expected.sum(), leaves)):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize('weighted', [False, True])
def test_focal_loss_is_its_formula(weighted):
    torch.manual_seed(0)
    logits, target = torch.randn(6, 3, requires_grad=True), torch.tensor([0, 1, 2, 3, 3, 0])  # 3: background
    weight = torch.tensor([1., 2., 0.5]) if weighted else torch.empty(0)
    p = logits.sigmoid()
    hot = torch.eye(4)[target][:, :3]
    expected = torch.where(hot == 1, -0.25 * (1 - p)**2 * p.log(), -0.75 * p**2 * (1 - p).log())
    expected = expected * (weight if weighted else 1)
    out, gradient = torch.zeros_like(logits), torch.zeros_like(logits)
    compat.sigmoid_focal_loss_forward(logits, target, weight, out, gamma=2.0, alpha=0.25)
    compat.sigmoid_focal_loss_backward(logits, target, weight, gradient, gamma=2.0, alpha=0.25)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected.sum(), logits)[0])


@pytest.mark.skipif(not STAND_IN, reason='mmcv is compiled here: its operators are used')
class TestStandIn:

    def test_a_missing_operator_names_itself_when_called(self):
        with pytest.raises(NotImplementedError, match="'carafe_forward'"):
            sys.modules[compat.EXTENSION].carafe_forward(torch.zeros(1), group_size=1)

    def test_maximum_pooling_names_itself(self):
        with pytest.raises(NotImplementedError, match="'roi_align' with pool_mode='max'"):
            ops.roi_align(torch.zeros(1, 1, 4, 4), torch.zeros(1, 5), (1, 1), 1.0, 0, 'max', True)

    def test_the_module_has_a_spec_as_the_runner_demands(self):
        assert find_spec(compat.EXTENSION).name == compat.EXTENSION

    def test_the_environment_report_works(self):
        assert ops.get_compiler_version() == ops.get_compiling_cuda_version() == compat.NOT_COMPILED

    def test_a_private_name_is_not_there(self):
        assert not hasattr(sys.modules[compat.EXTENSION], '__path__')


def test_a_compiled_extension_wins(monkeypatch, tmp_path):
    """A module that can be imported at mmcv._ext is left alone."""
    import mmcv
    (tmp_path / '_ext.py').write_text('COMPILED = True\n')
    monkeypatch.delitem(sys.modules, compat.EXTENSION)
    monkeypatch.setattr(mmcv, '__path__', [str(tmp_path)])
    assert compat.install_mmcv_ops() is False
    assert sys.modules[compat.EXTENSION].COMPILED


def test_a_broken_extension_is_replaced(monkeypatch, tmp_path):
    """One that was built for another torch fails to import."""
    import mmcv
    (tmp_path / '_ext.py').write_text('raise ImportError("undefined symbol")\n')
    monkeypatch.delitem(sys.modules, compat.EXTENSION)
    monkeypatch.setattr(mmcv, '__path__', [str(tmp_path)])
    assert compat.install_mmcv_ops() is True


def test_installing_twice_changes_nothing():
    before = sys.modules[compat.EXTENSION]
    assert compat.install_mmcv_ops() is STAND_IN
    assert sys.modules[compat.EXTENSION] is before
