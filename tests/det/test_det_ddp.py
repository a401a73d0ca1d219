"""Two processes train a chain jointly: no hang, identical weights at the end, both parts moved."""
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
WORKER = """
import sys
import torch
import torch.distributed
from mmengine.dist import all_gather, get_rank
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope

torch.set_num_threads(1)
from small_detectors import batch, build_chain, whole_config

DefaultScope.get_instance('ddp', scope_name='isalux_mm')
torch.distributed.init_process_group('gloo')  # mmengine's init_dist asks for a GPU
rank = get_rank()
torch.manual_seed(0)
network = dict(type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2), semantic_prior=dict(type='NoPrior'))
chain = build_chain(whole_config('RetinaNet').model, enhancer=dict(type='ISALuxNeck', network=network))
before = {k: v.clone() for k, v in chain.state_dict().items()}
model = MMDistributedDataParallel(chain)
wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-4))
for step in range(2):
    model.train_step(batch(seed=10 * rank + step), wrapper)
after = chain.state_dict()
flat = torch.cat([p.detach().flatten() for p in chain.parameters()])
moved = sorted({k.split('.')[0] for k, v in after.items() if not torch.equal(v, before[k])})
equal = all(torch.equal(flat, other) for other in all_gather(flat))
torch.save(dict(equal=equal, moved=moved), f'{sys.argv[1]}/{rank}.pt')
"""


@pytest.mark.slow
def test_two_processes_end_with_the_same_weights(tmp_path):
    script = tmp_path / 'worker.py'
    script.write_text(WORKER)
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    environment = dict(os.environ, OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='', PYTHONPATH=path)
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', str(script),
               str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    for rank in range(2):
        found = torch.load(tmp_path / f'{rank}.pt')
        assert found == dict(equal=True, moved=['detector', 'enhancer'])
