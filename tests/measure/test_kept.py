"""Files of results: what goes in comes out, and nothing does of a file that is damaged or of something else."""

import io
import json
import zipfile

import numpy as np
import pytest

from latent.errors import ArgumentError
from latent.measure import kept
from latent.measure.dimensions import Dimensions, PropertyCorrelations
from latent.measure.evidence import KEPT_RECORDS, Sampled
from latent.measure.fidelity import Fidelity
from latent.measure.knowledge import Knowledge

OF = {"model": "abc", "measures": 1}
FIDELITY = Fidelity(0.1, 1, 1, 0.9, 1, np.arange(10), 3.2, 0.99, 0.0, float("nan"), {"added": 0.25})
VALUES = {
    ("sampler", "mixture", 0): Sampled(FIDELITY, np.ones((2, 3), np.float32), np.zeros((2, 4, 4), np.uint8)),
    ("dimensions",): Dimensions(np.arange(3), np.ones(3), np.ones(3), np.ones(3), None, np.eye(3), 2.5),
    ("property_correlations",): PropertyCorrelations(("ink", "slant"), np.arange(3), np.eye(3, 2), np.eye(3, 2)),
    ("knowledge", "codes"): Knowledge(0.1 + 0.2, 0.97, 0.6, 0.6),
    ("tsne",): np.array([[1.5, np.nan]], np.float32),
    ("judges_real_images",): True,
    ("score", "mse"): np.float64(1 / 3),
    ("nothing",): None,
}


def same(a, b):
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if hasattr(a, "__dataclass_fields__"):
        return type(a) is type(b) and all(same(getattr(a, name), getattr(b, name)) for name in a.__dataclass_fields__)
    return a == b or (a != a and b != b)


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "model.results"
    path.write_bytes(kept.to_bytes(VALUES, OF))
    return path


def read(path, of=OF):
    return kept.read(path, of, KEPT_RECORDS)


def test_values_come_back_as_they_were(written):
    found = read(written)
    assert found.keys() == VALUES.keys()
    for part, value in VALUES.items():
        assert same(value, found[part]), part


def test_arrays_come_back_unchangeable(written):
    with pytest.raises(ValueError, match="read-only"):
        read(written)[("tsne",)][0, 0] = 1


@pytest.mark.parametrize("other", [{"model": "abd", "measures": 1}, {"model": "abc", "measures": 2}, {"model": "abc"}])
def test_nothing_comes_of_a_file_of_something_else(written, other):
    assert read(written, other) == {}


def test_nothing_comes_of_a_missing_file_or_a_folder(tmp_path):
    assert read(tmp_path / "none.results") == {}
    assert read(tmp_path) == {}


def test_nothing_or_all_comes_of_a_file_that_was_cut_short_or_changed(written):
    content = written.read_bytes()
    rng = np.random.default_rng(0)
    damaged = [content[:n] for n in (0, 1, 30, len(content) // 2, len(content) - 1)]
    for place in rng.integers(len(content), size=150):
        damaged.append(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
    unharmed = 0
    for each in damaged:
        written.write_bytes(each)
        found = read(written)
        if found:  # a byte that says nothing was changed, such as a time
            unharmed += 1
            assert all(same(value, found[part]) for part, value in VALUES.items())
    assert unharmed < len(damaged) / 2


def archive_of(header, **arrays):
    buffer = io.BytesIO()
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    np.savez_compressed(buffer, results=np.frombuffer(text, np.uint8), **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        archive_of(b"no JSON"),
        archive_of({"of": OF}),
        archive_of([1, 2]),
        archive_of({"of": OF, "parts": [[["tsne"], {"array": 7}]]}),
        archive_of({"of": OF, "parts": [[["tsne"], {"record": "Popen", "values": {"args": "true"}}]]}),
        archive_of({"of": OF, "parts": [[["knowledge"], {"record": "Knowledge", "values": {"probe": 1}}]]}),
        archive_of({"of": OF, "parts": [[[[1]], 2]]}),
        archive_of(b'{"of": ' + b"[" * 100_000),
    ],
    ids=("no JSON", "no parts", "a list", "no array", "a stranger's record", "half a record", "no part", "deep"),
)
def test_nothing_comes_of_a_forged_file(tmp_path, content):
    path = tmp_path / "model.results"
    path.write_bytes(content)
    assert read(path) == {}


def test_no_pickle_is_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    header = {"of": OF, "parts": [[["tsne"], {"array": "0"}]]}
    (tmp_path / "model.results").write_bytes(archive_of(header, **{"0": np.array([Trap()], object)}))
    assert read(tmp_path / "model.results") == {}
    assert not (tmp_path / "sprung").exists()


def test_what_would_inflate_to_too_much_is_not_inflated(tmp_path, monkeypatch):
    path = tmp_path / "model.results"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("results.npy", bytes(kept.LARGEST_INFLATED + 1))
    assert path.stat().st_size < kept.LARGEST
    monkeypatch.setattr(np, "load", lambda *given, **options: pytest.fail("it was opened"))
    assert read(path) == {}


def test_a_file_larger_than_the_limit_is_neither_written_nor_read(tmp_path, written, monkeypatch):
    noise = np.random.default_rng(0).integers(256, size=kept.LARGEST + 1, dtype=np.uint8)
    with pytest.raises(ArgumentError, match="more than 1,000,000"):
        kept.to_bytes({("noise",): noise}, OF)
    monkeypatch.setattr(kept, "LARGEST", written.stat().st_size - 1)
    assert read(written) == {}


def test_what_cannot_be_kept_is_refused():
    with pytest.raises(ArgumentError, match="A set cannot be saved"):
        kept.to_bytes({("set",): {1, 2}}, OF)
