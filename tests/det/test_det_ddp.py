"""Two processes train a chain jointly: no hang, identical weights at the end, both parts moved."""
from pathlib import Path

import pytest
from processes import run_ranks

WORKER = """
from mmengine.dist import all_gather
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from small_detectors import batch, build_chain, whole_config

DefaultScope.get_instance('ddp', scope_name='isalux_mm')
torch.manual_seed(0)
network = dict(type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2), semantic_prior=dict(type='NoPrior'))
chain = build_chain(whole_config('RetinaNet').model, enhancer=dict(type='ISALuxNeck', fade=None, network=network))
before = {k: v.clone() for k, v in chain.state_dict().items()}
model = MMDistributedDataParallel(chain)
wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-4))
for step in range(2):
    model.train_step(batch(seed=10 * rank + step), wrapper)
after = chain.state_dict()
flat = torch.cat([p.detach().flatten() for p in chain.parameters()])
moved = sorted({k.split('.')[0] for k, v in after.items() if not torch.equal(v, before[k])})
found = dict(equal=all(torch.equal(flat, other) for other in all_gather(flat)), moved=moved)
"""


@pytest.mark.slow
def test_two_processes_end_with_the_same_weights(tmp_path):
    pytest.importorskip('mmdet')
    for found in run_ranks(WORKER, tmp_path, Path(__file__).parent):
        assert found == dict(equal=True, moved=['detector', 'enhancer'])
