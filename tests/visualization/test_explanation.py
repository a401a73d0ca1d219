"""The picture of priors, enrichment weights and experts."""
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from isalux_mm.apis.explaining import VOC_CLASSES, blocks_of, explain
from isalux_mm.registry import MODELS
from isalux_mm.visualization.explanation import class_colors, class_shares, draw_explanation


class StubSegmentation(nn.Module):
    """Says class 15 on the left half and class 7 on the right one."""

    def forward(self, image):
        b, _, h, w = image.shape
        logits = torch.zeros(b, 21, h, w)
        logits[:, 15, :, :w // 2], logits[:, 7, :, w // 2:] = 9, 9
        return logits


def build(**options):
    torch.manual_seed(0)
    config = dict(type='ISALux', embed_dims=(4, 4, 8), depths=(1, 2, 1), num_heads=(1, 1, 1),
                  attention=dict(type='HISAAttention', lora_reduction=2), _scope_='isalux_mm', **options)
    return MODELS.build(config).eval()


NO_SEMANTICS = dict(semantic_prior=dict(type='NoPrior'))
SEGMENTED = dict(semantic_prior=dict(type='SegmentationPrior', num_classes=21,
                                     module=f'{__name__}.StubSegmentation'))


def test_what_is_read_off_is_what_the_network_used(picture):
    network = build(**NO_SEMANTICS)
    with torch.no_grad():
        network.bottleneck[0].attention.scales['illumination'].fill_(0.3)
        _, routings = network.forward_with_routing(picture)
    found = explain(network, picture)
    assert list(found.blocks) == ['encoder /1 0', 'encoder /2 0', 'encoder /2 1', 'bottleneck 0', 'decoder /2 0',
                                  'decoder /2 1', 'decoder /1 0'] == list(blocks_of(network))
    for routing, probabilities, chosen, weights in zip(routings, found.probabilities, found.chosen, found.weights):
        np.testing.assert_allclose(probabilities, routing.probabilities[0], atol=1e-6)
        assert chosen.tolist() == routing.indices[0].tolist()
        np.testing.assert_allclose(weights, routing.weights[0], atol=1e-6)
    assert found.enrichment['illumination'] == [1, 1, 1, pytest.approx(0.3), 1, 1, 1]
    np.testing.assert_allclose(found.illumination, 1 - picture[0].amax(dim=0), atol=1e-6)
    assert found.semantics is None


def test_semantics_have_classes_and_legend(picture, monkeypatch):
    import isalux_mm.models.priors as priors
    monkeypatch.setattr(priors, '_resolve', lambda dotted: StubSegmentation)
    found = explain(build(**SEGMENTED), picture)
    assert found.classes == VOC_CLASSES
    labels, shares = class_shares(found.semantics)
    assert labels[0, 0] == 15 and labels[0, -1] == 7 and list(shares) == [7, 15]
    assert sum(shares.values()) == pytest.approx(1)
    image = (picture[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    drawn, without = draw_explanation(image, image, found), draw_explanation(image, image, explain(
        build(**NO_SEMANTICS), picture))
    assert drawn.dtype == np.uint8 and drawn.shape[1] * 3 == pytest.approx(without.shape[1] * 4, abs=8)
    for color in (class_colors(21)[[7, 15]] * 255).round().astype(int):
        assert (np.abs(drawn.astype(int) - color).max(axis=2) <= 1).sum() > 500


def test_voc_colors():
    """The colour map of the VOC development kit: aeroplane, person, TV monitor."""
    assert (class_colors(21)[[0, 1, 15, 20]] * 255).tolist() == [[0, 0, 0], [128, 0, 0], [192, 128, 128], [0, 64, 128]]


@pytest.mark.parametrize('options', [
    dict(ffn=dict(type='DenseFFN'), **NO_SEMANTICS),
    dict(illumination_prior=dict(type='NoPrior'), **NO_SEMANTICS),
    dict(ffn=dict(type='MoEFFN', num_experts=3, gate=dict(type='SoftGate')), **NO_SEMANTICS),
])
def test_networks_that_lack_parts_are_drawn_without_them(picture, options):
    image = np.zeros((37, 53, 3), np.uint8)
    assert draw_explanation(image, image, explain(build(**options), picture)).std() > 1


def test_other_networks_show_input_and_output(picture):
    image = np.full((37, 53, 3), 255, np.uint8)
    found = explain(nn.Identity(), picture)
    assert found.blocks == () and draw_explanation(image, image // 2, found).shape[2] == 3


def test_one_picture_at_a_time(picture):
    with pytest.raises(ValueError, match='axes'):
        explain(build(**NO_SEMANTICS), picture.repeat(2, 1, 1, 1))


def test_experts_have_the_names_of_their_kinds(picture):
    kinds = ['ConvExpert', 'DepthwiseExpert', 'GatedDconvExpert']
    network = build(**NO_SEMANTICS, ffn=dict(type='MoEFFN', num_experts=3, experts=[dict(type=k) for k in kinds]))
    found = explain(network, picture)
    assert list(found.experts) == kinds
    image = (picture[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    named, nameless = (draw_explanation(image, image, e) for e in (found, replace(found, experts=())))
    assert named.shape == nameless.shape and (named != nameless).any()
    network.bottleneck[0].ffn.experts = network.bottleneck[0].ffn.experts[::-1]
    assert explain(network, picture).experts == ()
    assert explain(build(**NO_SEMANTICS, ffn=dict(type='DenseFFN')), picture).experts == ()


def test_routing_stands_at_its_block_where_others_have_no_mixture(picture):
    network = build(**NO_SEMANTICS)
    network.encoder[0][0].ffn = MODELS.build(dict(type='DenseFFN', embed_dims=4, _scope_='isalux_mm'))
    network.bottleneck[0].ffn = MODELS.build(dict(type='DenseFFN', embed_dims=8, _scope_='isalux_mm'))
    with torch.no_grad():
        _, routings = network.forward_with_routing(picture)
    found = explain(network, picture)
    assert [p is None for p in found.probabilities] == [True, False, False, True, False, False, False]
    shown = [p for p in found.probabilities if p is not None]
    for routing, probabilities in zip(routings, shown, strict=True):
        np.testing.assert_array_equal(probabilities, routing.probabilities[0])


def test_the_segmentation_runs_once(picture, monkeypatch):
    import isalux_mm.models.priors as priors
    calls, forward = [], StubSegmentation.forward
    monkeypatch.setattr(priors, '_resolve', lambda dotted: StubSegmentation)
    monkeypatch.setattr(StubSegmentation, 'forward', lambda self, image: calls.append(1) or forward(self, image))
    explain(build(**SEGMENTED), picture)
    assert len(calls) == 1
