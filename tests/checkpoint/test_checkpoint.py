import os
import pickle
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latent import checkpoint, data, inference
from latent.errors import CheckpointError
from latent.model import AutoencoderConfig
from latent.page.picker import names_of
from tests.support.exhaustive import few_of
from tests.support.models import CHECKPOINTS, tiny

ZOO = {
    "ae-2": ("ae", 2), "ae-8": ("ae", 8), "ae-16": ("ae", 16), "ae-16-b": ("ae", 16), "ae-32": ("ae", 32),
    "vae-2": ("vae", 2), "vae-16": ("vae", 16),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_a_saved_checkpoint_loads_to_bit_equal_outputs(tmp_path, kind):
    original = tiny(kind)
    saved = checkpoint.save(tmp_path / "a.pt", original)
    loaded = checkpoint.load(tmp_path / "a.pt")
    x = torch.rand(2, 1, 28, 28)
    assert torch.equal(original.model()(x)[0], loaded.model()(x)[0])
    assert (loaded.config, loaded.history, loaded.scores) == (original.config, original.history, original.scores)
    assert saved.sha256 == loaded.sha256 == checkpoint.fingerprint(tmp_path / "a.pt")


def test_torch_reads_the_file_without_this_package(tiny_file):
    values = torch.load(tiny_file, weights_only=True)
    assert values["config"]["latent_dim"] == 2
    assert all(isinstance(tensor, torch.Tensor) for tensor in values["state"].values())


def test_files_are_found_in_counting_order_and_nothing_else(tmp_path):
    for name in ("ae-16-b.pt", "ae-16.pt", "ae-2.pt", "notes.txt", "7.pt", "b.pt", ".ae-2.pt.x.tmp"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.pt").mkdir()
    assert [path.name for path in checkpoint.find(tmp_path)] == ["7.pt", "ae-2.pt", "ae-16.pt", "ae-16-b.pt", "b.pt"]


def test_a_model_file_is_found_whatever_its_name(tmp_path):
    content = checkpoint_bytes(tiny())
    names = [
        "ae-16².pt", "ae-①.pt", "ae-٣.pt", "model_best.pth.tar", "UPPER.PT", "mine", "weights.pickle", "a b.pt",
        "'\".pt", "**bold**.pt", "two\nlines.pt", "#.pt",
    ]  # fmt: skip
    for name in names:
        (tmp_path / name).write_bytes(content)
    with h5py.File(tmp_path / "weights.hdf5", "w") as file:
        file["w"] = np.zeros(3)
    (tmp_path / "readme").write_text("no model")
    (tmp_path / "letter.docx").write_bytes(b"PK\x03\x04 not even a zip")
    with (tmp_path / "mine.results").open("wb") as file:
        np.savez(file, a=1)
    found = checkpoint.find(tmp_path)
    assert {path.name for path in found} == {*names, "weights.hdf5"}
    assert len(found) == len(names) + 1


def test_folders_in_the_folder_are_looked_through_and_hidden_ones_are_not(tmp_path):
    for place in ("b.pt", "run-10/model.pt", "run-2/model.pt", "run-2/deep/model.pt", ".hidden/model.pt"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(b"")
    (tmp_path / "circle").symlink_to(tmp_path)
    found = [str(path.relative_to(tmp_path)) for path in checkpoint.find(tmp_path)]
    assert found == ["b.pt", "run-2/model.pt", "run-10/model.pt", "run-2/deep/model.pt"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.lists(st.binary(min_size=1, max_size=40).filter(lambda name: not {0, 47} & set(name)), max_size=5, unique=True)
)
def test_no_name_keeps_the_folder_from_being_listed(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("names")
    wanted = [os.fsdecode(name) + ".pt" for name in names if not name.startswith(b".")]
    for name in wanted:
        (folder / name).write_bytes(b"")
    assert sorted(path.name for path in checkpoint.find(folder)) == sorted(wanted)
    offered = names_of(checkpoint.find(folder), folder)
    assert len(offered) == len(wanted), "two files are never offered by one name"
    assert all(name.isprintable() for name in offered)


def test_whole_models_that_are_called_halves_are_two_models(tmp_path):
    paths = [tmp_path / "constant-decoder.pt", tmp_path / "constant-encoder.pt"]
    for seed, path in enumerate(paths):
        checkpoint.save(path, tiny(seed=seed))
    assert checkpoint.find(tmp_path) == paths
    for seed, path in enumerate(paths):
        loaded, right = checkpoint.load(path), tiny(seed=seed)
        assert all(torch.equal(loaded.state[name], weight) for name, weight in right.state.items())
        assert loaded.sha256 == checkpoint.fingerprint(path)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere"):
        checkpoint.find(tmp_path / "nowhere")


def damaged_files() -> list[bytes]:
    whole = checkpoint_bytes(tiny())
    return [b"", b"hello", whole[: len(whole) // 2], whole[:-1], bytes(1000)]


def checkpoint_bytes(content):
    import io

    buffer = io.BytesIO()
    values = {"format": checkpoint.FORMAT, "config": content.config.to_dict(), "state": content.state}
    torch.save(values, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("content", damaged_files(), ids=["empty", "text", "half", "one byte short", "zeros"])
def test_a_damaged_file_is_refused_in_one_sentence_without_unsafe_advice(tmp_path, content):
    path = tmp_path / "bad.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"bad\.pt") as caught:
        checkpoint.load(path)
    assert "weights_only" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_code_in_a_file_is_not_run(tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    (tmp_path / "bad.pt").write_bytes(pickle.dumps(Payload()))
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path / "bad.pt")
    torch.save(Payload(), tmp_path / "bad.pt")
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path / "bad.pt")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("missing", ["config", "history", "scores", "recipe", "progress"])
def test_a_file_without_one_of_its_parts_is_refused(tmp_path, tiny_file, missing):
    values = torch.load(tiny_file, weights_only=True)
    del values[missing]
    torch.save(values, tiny_file)
    with pytest.raises(CheckpointError, match=missing):
        checkpoint.load(tiny_file)


def test_weights_of_another_network_are_refused_by_name():
    other = replace(tiny(), config=AutoencoderConfig("ae", 3, width=4, hidden=16))
    with pytest.raises(CheckpointError, match="coder"):
        other.model()


@pytest.mark.parametrize("dim", [10**9, "16", 2.5, True])
def test_a_configuration_with_a_dimension_that_none_has_is_refused_by_its_number(tiny_file, dim):
    values = torch.load(tiny_file, weights_only=True)
    values["config"]["latent_dim"] = dim
    torch.save(values, tiny_file)
    with pytest.raises(CheckpointError, match=rf"latent_dim must be .* got {dim!r}\.$"):
        checkpoint.load(tiny_file)


def test_a_configuration_of_enormous_size_costs_no_memory():
    with pytest.raises(CheckpointError, match="do not fit"):
        replace(tiny(), config=AutoencoderConfig("ae", 10**6, width=4, hidden=10**6)).model()


def test_weights_that_are_not_finite_are_refused(tmp_path):
    broken = tiny()
    broken.state["decoder.0.weight"][0, 0] = float("nan")
    checkpoint.save(tmp_path / "nan.pt", broken)
    with pytest.raises(CheckpointError, match=r"decoder\.0\.weight"):
        checkpoint.load(tmp_path / "nan.pt")


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path, tiny_file, monkeypatch):
    before = tiny_file.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left"):
        checkpoint.save(tiny_file, tiny(seed=1))
    assert tiny_file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [tiny_file]


@pytest.mark.parametrize("name", few_of(ZOO, ["ae-16"]))
def test_the_shipped_zoo_has_the_test_error_that_it_claims(name):
    saved = checkpoint.load(CHECKPOINTS / f"{name}.pt")
    assert (saved.config.kind, saved.config.latent_dim) == ZOO[name]
    assert len(saved.history) == saved.recipe["epochs"]
    model, (digits, _) = saved.model(), data.evaluation_digits()
    x_hat = inference.decode(model, inference.encode(model, digits))
    mse = float(np.square(x_hat - digits / np.float32(255)).mean())
    assert mse == pytest.approx(saved.scores["test_mse"], rel=1e-3)
    readme = (CHECKPOINTS / "README.md").read_text()
    assert f"{mse:.5f}" in readme


def test_the_zoo_is_no_larger_than_20_megabytes():
    files = checkpoint.find(CHECKPOINTS)
    assert {path.stem for path in files} == set(ZOO)
    assert sum(path.stat().st_size for path in files) <= 20e6
