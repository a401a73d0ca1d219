"""Memory that commands keep: the allocator is glibc's or left alone."""
import subprocess
import sys

from processes import environment

CODE = """
import platform, sys
from isalux_mm.cli.memory import keep_memory
if len(sys.argv) > 1:
    platform.libc_ver = lambda: ('', '')
    assert keep_memory() is False
else:
    assert keep_memory() == (platform.libc_ver()[0] == 'glibc')
"""


def test_memory_is_kept_where_the_allocator_can():
    for arguments in ((), ('another', )):
        subprocess.run([sys.executable, '-c', CODE, *arguments], env=environment(), check=True)
