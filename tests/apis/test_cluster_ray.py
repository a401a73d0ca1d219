"""The same with Ray itself: a cluster of two nodes on this machine, and a worker that is killed in the middle."""
import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from isalux_mm.apis import EnhanceInferencer
from isalux_mm.apis.cluster import enhance_on_ray

ray = pytest.importorskip('ray', reason="Ray is not installed: pip install 'isalux-mm[ray]'")
pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
PICTURES, BROKEN = 60, 3
PATIENCE = 300  # seconds


@pytest.fixture
def two_nodes(monkeypatch):
    """A cluster of two nodes with a core each; a busy machine needs patience."""
    from ray.cluster_utils import Cluster
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    monkeypatch.setenv('RAY_USAGE_STATS_ENABLED', '0')
    monkeypatch.setenv('RAY_agent_register_timeout_ms', '300000')
    monkeypatch.setenv('RAY_worker_register_timeout_seconds', '300')
    cluster = Cluster(initialize_head=True, head_node_args=dict(num_cpus=1, include_dashboard=False))
    cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level='ERROR')
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def curve(folder):
    """An inferencer of a network without weights, which notes its process."""
    config = Config(dict(model=dict(type='LowLightEnhancer', network=dict(type='GammaCurve'))))
    if folder is not None:
        (folder / str(os.getpid())).touch()
    return EnhanceInferencer(config, device='cpu', show_progress=False)


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def kill_one(processes, out, killed):
    """Kills a worker when a quarter of the results is there."""
    end = time.monotonic() + PATIENCE
    while len(list(out.glob('*.jpg'))) < PICTURES // 4 and time.monotonic() < end:
        time.sleep(0.02)
    killed.append(int(sorted(processes.iterdir())[0].name))
    os.kill(killed[0], signal.SIGKILL)


def test_a_worker_is_killed_and_every_picture_is_made_once(tmp_path, two_nodes):
    folder, processes, out, killed = tmp_path / 'in', tmp_path / 'processes', tmp_path / 'out', []
    folder.mkdir()
    processes.mkdir()
    random = np.random.default_rng(0)
    for i in range(PICTURES):
        Image.fromarray(random.integers(0, 60, (200, 300, 3), np.uint8)).save(folder / f'{i:03d}.jpg')
    for i in range(BROKEN):
        (folder / f'{i * 20:03d}.jpg').write_bytes(b'broken')
    expected = curve(None)(folder, out=tmp_path / 'plain')['report']
    killer = threading.Thread(target=kill_one, args=(processes, out, killed), daemon=True)
    killer.start()
    report = enhance_on_ray(folder, out, build=partial(curve, processes), show_progress=False)
    killer.join()
    assert len(killed) == 1 and len(list(processes.iterdir())) == 3  # two workers, and one in the place of the killed
    assert len(report.done) == PICTURES - BROKEN and report.failed == expected.failed
    assert report.done == [name.replace('plain', 'out') for name in expected.done]
    assert content(out) == content(tmp_path / 'plain')
