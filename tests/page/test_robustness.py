"""What goes wrong around the program: files that change, disks that are full, processes that are killed, broken GPUs.

Each is met with a sentence, and nothing that was there before is lost.
"""

import errno
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from latent import checkpoint, data, dataset, files, inference, shelf, store, train
from latent.dataset import Dataset
from latent.errors import CheckpointError, DataError, TrainingError
from latent.page import cached
from latent.shelf import Kept
from latent.space import LatentSpace
from tests.support.models import ROOT, tiny
from tests.support.page import facts, healthy, move, opened, shown, unfold
from tests.support.training import ENVIRONMENT, SMALL, command, main, run, same_weights, some_images


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def sentences(app):
    return " ".join(element.value for kind in (app.error, app.warning, app.text) for element in kind)


class TestACheckpointThatChangesWhileThePageIsOpen:
    @pytest.fixture
    def second(self, folder):
        return folder / "second.pt"

    @pytest.fixture
    def app(self, second):
        """Open on the second checkpoint, a control moved, a vector on the shelf."""
        kept = shelf.to_link(Kept("mine", "a test", np.ones(3, np.float32), np.zeros((28, 28), np.uint8)))
        return move(opened("Generate", checkpoint="second", kept=kept), "slider", "generate_pictures", 9)

    def kept(self, app, second):
        return app.session_state["latent"].shelves[checkpoint.fingerprint(second)].names()

    def test_cut_short_it_is_a_sentence_and_whole_again_all_is_as_before(self, app, second):
        before, whole = shown(app), second.read_bytes()
        for length in (0, 100, len(whole) // 2, len(whole) - 1):
            second.write_bytes(whole[:length])
            assert "second.pt" in sentences(healthy(app.run()))
            assert app.error
        second.write_bytes(whole)
        assert shown(healthy(app.run())) == before
        assert not app.error
        assert app.slider(key="generate_pictures").value == 9
        assert self.kept(app, second) == ["mine"]

    def test_deleted_another_opens_with_a_sentence_and_back_again_its_shelf_is_there(self, app, second):
        before, whole = shown(app), second.read_bytes()
        second.unlink()
        healthy(app.run())
        assert app.selectbox(key="checkpoint").value == "first"
        assert "Linked model not found" in sentences(app)
        assert "second" in [text.value for text in app.text]
        assert app.slider(key="generate_pictures").value == 9
        assert shown(app) != before
        second.write_bytes(whole)
        move(healthy(app.run()), "selectbox", "checkpoint", "second")
        assert shown(app) == before
        assert self.kept(app, second) == ["mine"]

    def test_deleted_between_looking_and_reading_it_is_a_sentence(self, app, second, monkeypatch):
        found = checkpoint.find(second.parent)
        second.unlink()
        monkeypatch.setattr(checkpoint, "find", lambda _: found)
        assert "second.pt cannot be read: No such file" in sentences(healthy(app.run()))

    @pytest.mark.parametrize("how", ["renamed over it", "written into it"])
    def test_one_of_the_same_size_and_time_is_not_taken_for_the_old_one(self, app, second, how):
        before, status = shown(app), second.stat()
        beside = second.with_suffix(".new")
        checkpoint.save(beside, tiny(latent_dim=3, seed=7))
        assert beside.stat().st_size == status.st_size
        if how == "written into it":
            second.write_bytes(beside.read_bytes())
        else:
            os.utime(beside, ns=(status.st_atime_ns, status.st_mtime_ns))
            os.replace(beside, second)
        os.utime(second, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert second.stat().st_mtime_ns == status.st_mtime_ns
        assert shown(healthy(app.run())) != before

    def test_a_clock_that_was_set_back_does_not_bring_back_the_old_one(self, app, second):
        before = shown(app)
        checkpoint.save(second, tiny(latent_dim=3, seed=7))
        os.utime(second, (1, 1))
        assert shown(healthy(app.run())) != before

    def test_a_link_to_one_that_is_not_here_opens_another_with_a_sentence(self, second):
        app = opened("Generate", checkpoint="**elsewhere**")
        assert app.selectbox(key="checkpoint").value == "first"
        assert "Linked model not found" in sentences(app)
        assert "**elsewhere**" in [text.value for text in app.text]
        assert "Linked model" not in sentences(opened("Generate", checkpoint="second"))


class TestTheCheckpointFolder:
    def test_gone_it_is_a_sentence_and_back_again_all_is_as_before(self, folder):
        app = move(opened("Generate"), "slider", "generate_pictures", 9)
        before = shown(app)
        away = folder.rename(folder.with_name("away"))
        assert "cannot be read: No such file" in sentences(healthy(app.run()))
        away.rename(folder)
        assert shown(healthy(app.run())) == before

    @pytest.mark.parametrize("how", ["not allowed", "a file in its place"])
    def test_unreadable_it_is_a_sentence(self, folder, monkeypatch, how):
        if how == "not allowed":
            scandir = os.scandir

            def refused(path):
                if Path(path) == folder:
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
                return scandir(path)

            monkeypatch.setattr(os, "scandir", refused)
        else:
            shutil.rmtree(folder)
            folder.write_text("in the way")
        app = opened()
        assert f"The model folder {folder} cannot be read" in sentences(app)
        assert len(app.error) == 1

    def test_what_was_opened_in_this_session_outlives_it(self, folder):
        content = (folder / "first.pt").read_bytes()
        app = unfold(opened(), "open_file")
        healthy(app.file_uploader(key="upload").set_value(("mine.pt", content, "application/octet-stream")).run())
        before = shown(app)
        shutil.rmtree(folder)
        assert shown(healthy(app.run())) == before
        assert app.selectbox(key="checkpoint").options == ["mine.pt (uploaded)"]
        assert "cannot be read" in sentences(app)
        assert len(app.error) == 1, "it is said once"


def few_images(name, folder, *, train):
    """In the place of a whole data set."""
    return Dataset(name, some_images()[0 if train else 1])


class TestAFullDisk:
    @pytest.mark.exhaustive
    def test_training_stops_with_a_sentence_and_goes_on_once_there_is_room(self, tmp_path, monkeypatch, capsys):
        whole = run(SMALL, tmp_path / "whole.pt")
        out = tmp_path / "a.pt"
        monkeypatch.setattr(train, "whole_part", few_images)
        sync, written = os.fsync, []

        def full_at_the_third_file(handle):
            written.append(handle)
            return full() if len(written) == 3 else sync(handle)

        monkeypatch.setattr(os, "fsync", full_at_the_third_file)
        options = ["--out", str(out), "--device", "cpu"]
        recipe = ["--latent-dim=2", "--epochs=3", "--batch-size=50", "--width=4", "--hidden=16", "--seed=3"]
        assert train.main([*options, *recipe]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "No space left on device; an existing file is unchanged" in error
        assert len(checkpoint.load(out).history) == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pt", "whole.pt"]

        assert train.main([*options, "--resume"]) == 0
        assert same_weights(checkpoint.load(out), whole)

    @pytest.mark.parametrize("where", ["write", "mkstemp", "mkdir"])
    def test_caching_costs_the_next_run_its_time_and_nothing_else(self, tmp_path, monkeypatch, where):
        monkeypatch.setenv("LATENT_CACHE", str(tmp_path / "cache"))
        store.store_of_process.cache_clear()
        with monkeypatch.context() as patch:
            if where == "write":
                patch.setattr(files.os, "fsync", full)
            elif where == "mkstemp":
                patch.setattr(files.tempfile, "mkstemp", full)
            else:
                patch.setattr(Path, "mkdir", full)
            assert np.array_equal(store.stored(lambda: np.arange(4), "a"), np.arange(4))
            assert np.array_equal(store.stored(lambda: np.arange(9), "a"), np.arange(4)), "not kept in memory"
        store.store_of_process.cache_clear()
        assert not store.has("a")
        assert not list(tmp_path.glob("cache/*"))
        assert np.array_equal(store.stored(lambda: np.arange(4), "a"), np.arange(4))
        store.store_of_process.cache_clear()
        assert store.has("a")
        store.store_of_process.cache_clear()


class TestTheStore:
    RIGHT = np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3)

    @pytest.fixture
    def entry(self, tmp_path, monkeypatch):
        monkeypatch.setenv("LATENT_CACHE", str(tmp_path / "cache"))
        store.store_of_process.cache_clear()
        store.stored(lambda: self.RIGHT, "key")
        store.store_of_process.cache_clear()
        yield store.path_of("key")
        store.store_of_process.cache_clear()

    def again(self):
        """What the store has under the key now, and whether it had to be computed."""
        computed = []
        return store.stored(lambda: computed.append(1) or self.RIGHT, "key"), bool(computed)

    def test_an_entry_that_is_whole_is_believed(self, entry):
        array, computed = self.again()
        assert not computed
        assert array.dtype == self.RIGHT.dtype
        assert np.array_equal(array, self.RIGHT)

    @pytest.mark.parametrize(
        "wrong",
        [RIGHT[:2], RIGHT.T, RIGHT.astype(np.float64), np.full_like(RIGHT, np.nan), np.zeros((0, 3), np.float32)],
        ids=["rows", "shape", "dtype", "nan", "empty"],
    )
    def test_a_file_with_another_array_is_not(self, entry, wrong):
        np.save(entry, wrong)
        array, computed = self.again()
        assert computed
        assert np.array_equal(array, self.RIGHT)
        store.store_of_process.cache_clear()
        assert not self.again()[1], "the entry was not mended"

    def test_nor_is_one_with_any_bit_turned_or_any_tail_missing(self, entry):
        whole = entry.read_bytes()
        damaged = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
        damaged += [whole[:length] for length in range(len(whole))]
        for content in damaged:
            entry.write_bytes(content)
            store.store_of_process.cache_clear()
            array, computed = self.again()
            assert computed
            assert np.array_equal(array, self.RIGHT)

    def test_a_user_without_a_home_has_a_folder_all_the_same(self, monkeypatch):
        for name in ("LATENT_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)
        assert store.folder().is_absolute()


class TestAKilledRun:
    # Dies while the file of the second epoch is half written.
    DYING = textwrap.dedent("""
        import os, signal, sys
        from latent import train

        sync, written = os.fsync, []

        def die(handle):
            written.append(handle)
            if len(written) == 3:
                os.truncate(handle, 1000)
                os.kill(os.getpid(), signal.SIGKILL)
            sync(handle)

        os.fsync = die
        sys.exit(train.main(sys.argv[1:]))
    """)

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
    @pytest.mark.exhaustive
    def test_goes_on_to_the_weights_of_one_that_was_not(self, tmp_path, fashion_folder):
        options = ["--epochs", 3, "--data", fashion_folder, "--device", "cpu", "--out"]
        whole, out = tmp_path / "whole.pt", tmp_path / "a.pt"
        assert main(*options, whole) == 0
        arguments = command(*options, out)
        dying = [arguments[0], "-c", self.DYING, *arguments[arguments.index("latent.train") + 1 :]]
        died = subprocess.run(dying, cwd=ROOT, env=ENVIRONMENT, capture_output=True, check=False)
        assert died.returncode == -signal.SIGKILL
        left = sorted(path.name for path in tmp_path.iterdir() if path.name not in ("whole.pt", "a.pt"))
        assert len(left) == 2, "a part of a file, and the lock of the dead"
        assert [path.name for path in checkpoint.find(tmp_path)] == ["a.pt", "whole.pt"]
        assert len(checkpoint.load(out).history) == 1
        assert LatentSpace.open(out).z.shape == (10_000, 2)

        assert main(*options, out, "--resume") == 0
        assert same_weights(checkpoint.load(out), checkpoint.load(whole))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pt", "whole.pt"]


class TestAClockThatJumps:
    def test_the_seconds_of_an_epoch_stay_what_they_were(self, tmp_path, monkeypatch):
        now = iter(range(2_000_000_000, 0, -100_000))
        monkeypatch.setattr(time, "time", lambda: float(next(now)))
        assert all(0 <= row["seconds"] < 600 for row in run(SMALL, tmp_path / "a.pt").history)


class TestABrokenDevice:
    @pytest.fixture(params=["cuda", "mps"])
    def broken(self, request, monkeypatch):
        """A device that says that it is there, and fails when it is used."""
        zeros = torch.zeros

        def failing(*size, device=None, **more):
            if torch.device(device or "cpu").type != "cpu":
                raise RuntimeError("the driver is too old\nand here is what to do about it")
            return zeros(*size, device=device, **more)

        for module, name in ((torch.cuda, "cuda"), (torch.backends.mps, "mps")):
            there = functools.lru_cache(lambda name=name: request.param == name)  # torch looks into what is cached here
            monkeypatch.setattr(module, "is_available", there)
        monkeypatch.setattr(torch, "zeros", failing)
        return request.param

    def test_the_processor_is_used_with_a_sentence(self, broken):
        assert inference.best_device() == torch.device("cpu")
        device, complaint = inference.device_that_works()
        assert device == torch.device("cpu")
        assert (
            complaint == f"The device {broken} was found but does not work (the driver is too old), so it is not used."
        )

    def test_the_page_works_and_says_so_once(self, broken, folder):
        app = opened("Generate")
        assert len(shown(app)) >= 2
        assert sentences(app).count(f"The device {broken} was found but does not work") == 1

    def test_training_works_and_says_so_once(self, broken, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(train, "whole_part", few_images)
        small = ["--latent-dim=2", "--epochs=2", "--batch-size=100", "--width=4", "--hidden=8"]
        assert train.main(["--out", str(tmp_path / "a.pt"), *small]) == 0
        assert capsys.readouterr().err.count(f"The device {broken} was found but does not work") == 1
        assert len(checkpoint.load(tmp_path / "a.pt").history) == 2

    def test_asked_for_by_name_it_is_refused(self, broken, tmp_path, capsys):
        assert train.main(["--out", str(tmp_path / "a.pt"), "--device", broken]) == 1
        assert capsys.readouterr().err.count("\n") == 1
        assert not (tmp_path / "a.pt").exists()

    def test_one_that_works_is_used_without_a_word(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch, "zeros", lambda *size, device: torch.ones(*size))
        assert inference.device_that_works() == (torch.device("cuda"), "")


class TestTwoTrainingsIntoOneFile:
    HOLD = "import sys, pathlib\nfrom latent import files\n" + textwrap.dedent("""
        with files.held(pathlib.Path(sys.argv[1])):
            print("held", flush=True)
            sys.stdin.read()
    """)

    def holding(self, out):
        """Another process that holds the lock of the file."""
        other = subprocess.Popen(
            [sys.executable, "-c", self.HOLD, str(out)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert other.stdout.readline() == "held\n"
        return other

    @pytest.mark.parametrize("more", [[], ["--resume"]])
    def test_the_second_is_refused_in_a_sentence_and_changes_nothing(self, tmp_path, capsys, more):
        out = tmp_path / "a.pt"
        checkpoint.save(out, tiny())
        before = out.read_bytes()
        other = self.holding(out)
        try:
            assert train.main(["--out", str(out), "--data", str(tmp_path), *more]) == 1
        finally:
            other.communicate("")
        error = capsys.readouterr().err
        assert "a.pt is being written by another process" in error
        assert error.count("\n") == 1
        assert out.read_bytes() == before

    def test_into_another_file_it_is_not(self, tmp_path):
        other = self.holding(tmp_path / "a.pt")
        with files.held(tmp_path / "b.pt"):
            pass
        other.communicate("")

    def test_the_lock_of_a_killed_process_stops_nobody(self, tmp_path):
        other = self.holding(tmp_path / "a.pt")
        other.kill()
        other.communicate()
        assert (tmp_path / "a.pt.lock").exists()
        with files.held(tmp_path / "a.pt"), pytest.raises(TrainingError), files.held(tmp_path / "a.pt"):
            pass
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_written_is_a_sentence(self, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(CheckpointError, match="cannot be written"), files.held(tmp_path / "file" / "a.pt"):
            pass


WORKING = """
import threading
import time
import torch
from latent.page import server

def compute():
    end = time.monotonic() + 2
    while time.monotonic() < end:
        torch.nn.functional.conv2d(torch.zeros(8, 16, 64, 64), torch.zeros(16, 16, 3, 3))
    print("done")

if {prepared}:
    server.prepare()
threading.Thread(target=compute, name=server.SCRIPT_THREAD, daemon=True).start()
time.sleep(0.5)
"""


class TestAServerThatIsStopped:
    """While it draws a page, which is a daemon thread in PyTorch's code."""

    def stopped(self, prepared):
        script = WORKING.format(prepared=prepared)
        return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)

    def test_lets_the_page_be_drawn_and_ends_well(self):
        ended = self.stopped(prepared=True)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")

    @pytest.mark.exhaustive
    def test_without_that_it_would_not(self):
        ended = self.stopped(prepared=False)
        assert ended.stdout == ""
        assert ended.returncode in (0, -signal.SIGABRT)


class TestNames:
    def upload(self, app, name, content):
        return healthy(app.file_uploader(key="upload").set_value((name, content, "application/octet-stream")).run())

    def test_two_uploads_of_one_name_are_both_there_and_the_same_bytes_are_one(self, folder):
        first, second = ((folder / name).read_bytes() for name in ("first.pt", "second.pt"))
        app = unfold(opened("Model"), "open_file")
        self.upload(app, "model.pt", first)
        self.upload(app, "model.pt", second)
        picker = app.selectbox(key="checkpoint")
        assert picker.options[2:] == ["model.pt (uploaded)", "model.pt (uploaded) (2)"]
        assert picker.value == "model.pt (uploaded) (2)"
        assert facts(app)["Latent dimensions"] == "3"
        self.upload(app, "again.pt", first)
        picker = app.selectbox(key="checkpoint")
        assert len(picker.options) == 4
        assert picker.value == "model.pt (uploaded)"
        assert facts(app)["Latent dimensions"] == "2"

    def test_uploads_that_differ_behind_their_first_sixty_letters_are_both_there(self, folder):
        app = unfold(opened("Model"), "open_file")
        for ending, name in (("a", "first.pt"), ("b", "second.pt")):
            self.upload(app, "x" * 70 + ending, (folder / name).read_bytes())
        assert len(app.selectbox(key="checkpoint").options) == 4

    @pytest.mark.parametrize(
        "name", ["ae-16².pt", "**bold**.pt", "two\nlines.pt", os.fsdecode(b"\xff\xfe.pt"), "<b>.pt"]
    )
    def test_the_page_stands_whatever_the_files_of_the_folder_are_called(self, folder, name):
        shutil.copy(folder / "second.pt", folder / name)
        app = opened("Model", checkpoint="first")
        options = app.selectbox(key="checkpoint").options
        assert len(options) == 3
        (odd,) = set(options) - {"first", "second"}
        app.selectbox(key="checkpoint").set_value(odd)
        healthy(app.run())
        assert facts(app)["Latent dimensions"] == "3"


def test_digits_that_are_half_written_are_a_sentence_and_the_page_stands(folder, monkeypatch):
    """The icon of the page is one of them, which is drawn before anything else."""

    def damaged():
        raise DataError("The test images cannot be read.")

    cached.digit_as_icon.cache_clear()
    cached.shipped_images.clear()
    with monkeypatch.context() as patch:
        patch.setattr(data, "evaluation_digits", damaged)
        patch.setattr(dataset, "shipped", damaged)
        app = opened("Generate")
        assert "The test images cannot be read." in sentences(app)
    assert not healthy(app.run()).error


def test_a_server_without_room_for_an_upload_of_images_says_so(folder, monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryDirectory", full)
    app = unfold(opened(), "open_file")
    healthy(app.file_uploader(key="upload_images").set_value(("mine.npy", b"x", "application/octet-stream")).run())
    assert "The server has no room to open mine.npy: No space left on device." in sentences(app)
