"""The forms that export: equal to what they stand for, in a copy that leaves the network as it was."""
import pytest
import torch

from isalux_mm.inference.export_forms import AllExpertsFFN, ExportableEnhancer, UncutUpsampleFuse, exportable
from isalux_mm.models.blocks import UpsampleFuse
from isalux_mm.models.experts import DenseFFN, MoEFFN
from isalux_mm.models.lora import LoRAProjection
from isalux_mm.registry import MODELS

KINDS = (dict(type='ConvExpert'), dict(type='GatedDconvExpert'), dict(type='DepthwiseExpert'))


def network(**options: dict):
    torch.manual_seed(3)
    built = MODELS.build(dict(type='ISALux', embed_dims=(8, 12), depths=(1, 1), num_heads=(1, 2),
                              semantic_prior=dict(type='NoPrior'), **options)).eval()
    for module in built.modules():
        if isinstance(module, LoRAProjection):
            torch.nn.init.normal_(module.lora_b, std=0.1)  # zero as it starts
    return built


@pytest.mark.parametrize(('options', 'fuses'), [
    (dict(num_experts=4), True),
    (dict(num_experts=4, dispatch='sparse'), True),
    (dict(num_experts=3, experts=KINDS), False),
    (dict(num_experts=2, experts=[dict(type='DepthwiseExpert', expansion=e) for e in (1.0, 2.0)]), False),
])
@torch.no_grad()
def test_all_experts_give_what_the_plain_form_gives(options, fuses):
    torch.manual_seed(0)
    ffn = MoEFFN(6, **options).eval()
    x = torch.randn(3, 6, 37, 53)
    assert ffn.experts_fuse == fuses
    out, routing = AllExpertsFFN(ffn)(x)
    reference = MoEFFN(6, **{**options, 'dispatch': 'dense'}).eval()
    reference.load_state_dict(ffn.state_dict())
    torch.testing.assert_close(out, reference(x)[0])
    assert torch.equal(routing.indices, reference(x)[1].indices)


@pytest.mark.parametrize('size', [(73, 106), (74, 105), (1, 1)])
@torch.no_grad()
def test_the_uncut_fusion_gives_what_the_fusion_gives(size):
    torch.manual_seed(0)
    fuse, skip = UpsampleFuse(6, 4), torch.randn(3, 4, *size)
    x = torch.randn(3, 6, *((side + 1) // 2 for side in size))
    uncut = UncutUpsampleFuse(fuse)
    torch.testing.assert_close(uncut(x, skip), fuse(x, skip))
    assert uncut.up is fuse.up and uncut.fuse is fuse.fuse


@pytest.mark.parametrize('ffn', [dict(type='MoEFFN'), dict(type='MoEFFN', num_experts=3, experts=KINDS),
                                 dict(type='DenseFFN')])
@torch.no_grad()
def test_the_copy_gives_the_same_and_the_network_stays(picture, ffn):
    built = network(ffn=ffn)
    kinds, weights = [type(m) for m in built.modules()], {k: v.clone() for k, v in built.state_dict().items()}
    expected, form = built(picture), exportable(built)
    torch.testing.assert_close(form(picture), expected)
    assert not any(isinstance(m, MoEFFN | UpsampleFuse) for m in form.modules())
    assert sum(isinstance(m, UncutUpsampleFuse) for m in form.modules()) == 1
    assert sum(isinstance(m, AllExpertsFFN | DenseFFN) for m in form.modules()) == 3
    assert [type(m) for m in built.modules()] == kinds
    assert all(torch.equal(value, weights[key]) for key, value in built.state_dict().items())


@pytest.mark.parametrize(('options', 'message'), [
    (dict(highlights='hard'), 'highlights must be one of'),
    (dict(with_routing=True), 'routing needs an ISALux with mixtures of experts, got ISALux'),
])
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        ExportableEnhancer(network(ffn=dict(type='DenseFFN')), **options)
