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
from isalux_mm.apis.cluster import PATIENCE, STORE, enhance_on_ray

ray = pytest.importorskip('ray', reason="Ray is not installed: pip install 'isalux-mm[ray]'")
pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
PICTURES, BROKEN = 500, 25
WAIT = 900  # seconds


@pytest.fixture
def two_nodes(monkeypatch):
    """A cluster of two nodes with a core each."""
    from ray.cluster_utils import Cluster
    # `curve` travels by its name
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(ROOT), str(Path(__file__).parent)]))
    monkeypatch.setenv('RAY_USAGE_STATS_ENABLED', '0')
    monkeypatch.setenv('RAY_raylet_start_wait_time_s', str(WAIT))
    node = dict(num_cpus=1, object_store_memory=STORE)
    cluster = Cluster(initialize_head=True, head_node_args=dict(
        node, include_dashboard=False, _system_config=dict(PATIENCE)))
    try:
        cluster.add_node(wait=False, **node)
        cluster.wait_for_nodes(timeout=WAIT)
        ray.init(address=cluster.address, log_to_driver=False, logging_level='ERROR')
        yield cluster
    finally:
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


class Killer(threading.Thread):
    """Kills a worker when a quarter of the results is there, and notes when each result came, and whether again."""

    def __init__(self, processes, out):
        super().__init__(daemon=True)
        self.processes, self.out, self.killed, self.over = processes, out, [], threading.Event()
        self.seen, self.again = {}, []

    def run(self):
        while not self.over.is_set():
            for entry in os.scandir(self.out) if self.out.is_dir() else ():
                if not entry.name.startswith('.'):  # a draft
                    made = entry.inode()
                    if self.seen.setdefault(entry.name, made) != made:
                        self.again.append(entry.name)
            if not self.killed and len(self.seen) >= PICTURES // 4:
                self.killed.append(int(sorted(self.processes.iterdir())[0].name))
                os.kill(self.killed[0], signal.SIGKILL)
            time.sleep(0.05)


def test_a_worker_is_killed_and_every_picture_is_made_once(tmp_path, two_nodes):
    folder, processes, out = tmp_path / 'in', tmp_path / 'processes', tmp_path / 'out'
    folder.mkdir()
    processes.mkdir()
    random = np.random.default_rng(0)
    for i in range(PICTURES):
        Image.fromarray(random.integers(0, 60, (100, 150, 3), np.uint8)).save(folder / f'{i:03d}.jpg')
    for i in range(BROKEN):
        (folder / f'{i * (PICTURES // BROKEN):03d}.jpg').write_bytes(b'broken')
    expected = curve(None)(folder, out=tmp_path / 'plain')['report']
    killer = Killer(processes, out)
    killer.start()
    report = enhance_on_ray(folder, out, build=partial(curve, processes), show_progress=False)
    killer.over.set()
    killer.join()
    assert len(killer.killed) == 1
    assert len(list(processes.iterdir())) == 3  # two workers, and one in the place of the killed
    assert len(report.done) == PICTURES - BROKEN and report.failed == expected.failed
    assert report.done == [name.replace('plain', 'out') for name in expected.done]
    assert killer.again == [] and content(out) == content(tmp_path / 'plain')
