"""Frozen networks never reach the optimizer; mixed precision on a CPU."""
import torch
from mmengine.optim import build_optim_wrapper

from isalux_mm.registry import MODELS


def test_the_optimizer_holds_every_trainable_parameter_and_no_other():
    model = MODELS.build(dict(
        type='LowLightEnhancer',
        network=dict(type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2),
                     semantic_prior=dict(type='TorchvisionSemanticPrior'))))
    wrapper = build_optim_wrapper(model, dict(
        constructor='TrainableOptimWrapperConstructor', optimizer=dict(type='AdamW', lr=1e-3),
        paramwise_cfg=dict(custom_keys={'embed': dict(lr_mult=0.1)})))
    held = [p for group in wrapper.optimizer.param_groups for p in group['params']]
    trainable = [p for p in model.parameters() if p.requires_grad]
    frozen = list(model.network.semantic_prior.parameters())
    assert frozen and {id(p) for p in held} == {id(p) for p in trainable}
    assert not {id(p) for p in held} & {id(p) for p in frozen}
    lrs = {group['lr'] for group in wrapper.optimizer.param_groups}
    assert lrs == {1e-3, 1e-4}


def test_bfloat16_is_of_the_forward_alone():
    model = torch.nn.Linear(4, 3)
    wrapper = build_optim_wrapper(model, dict(type='BFloat16OptimWrapper', optimizer=dict(type='SGD', lr=0.1)))
    with wrapper.optim_context(model):
        out = model(torch.rand(2, 4))
    assert out.dtype == torch.bfloat16 and model(torch.rand(2, 4)).dtype == torch.float32
    before = model.weight.detach().clone()
    wrapper.update_params(out.float().sum())
    assert model.weight.dtype == torch.float32 and not torch.equal(model.weight, before)
