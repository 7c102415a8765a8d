"""What a command is to write is looked at before it works: no input is overwritten, nothing is measured in vain."""

import hashlib
import os

import pytest

from latent import compare, handout, report, results, train
from latent.errors import CheckpointError
from latent.files import check_output
from latent.measure import evidence, judge


@pytest.fixture(autouse=True)
def no_work(monkeypatch):
    """Nothing is measured or trained."""
    monkeypatch.setattr(evidence.Evidence, "measure", lambda *given: pytest.fail("something was measured"))
    monkeypatch.setattr(train, "train", lambda *given, **options: pytest.fail("something was trained"))


def spellings(path):
    """The same file by other paths."""
    os.link(path, path.with_name("hard.pt"))
    path.with_name("soft.pt").symlink_to(path)
    (path.parent / "below").mkdir()
    yield path
    yield path.parent / "." / path.name
    yield path.parent / "below" / ".." / path.name
    yield path.with_name("hard.pt")
    yield path.with_name("soft.pt")


def test_no_command_writes_over_a_model_that_it_reads(tiny_file, capsys):
    before = hashlib.sha256(tiny_file.read_bytes()).hexdigest()
    other = tiny_file.with_name("other.pt")
    other.write_bytes(tiny_file.read_bytes())
    for out in spellings(tiny_file):
        for command in (
            lambda out: report.main([str(tiny_file), "--out", out]),
            lambda out: handout.main([str(tiny_file), "--out", out]),
            lambda out: compare.main([str(tiny_file), str(other), "--out", out]),
            lambda out: compare.main([str(other), str(tiny_file), "--out", out]),
        ):
            assert command(str(out)) == 1
            assert "is an input of this command" in capsys.readouterr().err
    assert hashlib.sha256(tiny_file.read_bytes()).hexdigest() == before


def test_results_are_not_written_over_a_model_of_that_name(tiny_file, capsys):
    named = tiny_file.with_name("mine.results")
    tiny_file.rename(named)
    before = named.read_bytes()
    assert results.main([str(named)]) == 1
    assert "is an input" in capsys.readouterr().err
    assert named.read_bytes() == before


@pytest.mark.parametrize("command", ["report", "handout", "compare", "train", "judge"])
@pytest.mark.parametrize(
    ("place", "sentence"), [("folder", "is a folder"), ("missing/page.html", "does not exist"), ("a\0b", "invalid")]
)
def test_a_place_that_cannot_be_written_is_refused_at_once(tiny_file, capsys, command, place, sentence):
    (tiny_file.parent / "folder").mkdir()
    out = str(tiny_file.parent / place)
    run = {
        "report": lambda: report.main([str(tiny_file), "--out", out]),
        "handout": lambda: handout.main([str(tiny_file), "--out", out]),
        "compare": lambda: compare.main([str(tiny_file), str(tiny_file), "--out", out]),
        "train": lambda: train.main(["--out", out, "--data", str(tiny_file.parent)]),
        "judge": lambda: judge.main(["--out", out, "--data", str(tiny_file.parent)]),
    }
    assert run[command]() == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in tiny_file.parent.iterdir()) == ["folder", "tiny.pt"]


def test_a_report_takes_the_place_of_a_report_and_of_nothing_else(tiny_file, capsys):
    notes = tiny_file.with_name("notes.txt")
    notes.write_text("mine")
    assert report.main([str(tiny_file), "--out", str(notes)]) == 1
    assert "holds something else" in capsys.readouterr().err
    assert notes.read_text() == "mine"
    for content in (b"", b"<!DOCTYPE HTML><p>an older one"):
        notes.write_bytes(content)
        check_output(notes, [tiny_file], begins=b"<!doctype html>")


def test_a_folder_that_cannot_be_written_is_refused(tiny_file, monkeypatch):
    def refused(**options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("latent.files.tempfile.TemporaryFile", refused)
    with pytest.raises(CheckpointError, match="cannot be written: Permission denied"):
        check_output(tiny_file.with_name("page.html"))


def test_a_file_that_this_command_did_not_train_is_not_resumed(tmp_path, capsys):
    import torch

    torch.save({"fc.weight": torch.zeros(3, 784), "out.weight": torch.zeros(784, 3)}, tmp_path / "mine.pt")
    before = (tmp_path / "mine.pt").read_bytes()
    for options in ([], ["--epochs", "1"]):
        assert train.main(["--resume", "--out", str(tmp_path / "mine.pt"), "--data", str(tmp_path), *options]) == 1
        error = capsys.readouterr().err
        assert "was not trained by this command, so there is nothing to resume." in error
        assert error.count("\n") == 1
    assert (tmp_path / "mine.pt").read_bytes() == before
