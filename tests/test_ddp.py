"""Two processes train with experts that one of them never selects: no hang, and identical weights at the end."""
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
STEPS = 3
WORKER = """
import sys
import torch
import torch.distributed
from mmengine.dist import all_gather, get_rank
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from isalux_mm.registry import MODELS
from isalux_mm.structures import EnhanceDataSample

torch.set_num_threads(1)
DefaultScope.get_instance('ddp', scope_name='isalux_mm')
torch.distributed.init_process_group('gloo')  # mmengine's init_dist asks for a GPU
rank = get_rank()
torch.manual_seed(0)
model = MODELS.build(dict(
    type='LowLightEnhancer',
    network=dict(type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2),
                 semantic_prior=dict(type='NoPrior'), ffn=dict(type='MoEFFN', dispatch=sys.argv[1])),
    losses=dict(loss_mse=dict(type='MSELoss'), loss_perceptual=dict(
        type='PerceptualLoss', features=dict(type='VGG19Features', layers=('relu1_1', ))))))
start = torch.cat([v.flatten().float() for v in model.state_dict().values()])
model = MMDistributedDataParallel(model)
wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
generator = torch.Generator().manual_seed(rank)
unused = 0
for step in range(int(sys.argv[2])):
    sample = EnhanceDataSample()
    sample.gt_img = torch.rand(3, 16, 16, generator=generator)
    model.train_step(dict(inputs=[sample.gt_img * 0.2], data_samples=[sample]), wrapper)
    unused += sum(4 - len(r.indices.unique()) for r in model.module.last_routings)
state = torch.cat([v.flatten().float() for v in model.module.state_dict().values()])
states = all_gather(state)
found = dict(equal=all(torch.equal(states[0], s) for s in states), moved=bool((state != start).any()),
             finite=bool(state.isfinite().all()), unused=unused, count=len(states))
torch.save(found, f'{sys.argv[3]}/rank{rank}.pt')
"""


@pytest.mark.slow
@pytest.mark.parametrize('dispatch', ['fused', 'sparse'])
def test_two_processes_end_with_the_same_weights(dispatch, tmp_path):
    script = tmp_path / 'worker.py'
    script.write_text(WORKER)
    environment = dict(os.environ, OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='', PYTHONPATH=str(ROOT))
    command = [
        sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', str(script), dispatch,
        str(STEPS), str(tmp_path)
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    for rank in range(2):
        found = torch.load(tmp_path / f'rank{rank}.pt', weights_only=True)
        assert found['count'] == 2 and found['equal'] and found['finite'] and found['moved']
        assert found['unused'] >= STEPS  # one image takes two of four experts in each of three layers
