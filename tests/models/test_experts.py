"""Experts and their mixture: the fused and the sparse dispatch against the dense reference."""
import pytest
import torch
import torch.nn.functional as F

from isalux_mm.models.experts import ConvExpert, DenseFFN, DepthwiseExpert, GatedDconvExpert, MoEFFN
from isalux_mm.registry import MODELS

KINDS = ('ConvExpert', 'DepthwiseExpert', 'GatedDconvExpert')
MIXED = [dict(type=t) for t in ('ConvExpert', 'DepthwiseExpert', 'GatedDconvExpert', 'DepthwiseExpert')]


def mixture(dispatch, experts, gate='TopKGate', **gate_options):
    torch.manual_seed(0)
    gate = dict(type=gate, **gate_options)
    return MoEFFN(8, 4, experts=experts, gate=gate, dispatch=dispatch).double()


def images(count=6):
    """Images whose means differ so much that they choose different experts."""
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(count, 8, 5, 7, generator=generator, dtype=torch.float64)
    return x + 3 * torch.randn(count, 8, 1, 1, generator=generator, dtype=torch.float64)


def test_conv_expert_is_equation_10():
    expert = ConvExpert(4, expansion=1.5)
    x = torch.randn(2, 4, 6, 5)
    hidden = F.gelu(F.conv2d(x, expert.expand.weight, expert.expand.bias))
    hidden = F.gelu(F.conv2d(hidden, expert.spatial.weight, expert.spatial.bias, padding=1))
    expected = F.conv2d(hidden, expert.project.weight, expert.project.bias)
    torch.testing.assert_close(expert(x), expected)


@pytest.mark.parametrize('expert, count', [
    # C = 4, hidden 8: 1x1 in, 3x3, 1x1 out, each with bias
    (ConvExpert(4, expansion=2), (4 * 8 + 8) + (9 * 8 * 8 + 8) + (8 * 4 + 4)),
    (DepthwiseExpert(4, expansion=2), (4 * 8 + 8) + (9 * 8 + 8) + (8 * 4 + 4)),
    (GatedDconvExpert(4, expansion=2), (4 * 16 + 16) + (9 * 16 + 16) + (8 * 4 + 4)),
])
def test_parameter_counts(expert, count):
    assert sum(p.numel() for p in expert.parameters()) == count


@pytest.mark.parametrize('gate', [dict(gate='TopKGate', top_k=2), dict(gate='TopKGate', top_k=1),
                                  dict(gate='TopKGate', top_k=2, renormalize=False), dict(gate='SoftGate')])
@pytest.mark.parametrize('experts', [*(dict(type=k) for k in KINDS), MIXED], ids=[*KINDS, 'mixed'])
@pytest.mark.parametrize('dispatch', ['fused', 'batched', 'by_image', 'sparse'])
def test_dispatches_agree_with_the_dense_reference(dispatch, experts, gate):
    results = []
    for form in ('dense', dispatch):
        module = mixture(form, experts, **gate)
        x = images().requires_grad_()
        out, routing = module(x)
        gradients = torch.autograd.grad(out.pow(2).sum(), [x, *module.parameters()])
        results.append((out, *gradients))
    if gate.get('top_k') == 2:
        assert len({tuple(i) for i in routing.indices.tolist()}) > 1, 'the test needs images that choose differently'
    for a, b in zip(*results):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-8)


def test_only_selected_experts_run(monkeypatch):
    module = mixture('fused', dict(type='DepthwiseExpert'), top_k=2).eval()
    seen = []
    fused = DepthwiseExpert.fused_forward
    monkeypatch.setattr(DepthwiseExpert, 'fused_forward',
                        staticmethod(lambda e, x, w: seen.append(len(e) * len(x)) or fused(e, x, w)))
    module(images(6))
    assert sum(seen) == 6 * 2


@pytest.mark.parametrize('dispatch', ['fused', 'batched', 'by_image', 'sparse', 'dense'])
def test_unselected_experts_get_a_gradient_of_zero_in_training(dispatch):
    module = mixture(dispatch, dict(type='DepthwiseExpert'), top_k=1)
    out, routing = module(images(1))
    out.sum().backward()
    idle = set(range(4)) - set(routing.indices.flatten().tolist())
    assert len(idle) == 3
    for i, expert in enumerate(module.experts):
        for parameter in expert.parameters():
            assert parameter.grad is not None and (parameter.grad.abs().sum() == 0) == (i in idle)


@pytest.mark.parametrize('dispatch', ['fused', 'batched', 'by_image'])
@pytest.mark.parametrize('experts', [MIXED, [dict(type='DepthwiseExpert', expansion=e) for e in (1., 2., 2., 2.)]],
                         ids=['kinds', 'widths'])
def test_mixture_of_kinds_or_widths_falls_back_to_the_sparse_dispatch(experts, dispatch):
    module = mixture(dispatch, experts, top_k=2)
    assert module.dispatch == dispatch and module.form(True) == module.form(False) == 'sparse'
    torch.testing.assert_close(module(images())[0], mixture('dense', experts, top_k=2)(images())[0])


@pytest.mark.parametrize('dispatch', ['fused', 'batched', 'by_image'])
def test_an_expert_with_a_forward_of_its_own_is_not_fused_as_its_parent(dispatch, monkeypatch):
    class Doubled(ConvExpert):
        def forward(self, x):
            return 2 * super().forward(x)

    monkeypatch.setitem(MODELS.module_dict, 'Doubled', Doubled)
    plain, own = mixture(dispatch, dict(type='ConvExpert')), mixture(dispatch, dict(type='Doubled'))
    assert plain.form(True) == dispatch and own.form(True) == 'sparse' and own.dispatch == dispatch
    torch.testing.assert_close(own(images())[0], 2 * plain(images())[0])


def test_an_expert_without_the_form_by_image_runs_fused(monkeypatch):
    """Inherited by a kind with a `forward` and a `fused_forward` of its own, it would be another expert's."""

    class Doubled(DepthwiseExpert):
        def forward(self, x):
            return 2 * super().forward(x)

        @staticmethod
        def fused_forward(experts, x, weights):
            return 2 * DepthwiseExpert.fused_forward(experts, x, weights)

    monkeypatch.setitem(MODELS.module_dict, 'Doubled', Doubled)
    assert mixture('by_image', dict(type='DepthwiseExpert')).form(True) == 'by_image'
    others = [mixture('by_image', dict(type=kind)) for kind in ('GatedDconvExpert', 'Doubled')]
    assert [module.form(True) for module in others] == ['fused'] * 2


def test_batched_dispatch_reads_nothing_on_the_host(monkeypatch):
    module = mixture('batched', dict(type='DepthwiseExpert'), top_k=2)
    for name in ('tolist', 'item', '__bool__', '__int__', '__index__', 'nonzero', 'numpy'):
        monkeypatch.setattr(torch.Tensor, name, lambda *_, name=name: pytest.fail(f'{name} waits for the device'))
    out, _ = module(images())
    out.sum().backward()


def test_weighted_sum_is_equation_12():
    module = mixture('dense', dict(type='DepthwiseExpert'), top_k=2).eval()
    x = images(1)
    out, routing = module(x)
    (i, j), (p, q) = routing.indices[0].tolist(), routing.weights[0].double()
    torch.testing.assert_close(out, p * module.experts[i](x) + q * module.experts[j](x))


def test_dense_ffn_has_no_routing():
    out, routing = DenseFFN(8)(torch.randn(1, 8, 3, 3))
    assert out.shape == (1, 8, 3, 3) and routing is None


@pytest.mark.parametrize('options, message', [
    (dict(experts=[dict(type='ConvExpert')] * 3), 'experts must list num_experts = 4 configs, got 3'),
    (dict(dispatch='all'), "dispatch must be one of .*got 'all'"),
    (dict(gate=dict(type='TopKGate', top_k=5)), r'top_k must be in \[1, 4\]'),
])
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        MoEFFN(8, 4, **options)
