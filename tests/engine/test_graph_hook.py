"""`CudaGraphHook`: recorded losses against plain ones; what keeps a step from being recorded."""
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from isalux_mm.engine.graph_hook import CudaGraphHook, RecordedLoss
from isalux_mm.models.gates import Routing
from isalux_mm.registry import MODELS
from isalux_mm.structures import EnhanceDataSample

NETWORK = dict(
    type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2), semantic_prior=dict(type='NoPrior'))
LOSSES = dict(loss_charbonnier=dict(type='CharbonnierLoss'), loss_ssim=dict(type='SSIMLoss', loss_weight=0.2))
CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs an NVIDIA GPU')


def built(device='cpu'):
    torch.manual_seed(0)
    model = MODELS.build(dict(type='LowLightEnhancer', network=NETWORK, losses=LOSSES, _scope_='isalux_mm'))
    return model.to(device).train()


def batch(seed, size=(16, 24), device='cpu', count=2):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 3, *size, generator=generator).to(device)
    samples = [EnhanceDataSample(metainfo=dict(img_shape=size)) for _ in range(count)]
    for sample, image in zip(samples, images):
        sample.gt_img = image
    return images * 0.2, samples


def step(model, loss, seed, device='cpu', **options):
    """Losses and gradients of a batch."""
    model.zero_grad()
    losses = loss(*batch(seed, device=device, **options))
    sum(losses.values()).backward()
    return losses, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.fixture
def plainly_recorded(monkeypatch):
    """What stands for the recording where there is no GPU: the function that is recorded, run as it is."""
    recorded = []

    def record(function, tensors, **options):
        assert options == dict(allow_unused_input=True) and isinstance(function, torch.nn.Module)
        assert not torch.is_autocast_enabled('cpu')  # backward is recorded here, too
        recorded.append(tensors)
        function(*tensors)
        return function

    monkeypatch.setattr(torch.cuda, 'make_graphed_callables', record)
    return recorded


def compare(device):
    """Three batches by recorded losses and by plain ones."""
    plain, recorded = built(device), built(device)
    loss = RecordedLoss(recorded)
    for seed in range(3):
        expected, gradients = step(plain, plain.loss, seed, device)
        got, found = step(recorded, loss, seed, device)
        torch.testing.assert_close(got, expected)
        torch.testing.assert_close(found, gradients)
        assert len(recorded.last_routings) == 3 and all(isinstance(r, Routing) for r in recorded.last_routings)
        torch.testing.assert_close(recorded.last_routings, plain.last_routings)
        assert not any(t.requires_grad for routing in recorded.last_routings for t in routing)


def test_recorded_losses_are_the_plain_ones(plainly_recorded):
    compare('cpu')
    assert len(plainly_recorded) == 1


@on_gpu
def test_replayed_losses_are_the_plain_ones():
    compare('cuda')


def test_autocast_is_inside_what_is_recorded(plainly_recorded):
    plain, recorded = built(), built()
    loss = RecordedLoss(recorded)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        expected, got = plain.loss(*batch(0)), loss(*batch(0))
    torch.testing.assert_close(got, expected, rtol=0, atol=0)
    assert float(got['loss_charbonnier'].detach()) != float(plain.loss(*batch(0))['loss_charbonnier'].detach())


def test_losses_and_routings_that_a_log_keeps_are_not_written_over(monkeypatch):
    model = built()

    def record(function, tensors, **options):
        kept = [t.detach().clone() for t in function(*tensors)]

        def replay(*given):
            for static, value in zip(kept, function(*given)):
                static.copy_(value.detach())  # as a graph does: the same memory every time
            # and autograd takes all that is no whole number to have a gradient
            return tuple(t.view_as(t).requires_grad_() if t.is_floating_point() else t for t in kept)

        return replay

    monkeypatch.setattr(torch.cuda, 'make_graphed_callables', record)
    loss = RecordedLoss(model)
    first, routings = loss(*batch(0)), model.last_routings
    before = {name: float(value.detach()) for name, value in first.items()}
    kept = [routing.probabilities.clone() for routing in routings]
    second = loss(*batch(1))
    assert {name: float(value.detach()) for name, value in first.items()} == before
    assert before != {name: float(value.detach()) for name, value in second.items()}
    assert all(torch.equal(a.probabilities, b) and not a.probabilities.requires_grad for a, b in zip(routings, kept))
    assert not torch.equal(model.last_routings[0].probabilities, kept[0])


def test_a_batch_of_another_shape_is_refused(plainly_recorded):
    loss = RecordedLoss(built())
    loss(*batch(0))
    with pytest.raises(ValueError, match=r'batches of one shape.*\(2, 3, 16, 24\).*got.*\(2, 3, 16, 32\)'):
        loss(*batch(0, size=(16, 32)))
    with pytest.raises(ValueError, match=r'batches of one shape.*got.*\(1, 3, 16, 24\)'):
        loss(*batch(0, count=1))
    inputs, samples = batch(0)
    samples[1].set_metainfo(dict(img_shape=(16, 20)))  # padding that counts as picture would be wrong
    with pytest.raises(ValueError, match=r'valid sizes.*got.*\(16, 20\)'):
        loss(inputs, samples)


def test_a_missing_reference_is_refused_and_batches_stay_as_they_are(plainly_recorded):
    inputs, samples = batch(0)
    images = [sample.gt_img for sample in samples]
    RecordedLoss(built())(inputs, samples)
    assert all(sample.gt_img is image for sample, image in zip(samples, images))
    del samples[0].gt_img
    with pytest.raises(ValueError, match='every data sample needs gt_img'):
        RecordedLoss(built())(inputs, samples)


def test_recording_uses_up_no_chance(plainly_recorded):
    def draws(*args):
        torch.rand(1)

    model = built()
    model.network.illumination_prior.register_forward_hook(draws)
    torch.manual_seed(3)
    RecordedLoss(model)(*batch(0))
    drawn = torch.rand(1)
    torch.manual_seed(3)
    model.loss(*batch(0))
    assert torch.equal(drawn, torch.rand(1))


def stub(model, **options):
    """What the hook sees of a runner."""
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1), **options)
    return SimpleNamespace(model=model, optim_wrapper=wrapper)


def test_the_hook_puts_recorded_losses_in_and_takes_them_out(plainly_recorded, monkeypatch):
    model, plain, hook = built(), built(), CudaGraphHook()
    with pytest.raises(ValueError, match='CudaGraphHook needs a model on an NVIDIA GPU, got one on cpu'):
        hook.before_train(stub(model))
    monkeypatch.setattr('isalux_mm.engine.graph_hook.DEVICE', 'cpu')
    runners = [stub(model), stub(plain)]
    hook.before_train(runners[0])
    for seed in range(2):
        for runner in runners:
            inputs, samples = batch(seed)
            runner.model.train_step(dict(inputs=inputs, data_samples=samples), runner.optim_wrapper)
    assert len(plainly_recorded) == 1
    hook.after_train(runners[0])
    assert 'loss' not in vars(model)
    torch.testing.assert_close(model.state_dict(), plain.state_dict())


def test_what_cannot_be_recorded_is_refused(monkeypatch):
    monkeypatch.setattr('isalux_mm.engine.graph_hook.DEVICE', 'cpu')
    with pytest.raises(ValueError, match='needs accumulative_counts=1 of the optim_wrapper, got 2'):
        CudaGraphHook().before_train(stub(built(), accumulative_counts=2))
    with pytest.raises(ValueError, match='records the losses of an enhancer alone, got a Linear'):
        CudaGraphHook().before_train(stub(torch.nn.Linear(2, 2)))
    monkeypatch.setattr('isalux_mm.engine.graph_hook.is_model_wrapper', lambda model: True)
    with pytest.raises(ValueError, match='runs in one process, got a distributed model'):
        CudaGraphHook().before_train(stub(built()))


class Crossings(TorchDispatchMode):
    """Notes operators that read from a device or write to it from the host."""

    def __init__(self):
        super().__init__()
        self.count, self.found = 0, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        tensors = [t for t in tree_leaves((args, kwargs, out)) if isinstance(t, torch.Tensor)]
        self.count += 1
        reads = any(name in str(function) for name in ('_local_scalar_dense', 'nonzero', 'is_nonzero'))
        copies = any(name in str(function) for name in ('_to_copy', 'copy_'))  # else single numbers are arguments
        if reads or {'cpu', 'cuda'} <= {t.device.type for t in tensors if t.dim() or copies}:
            self.found.append(str(function))
        return out


@pytest.mark.filterwarnings('ignore:CUDA is not available')
@pytest.mark.parametrize('name', ['isalux_lol_256', 'isalux_lol_offline'])
def test_nothing_crosses_between_host_and_accelerator_in_the_losses(name):
    """Which neither a GPU that shall not wait nor a CUDA graph allows; looked at without a GPU."""
    config = Config.fromfile(CONFIGS / f'{name}.py').model
    with DefaultScope.overwrite_default_scope('isalux_mm'), FakeTensorMode(), Crossings() as crossings:
        with torch.device('cuda'):
            model = MODELS.build(config).train()
        if name == 'isalux_lol_offline':
            model.losses['loss_perceptual'].features.to_empty(device='cuda')
        crossings.found.clear()
        crossings.count = 0
        size, count = (192, 192), 2
        inputs = torch.rand(count, 3, *size, device='cuda')
        samples = [EnhanceDataSample(metainfo=dict(img_shape=size)) for _ in range(count)]
        for sample in samples:
            sample.gt_img = torch.rand(3, *size, device='cuda')
        losses = model.loss(inputs, samples)
    assert all(loss.device.type == 'cuda' for loss in losses.values())
    assert crossings.count > 1000 and not crossings.found
