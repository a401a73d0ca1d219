"""What commands do to their process: memory is kept where the allocator can, threads sleep while they wait."""
import os
import subprocess
import sys

from processes import environment

from isalux_mm.cli.process import let_threads_sleep

CODE = """
import platform, sys
from isalux_mm.cli.process import keep_memory
if len(sys.argv) > 1:
    platform.libc_ver = lambda: ('', '')
    assert keep_memory() is False
else:
    assert keep_memory() == (platform.libc_ver()[0] == 'glibc')
"""


def test_memory_is_kept_where_the_allocator_can():
    for arguments in ((), ('another', )):
        subprocess.run([sys.executable, '-c', CODE, *arguments], env=environment(), check=True)


def test_threads_sleep_unless_told_otherwise(monkeypatch):
    monkeypatch.setenv('OMP_WAIT_POLICY', 'active')
    let_threads_sleep()
    assert os.environ['OMP_WAIT_POLICY'] == 'active'
    monkeypatch.delenv('OMP_WAIT_POLICY')
    let_threads_sleep()
    assert os.environ['OMP_WAIT_POLICY'] == 'passive'


def test_it_is_said_before_torch_is_there():
    code = ("import sys, isalux_mm.cli.video; assert 'torch' not in sys.modules; "
            "isalux_mm.cli.build_parser(); assert 'torch' not in sys.modules")
    subprocess.run([sys.executable, '-c', code], env=environment(), check=True)
