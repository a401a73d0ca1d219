"""Semantic priors: frozen, probabilities, own resolution, weights from files, failing downloads."""
import pytest
import torch

from isalux_mm.models.priors import SegmentationPrior, TorchvisionSemanticPrior

ARGS = dict(in_channels=3, out_channels=4, kernel_size=1)


def conv_prior(**options):
    return SegmentationPrior('torch.nn.Conv2d', 4, module_args=ARGS, **options)


def test_probabilities_of_the_normalized_image():
    prior = conv_prior(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    image = torch.rand(2, 3, 6, 5)
    expected = prior.network((image - 0.5) / 0.25).softmax(1)
    torch.testing.assert_close(prior(image), expected)


def test_short_side_shrinks_and_never_enlarges():
    assert conv_prior(short_side=16)(torch.rand(1, 3, 64, 96)).shape == (1, 4, 16, 24)
    assert conv_prior(short_side=16)(torch.rand(1, 3, 8, 12)).shape == (1, 4, 8, 12)


def test_frozen_whatever_is_asked():
    prior = TorchvisionSemanticPrior().train()
    assert not any(m.training for m in prior.modules())
    assert not any(p.requires_grad for p in prior.parameters())
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    assert not prior(image).requires_grad


def test_torchvision_prior_equals_torchvision():
    prior = TorchvisionSemanticPrior(short_side=64)
    image = torch.rand(1, 3, 64, 80)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        full = prior.network((image - mean) / std)['out']  # torchvision enlarges the logits to the input's size
        logits = prior.logits(image)
        enlarged = torch.nn.functional.interpolate(logits, size=(64, 80), mode='bilinear', align_corners=False)
    torch.testing.assert_close(enlarged, full)
    probabilities = prior(image)
    assert probabilities.shape == (1, 21, 8, 10)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(1, 8, 10))


def test_weights_from_a_local_file(tmp_path):
    source = TorchvisionSemanticPrior()
    torch.save(source.network.state_dict(), tmp_path / 'prior.pth')
    prior = TorchvisionSemanticPrior(checkpoint=str(tmp_path / 'prior.pth'))
    prior.init_weights()
    for key, value in prior.network.state_dict().items():
        torch.testing.assert_close(value, source.network.state_dict()[key])


def test_a_failing_download_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))

    def refuse(*args, **kwargs):
        raise OSError('no route to host')

    monkeypatch.setattr('torch.hub.download_url_to_file', refuse)
    with pytest.raises(RuntimeError) as caught:
        TorchvisionSemanticPrior().init_weights()
    message = str(caught.value)
    for part in ('lraspp_mobilenet_v3_large-d234d4ea.pth', str(tmp_path), 'semantic_prior.checkpoint', 'NoPrior'):
        assert part in message


@pytest.mark.parametrize('options, message', [
    (dict(module='torch.nn.Nothing', num_classes=4), "importable dotted path, got 'torch.nn.Nothing'"),
    (dict(module='nodots', num_classes=4), "importable dotted path, got 'nodots'"),
    (dict(module='torch.nn.Conv2d', num_classes=4, module_args=ARGS, short_side=0), 'short_side must be a whole'),
])
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        SegmentationPrior(**options)


def test_wrong_number_of_classes():
    with pytest.raises(ValueError, match='num_classes must be .*4, got 21'):
        SegmentationPrior('torch.nn.Conv2d', 21, module_args=ARGS)(torch.rand(1, 3, 4, 4))
