"""How commands end when something stops them: a sentence and a status, and nothing that was finished is lost."""

import errno
import os
import subprocess
import sys
import textwrap
from itertools import count

import numpy as np
import pytest

from latent import checkpoint, encode, files, report, results, train
from latent.commands import REFUSED, STOPPED, UNREAD, command
from latent.errors import CheckpointError, TrainingError
from latent.measure.evidence import Evidence
from tests.support.faults import writes
from tests.support.models import ROOT, tiny
from tests.support.training import ENVIRONMENT


def ending(error):
    """A command that ends so."""

    @command
    def main(arguments=None):
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (TrainingError("Nothing to train."), REFUSED, "Nothing to train.\n"),
        (KeyboardInterrupt(), STOPPED, "\nStopped.\n"),
        (OSError(errno.ENOSPC, "No room", "a.html"), REFUSED, "a.html cannot be written: No room.\n"),
        (OSError(errno.EROFS, "Read-only"), REFUSED, "A file cannot be written: Read-only.\n"),
    ],
)
def test_what_stops_a_command_is_one_sentence(capsys, error, status, sentence):
    assert ending(error)() == status
    assert capsys.readouterr().err == sentence


def test_a_bug_is_not_taken_for_a_mistake_of_the_user():
    with pytest.raises(FileNotFoundError):
        ending(FileNotFoundError(errno.ENOENT, "no such file"))()
    with pytest.raises(ZeroDivisionError):
        ending(ZeroDivisionError())()


def test_who_closes_the_pipe_sees_no_traceback():
    script = textwrap.dedent("""
        import sys
        from latent.commands import command

        @command
        def main(arguments=None):
            for _ in range(100_000):
                print("a line of output")
            return 0

        sys.exit(main())
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == (b"", UNREAD)
    process.stderr.close()


@pytest.fixture
def images(tmp_path):
    path = tmp_path / "images.npy"
    np.save(path, np.random.default_rng(0).integers(256, size=(24, 8, 8), dtype=np.uint8))
    return path


def encode_into(folder, images):
    return encode.main([str(folder / "model.pt"), "--data", str(images), "--out", str(folder / "c.npy")])


def train_into(folder, images, *more):
    small = ["--epochs=1", "--batch-size=8", "--latent-dim=2", "--width=2", "--hidden=4", "--device=cpu"]
    return train.main([*small, "--data", str(images), "--out", str(folder / "a.pt"), *more])


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("run", [encode_into, train_into])
def test_a_disk_that_is_full_at_any_write_is_a_sentence_and_the_next_run_goes_on(tmp_path, images, capsys, run, step):
    """At every write of the run in turn, as many as there are, or at every seventh."""
    stopped = 0
    for at in count(5, step):
        folder = tmp_path / str(at)
        folder.mkdir()
        checkpoint.save(folder / "model.pt", tiny(image_shape=(1, 8, 8)))
        with writes(folder, at) as counted:
            status = run(folder, images)
        said = capsys.readouterr().err
        if not counted.met:
            break
        if status:  # some writes only look whether there is room
            stopped += 1
            assert status == REFUSED
            assert said.strip().splitlines()[-1].count("No space left on device") == 1
        left = {path.name for path in folder.iterdir()} - {"model.pt"}
        assert left <= {"a.pt", "c.npy", "c.json", "c.files.jsonl", "c.npy.done"}
        again = ["--resume"] if (folder / "a.pt").exists() else []
        assert run(folder, images, *again) == 0
        assert len(list(folder.iterdir())) == (2 if run is train_into else 4)
    assert status == 0
    assert stopped


def test_numbers_are_printed_also_where_the_page_cannot_be_written(tiny_file, monkeypatch, capsys):
    def full(*_):
        raise CheckpointError("The page cannot be written.")

    monkeypatch.setattr(report, "measured", lambda *given: None)
    monkeypatch.setattr(report, "numbers", lambda evidence: {"mse": 0.5})
    monkeypatch.setattr(report, "page", lambda evidence: "")
    monkeypatch.setattr(report, "write_atomically", full)
    assert report.main([str(tiny_file), "--json", "--out", str(tiny_file.with_name("r.html"))]) == REFUSED
    out, err = capsys.readouterr()
    assert '"mse": 0.5' in out
    assert err == "The page cannot be written.\n"


def test_what_the_dead_left_is_removed_and_what_is_being_written_is_not(tmp_path):
    dead, living, others = (tmp_path / name for name in (".a.html.x.tmp", ".a.html.y.tmp", ".b.html.x.tmp"))
    for path in (dead, living, others):
        path.write_bytes(b"a part")
    os.utime(dead, (1, 1))
    os.utime(others, (1, 1))
    files.write_atomically(tmp_path / "a.html", b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [living.name, others.name, "a.html"]


@pytest.mark.exhaustive
def test_commands_that_are_killed_at_any_moment_lose_nothing():
    """One moment each; ``python -m tests.support.killed`` has fifty."""
    script = [sys.executable, "-m", "tests.support.killed", "--moments", "1"]
    done = subprocess.run(script, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "5 kills, 0 failures", done.stdout + done.stderr


@pytest.mark.exhaustive
def test_commands_that_are_killed_at_fifty_moments_lose_nothing():
    script = [sys.executable, "-m", "tests.support.killed", "--moments", "50"]
    done = subprocess.run(script, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "250 kills, 0 failures", done.stdout + done.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--seed=-1"], "seed must be from 0 to"),
        ([f"--seed={10**20}"], "seed must be from 0 to"),
        (["--lr=inf"], "lr must be above 0 and finite, got inf"),
        (["--beta=inf"], "beta must be at least 0 and finite"),
        ([f"--latent-dim={10**20}"], "latent_dim must be a whole number from 1 to 1,000,000"),
        (["--hidden=1000000", "--latent-dim=100"], "weights is too large"),
        (["--device=meta"], "cannot be used on this machine"),
    ],
)
def test_numbers_that_no_network_can_be_trained_with_are_refused(tmp_path, images, capsys, options, sentence):
    assert train_into(tmp_path, images, *options) == REFUSED
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not (tmp_path / "a.pt").exists()


def test_no_folder_for_temporary_files_is_a_sentence(tmp_path, images, monkeypatch, capsys):
    def none():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(files.tempfile, "gettempdir", none)
    monkeypatch.setattr(files, "check_output", lambda *given: None)
    assert train_into(tmp_path, images) == REFUSED
    assert "No folder for temporary files can be written" in capsys.readouterr().err


class TestOddPlaces:
    """Links in a circle, pipes and names that are too long, wherever a path is given."""

    @pytest.fixture(params=["circle", "pipe", "long"])
    def odd(self, request, tmp_path):
        path = tmp_path / ("n" * 300 if request.param == "long" else "odd.npy")
        if request.param == "circle":
            path.symlink_to(path)
        elif request.param == "pipe":
            os.mkfifo(path)
        return path

    @pytest.fixture(autouse=True)
    def nothing_is_measured(self, monkeypatch):
        monkeypatch.setattr(Evidence, "measure", lambda *given: pytest.fail("something was measured"))

    def refused(self, capsys, status):
        error = capsys.readouterr().err
        assert status == REFUSED
        assert error.count("\n") == 1
        return error

    def test_as_a_model(self, odd, images, capsys):
        self.refused(capsys, report.main([str(odd), "--out", str(odd.parent / "r.html")]))
        self.refused(capsys, results.main([str(odd)]))
        self.refused(capsys, encode.main([str(odd), "--data", str(images), "--out", str(odd.parent / "c.npy")]))

    def test_as_images(self, odd, tiny_file, capsys):
        self.refused(capsys, report.main([str(tiny_file), "--images", str(odd), "--out", str(odd.parent / "r.html")]))
        self.refused(capsys, train_into(odd.parent, odd))
        self.refused(capsys, encode.main([str(tiny_file), "--data", str(odd), "--out", str(odd.parent / "c.npy")]))

    def test_among_images(self, tmp_path, tiny_file, capsys):
        """A link in a circle is passed over, and keeps nothing from being read."""
        np.save(tmp_path / "a.npy", np.zeros((30, 28, 28), np.uint8))
        (tmp_path / "circle").symlink_to(tmp_path / "circle")
        assert encode.main([str(tiny_file), "--data", str(tmp_path), "--out", str(tmp_path / "c.npy")]) == 0

    def test_as_an_output(self, odd, tiny_file, images, capsys):
        if not os.path.islink(odd):  # a link is replaced by what is written
            self.refused(capsys, report.main([str(tiny_file), "--out", str(odd)]))
            self.refused(capsys, train_into(odd.parent, images, "--out", str(odd)))

    def test_a_folder_has_no_results(self, tmp_path, monkeypatch, capsys):
        for folder in ("", "/", str(tmp_path)):
            assert "is a folder" in self.refused(capsys, results.main([folder]))
