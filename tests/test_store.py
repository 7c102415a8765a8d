import os

import numpy as np
import pytest

from latent import store


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_CACHE", str(tmp_path / "cache"))
    store.store_of_process.cache_clear()
    yield
    store.store_of_process.cache_clear()


def counted():
    calls = []

    def compute():
        calls.append(1)
        return np.arange(5.0)

    return calls, compute


def test_an_array_is_computed_once_also_across_restarts():
    calls, compute = counted()
    assert not store.has("a", 1)
    for _ in range(2):
        assert np.array_equal(store.stored(compute, "a", 1), np.arange(5.0))
        store.store_of_process.cache_clear()  # as a restart does
        assert store.has("a", 1)
    assert len(calls) == 1
    store.stored(compute, "a", 2)
    assert len(calls) == 2


def test_a_damaged_file_counts_as_none():
    calls, compute = counted()
    store.stored(compute, "a")
    for damage in (b"", b"\x93NUMPY", store.path_of("a").read_bytes()[:-9], b"no array"):
        store.path_of("a").write_bytes(damage)
        store.store_of_process.cache_clear()
        before = len(calls)
        assert np.array_equal(store.stored(compute, "a"), np.arange(5.0))
        assert len(calls) == before + 1


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LATENT_CACHE", str(tmp_path / "file" / "cache"))
    calls, compute = counted()
    assert np.array_equal(store.stored(compute, "a"), np.arange(5.0))
    assert np.array_equal(store.stored(compute, "a"), np.arange(5.0))
    assert len(calls) == 1


def test_memory_is_bounded(monkeypatch):
    each = np.zeros(1000)
    monkeypatch.setattr(store, "MOST_IN_MEMORY", 4 * each.nbytes)
    for i in range(10):
        store.stored(lambda i=i: each + i, i)
    assert list(store.store_of_process().memory) == [store.path_of(i) for i in (6, 7, 8, 9)]
    assert np.array_equal(store.stored(lambda: each - 1, 0), each)  # from the disk
    assert len(os.listdir(store.folder())) == 10


def test_a_folder_that_may_not_be_looked_into_holds_nothing(monkeypatch):
    """Another user's, for whom even to ask is refused."""

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    _, compute = counted()
    store.stored(compute, "a")
    store.store_of_process.cache_clear()
    for name in ("stat", "open", "mkdir", "listdir", "scandir"):
        monkeypatch.setattr(os, name, refused)
    assert not store.has("a")
    assert np.array_equal(store.stored(compute, "a"), np.arange(5.0))
