"""Two processes train with experts that one of them never selects: no hang, and identical weights at the end."""
import pytest
from processes import run_ranks

STEPS, DISPATCHES = 3, ('fused', 'sparse')
WORKER = """
from mmengine.dist import all_gather
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from isalux_mm.registry import MODELS
from isalux_mm.structures import EnhanceDataSample

DefaultScope.get_instance('ddp', scope_name='isalux_mm')


def train(dispatch):
    torch.manual_seed(0)
    model = MODELS.build(dict(
        type='LowLightEnhancer',
        network=dict(type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2),
                     semantic_prior=dict(type='NoPrior'), ffn=dict(type='MoEFFN', dispatch=dispatch)),
        losses=dict(loss_mse=dict(type='MSELoss'), loss_perceptual=dict(
            type='PerceptualLoss', features=dict(type='VGG19Features', layers=('relu1_1', ))))))
    start = torch.cat([v.flatten().float() for v in model.state_dict().values()])
    model = MMDistributedDataParallel(model)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    generator = torch.Generator().manual_seed(rank)
    unused = 0
    for step in range(STEPS):
        sample = EnhanceDataSample()
        sample.gt_img = torch.rand(3, 16, 16, generator=generator)
        model.train_step(dict(inputs=[sample.gt_img * 0.2], data_samples=[sample]), wrapper)
        unused += sum(4 - len(r.indices.unique()) for r in model.module.last_routings)
    state = torch.cat([v.flatten().float() for v in model.module.state_dict().values()])
    states = all_gather(state)
    return dict(equal=all(torch.equal(states[0], s) for s in states), moved=bool((state != start).any()),
                finite=bool(state.isfinite().all()), unused=unused, count=len(states))


found = {dispatch: train(dispatch) for dispatch in DISPATCHES}
"""


@pytest.mark.slow
def test_two_processes_end_with_the_same_weights(tmp_path):
    for results in run_ranks(f'STEPS, DISPATCHES = {STEPS}, {DISPATCHES}\n{WORKER}', tmp_path):
        for dispatch in DISPATCHES:
            found = results[dispatch]
            assert found['count'] == 2 and found['equal'] and found['finite'] and found['moved']
            assert found['unused'] >= STEPS  # one image takes two of four experts in each of three layers
