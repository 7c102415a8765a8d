import platform
import subprocess
import sys

import pytest

from tests.support.models import ROOT

PROGRAM = """
import gc, threading, time, weakref
from latent.page import heap

heap.FREEZING, heap.RESTING, heap.THAWING = 0.02, 0.1, float({thawing!r})
heap.keep_small()
heap.keep_small()
assert sum(thread.name == heap.KEEPER for thread in threading.enumerate()) == 1

class Cycle:
    def __init__(self):
        self.itself = self

def until(happened):
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.001)
        if working:
            gc.collect()  # as Streamlit does after a rerun

working = True
cycle = Cycle()
alive = weakref.ref(cycle)
frozen = gc.get_freeze_count()
until(lambda: gc.get_freeze_count() != frozen)
del cycle
"""


def run(thawing, end):
    """What a program with a keeper of its heap prints; it has work to do, as a busy server has."""
    program = PROGRAM.format(thawing=thawing) + end
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()


def test_what_came_in_is_passed_over_while_there_is_work_and_collected_when_there_is_none():
    end = """
gc.collect()
print(alive() is not None)
working = False
until(lambda: alive() is None)
print("collected")
"""
    assert run("inf", end) == ["True", "collected"]


def test_work_that_never_ends_keeps_nothing_for_ever():
    assert run("0.2", "until(lambda: alive() is None)\nprint('collected')") == ["collected"]


@pytest.mark.parametrize("n", [1, 3])
def test_all_that_is_in_use_is_frozen(n):
    program = f"import gc\nfrom latent.page import heap\nfor _ in range({n}): heap.collect_all()\n"
    program += "print(gc.get_freeze_count() > 1000, len(gc.get_objects()) < 100)"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["True", "True"]


ARENAS = """
import ctypes, threading
from latent.page import heap

{before}
libc, together = ctypes.CDLL(None), threading.Barrier(16)
libc.malloc.restype = ctypes.c_void_p

def work():
    together.wait()
    for _ in range(1000):
        libc.free(ctypes.c_void_p(libc.malloc(1000)))
    together.wait()

threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
sizes = []
for line in open("/proc/self/maps"):
    first, last = (int(end, 16) for end in line.split()[0].split("-"))
    if line.split()[1] == "---p":
        sizes.append(last - first)
print(sum(32 * 2**20 < size <= 64 * 2**20 for size in sizes))  # what an arena reserves
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are glibc's")
def test_threads_share_arenas():
    def arenas(before):
        program = ARENAS.format(before=before)
        ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
        return int(ended.stdout)

    assert arenas("heap.share_arenas()") <= 2 < arenas("")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is asked to give memory back")
def test_memory_that_nothing_is_in_goes_back_to_the_system_when_there_is_no_work():
    end = """
def megabytes():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20

heap.share_arenas()
blocks = [bytearray(b"1") * 100_000 for _ in range(3000)]
above = bytearray(b"1") * 100_000  # so that the blocks are not the end of what the process has
high = megabytes()
del blocks
gc.collect()
assert megabytes() > high - 50
working = False
until(lambda: megabytes() < high - 250)
print("back")
"""
    assert run("inf", end) == ["back"]
