"""Very wide pictures, worked on their side, come out as they do lying."""
import pytest
import torch
from test_tiled import OPTIONS, build, scene

from isalux_mm.inference.prepare import prepare_for_inference
from isalux_mm.inference.tiled import enhance_tiled
from isalux_mm.inference.turned import WIDE, is_wide, turned

WIDE_SCENE = (9, 301)  # odd at every scale


@pytest.mark.parametrize('name', OPTIONS)
@torch.no_grad()
def test_turned_equals_lying(name):
    prepared, image = prepare_for_inference(build(**OPTIONS[name])), scene(*WIDE_SCENE)
    assert is_wide(prepared, WIDE_SCENE)
    expected, visible = prepared(image), torch.ones(1, 1, *WIDE_SCENE)
    for got in (enhance_tiled(prepared, image), enhance_tiled(prepared, image, tile=90),
                enhance_tiled(prepared, image, visible=visible), turned(prepared)(image.mT.contiguous()).mT):
        assert (got - expected).abs().max() < 1e-4


def test_what_is_turned():
    prepared = prepare_for_inference(build())
    assert is_wide(prepared, (2, 2 * WIDE)) and not is_wide(prepared, (2, 2 * WIDE - 1))
    assert not is_wide(build(), WIDE_SCENE), 'a network on whole maps needs no turning'
    own = prepare_for_inference(build(attention=dict(type='HISAAttention', form='plain', depthwise_qkv=True)))
    assert not is_wide(own, WIDE_SCENE), 'an attention that runs on whole maps'
