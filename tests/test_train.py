import os
import re
import signal
import struct
import subprocess
import sys
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from latent import checkpoint, dataset, train
from latent.errors import TrainingError
from latent.space import LatentSpace
from latent.train import Recipe
from tests.support.exhaustive import few_of
from tests.support.models import ROOT
from tests.support.training import CPU, ENVIRONMENT, SMALL, command, main, run, same_weights, some_images


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_training_lowers_the_test_error_and_writes_a_whole_file(tmp_path, kind):
    lines = []
    recipe = replace(SMALL, kind=kind, beta=0.1, epochs=6, batch_size=16, lr=0.01)
    finished = run(recipe, tmp_path / "a.pt", show=lines.append)
    assert [row["epoch"] for row in finished.history] == [1, 2, 3, 4, 5, 6]
    assert finished.history[-1]["test_mse"] < 0.6 * finished.history[0]["test_mse"]
    assert set(finished.history[0]) == {"epoch", "train_loss", "test_loss", "test_mse", "seconds"}
    assert len(lines) == 6
    loaded = checkpoint.load(tmp_path / "a.pt")
    assert same_weights(loaded, finished)
    assert loaded.recipe == asdict(recipe)
    assert loaded.progress == {}
    assert loaded.scores["test_mse"] == pytest.approx(loaded.history[-1]["test_mse"], rel=1e-5)


@pytest.mark.exhaustive
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path):
    torch.manual_seed(123)
    a = run(SMALL, tmp_path / "a.pt")
    torch.manual_seed(456)
    before = torch.get_rng_state()
    b = run(SMALL, tmp_path / "b.pt")
    assert torch.equal(torch.get_rng_state(), before), "training touched the global random state"
    c = run(replace(SMALL, seed=4), tmp_path / "c.pt")
    assert same_weights(a, b)
    assert not same_weights(a, c)


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path, kind):
    recipe = replace(SMALL, kind=kind)
    whole = run(recipe, tmp_path / "whole.pt")

    def stop(line):
        if line.startswith("epoch 2/"):
            raise KeyboardInterrupt

    out = tmp_path / "stopped.pt"
    with pytest.raises(KeyboardInterrupt):
        run(recipe, out, show=stop)
    stopped = checkpoint.load(out)
    assert len(stopped.history) == 2
    assert LatentSpace.open(out).z.shape == (10_000, 2)
    resumed = run(recipe, out, started=stopped)
    assert same_weights(resumed, whole)
    assert [row["test_mse"] for row in resumed.history] == [row["test_mse"] for row in whole.history]


def test_half_precision_takes_half_the_space_and_scores_what_it_stores(tmp_path):
    whole, half = (run(replace(SMALL, half=half), tmp_path / f"{half}.pt") for half in (False, True))
    assert (tmp_path / "True.pt").stat().st_size < 0.7 * (tmp_path / "False.pt").stat().st_size
    assert half.scores["test_mse"] == pytest.approx(whole.scores["test_mse"], rel=0.01)
    model = checkpoint.load(tmp_path / "True.pt").model()
    assert all(tensor.dtype == torch.float32 for tensor in model.parameters())


def test_a_loss_that_is_not_finite_stops_with_a_sentence_and_keeps_the_last_good_epoch(tmp_path):
    with pytest.raises(TrainingError, match="smaller --lr"):
        run(replace(SMALL, lr=1e30), tmp_path / "a.pt")
    assert checkpoint.load(tmp_path / "a.pt").history == []


@pytest.mark.parametrize("shape", [(9, 13), (20, 20, 3)])
def test_any_image_size_and_channel_count(tmp_path, shape):
    images = np.random.default_rng(0).integers(0, 255, (60, *shape), dtype=np.uint8)
    finished = train.train(
        replace(SMALL, epochs=1, batch_size=20), (images, images), tmp_path / "a.pt", device=CPU, show=lambda line: None
    )
    assert finished.config.image_shape == (1 if len(shape) == 2 else 3, *shape[:2])


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch_size": 1}, {"lr": 0.0}, {"beta": -1.0}, {"precision": "int8"}]
)
def test_a_recipe_that_cannot_be_trained_is_refused_by_name(wrong):
    with pytest.raises(TrainingError, match=next(iter(wrong)).replace("_", "-")):
        Recipe(**wrong)


def test_deformed_digits_stay_digits_in_range_and_follow_the_seed():
    from latent.augment import deform

    x = torch.from_numpy(some_images()[0][:100] / np.float32(255))[:, None]
    a, b = (deform(x, 0.5, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(a, b)
    assert a.min() >= 0
    assert a.max() <= 1
    changed = (a != x).flatten(1).any(dim=1).float().mean()
    assert 0.5 < changed < 0.9
    assert (a - x).square().mean() < 0.5 * x.square().mean()
    assert torch.allclose(deform(x, 0.0, torch.Generator().manual_seed(1)), x, atol=1e-5)


def test_the_command_trains_and_says_one_line_an_epoch(tmp_path, fashion_folder, capsys):
    out = tmp_path / "a.pt"
    done = subprocess.run(
        command("--epochs", 2, "--data", fashion_folder, "--out", out, "--device", "cpu"),
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert len(re.findall(r"^epoch \d/2 .*test MSE 0\.\d+ .*s$", done.stdout, re.M)) == 2
    assert checkpoint.load(out).sha256 in done.stdout

    assert main("--out", out) == 1
    refusal = capsys.readouterr().err
    assert refusal.count("\n") == 1
    assert "--resume" in refusal
    assert main("--out", out, "--resume") == 0
    assert "all 2 epochs are done" in capsys.readouterr().out


@pytest.mark.parametrize("how", few_of([signal.SIGINT, signal.SIGKILL], [signal.SIGINT]))
def test_a_run_that_is_interrupted_or_killed_leaves_a_file_that_loads_and_resumes(tmp_path, fashion_folder, how):
    if sys.platform == "win32":
        pytest.skip("Windows has no such signals")
    out = tmp_path / "a.pt"
    options = ["--epochs", 5, "--data", fashion_folder, "--out", out, "--device", "cpu"]
    process = subprocess.Popen(
        command(*options), cwd=ROOT, env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # what runs in the background may ignore it
    )  # fmt: skip
    assert process.stdout.readline().startswith("epoch 1/5")
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "--resume" in errors
        assert "Traceback" not in errors
    assert len(checkpoint.load(out).history) >= 1
    assert main(*options, "--resume") == 0
    assert [row["epoch"] for row in checkpoint.load(out).history] == list(range(1, 6))


@pytest.mark.exhaustive
def test_on_a_terminal_a_bar_shows_the_loss_and_the_time_left(tmp_path, fashion_folder):
    if sys.platform == "win32":
        pytest.skip("Windows has no pseudo-terminals")
    import fcntl
    import termios

    terminal, end = os.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))  # 24 rows of 100 columns
    options = ["--epochs", 1, "--data", fashion_folder, "--out", tmp_path / "a.pt", "--device", "cpu"]
    process = subprocess.Popen(command(*options), cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=end)
    os.close(end)
    seen = b""
    while True:
        try:
            part = os.read(terminal, 10_000)
        except OSError:  # what Linux says when the other end has closed
            break
        if not part:
            break
        seen += part
    assert process.wait(60) == 0
    text = seen.decode(errors="replace")
    assert re.search(r"epoch 1, loss 0\.\d+", text)
    assert re.search(r"\d\d:\d\d<\d\d:\d\d", text), "no time left"


def test_resuming_with_another_option_is_refused_by_name(tmp_path, capsys):
    run(SMALL, tmp_path / "a.pt")
    assert train.main(["--out", str(tmp_path / "a.pt"), "--resume", "--latent-dim", "5"]) == 1
    assert "--latent-dim 2, not 5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [(["--device", "abacus"], "abacus"), (["--epochs", "0"], "epochs"), (["--resume"], "cannot be read")],
)
def test_a_mistake_on_the_command_line_is_one_sentence(tmp_path, capsys, options, sentence):
    assert train.main(["--out", str(tmp_path / "a.pt"), "--data", str(tmp_path), *options]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


@pytest.mark.exhaustive
def test_two_processes_train_together_and_one_writes(tmp_path, fashion_folder):
    out = tmp_path / "a.pt"
    options = ["--epochs", 2, "--data", fashion_folder, "--out", out, "--device", "cpu"]
    done = subprocess.run(
        command(*options, processes=2), cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("epoch 1/2") == done.stdout.count("epoch 2/2") == 1
    finished = checkpoint.load(out)
    assert finished.history[1]["test_mse"] < finished.history[0]["test_mse"]
    assert finished.scores["test_mse"] == pytest.approx(finished.history[1]["test_mse"], rel=1e-5)
    assert list(tmp_path.iterdir()) == [out]


OWN = ("--width=4", "--hidden=8", "--latent-dim=2", "--epochs=2", "--batch-size=8", "--device=cpu")


def own(*options):
    """The command on images of one's own."""
    return train.main([*OWN, *map(str, options)])


def blots(n, height, width, channels=(), top=255):
    """Images of one bright spot each, whose row is the class (n,) of 10."""
    random = np.random.default_rng(0)
    images, labels = np.zeros((n, height, width, *channels), np.uint8), np.arange(n) % 10
    for image, row in zip(images, labels * height // 10):
        image[row, random.integers(width)] = top if not channels else (top, *[top // 2] * (channels[0] - 1))
    return images, labels


@pytest.mark.parametrize(
    ("height", "width", "channels", "top"), [(8, 8, (), 16), (40, 24, (3,), 255), (24, 40, (4,), 255), (1, 1, (), 255)]
)
def test_own_images_of_any_size_are_trained_on_and_the_file_opens(tmp_path, capsys, height, width, channels, top):
    images, labels = blots(100, height, width, channels, top)
    np.savez(tmp_path / "spots.npz", images=images.astype(float), labels=labels)
    assert own("--data", tmp_path / "spots.npz", "--out", tmp_path / "a.pt") == 0
    assert f"85 images of {width} × {height} pixels to train on, 15 held out" in capsys.readouterr().out
    loaded = checkpoint.load(tmp_path / "a.pt")
    found = dataset.read(tmp_path / "spots.npz")
    assert loaded.config.image_shape == (*(channels or (1,)), height, width)
    assert loaded.recipe["dataset"] == "spots"
    assert loaded.recipe["dataset_sha256"] == found.sha256
    assert loaded.recipe["held_out_sha256"] == found.split()[1].sha256
    space = LatentSpace.open(tmp_path / "a.pt")
    pictures = space.decode(space.encode(found.split()[1].images))
    errors = np.square(pictures - found.split()[1].images / np.float32(255))
    assert loaded.scores["test_mse"] == pytest.approx(errors.mean(), rel=1e-4)


def test_a_folder_is_trained_on_by_its_training_part_and_resumes_with_the_same_images_only(tmp_path, capsys):
    for part, n in (("train", 20), ("test", 10)):
        images, labels = blots(n, 12, 10)
        for number, (image, name) in enumerate(zip(images, labels % 2)):
            folder = tmp_path / "photos" / part / f"class {name}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{number}.png")
    out = tmp_path / "a.pt"
    assert own("--data", tmp_path / "photos", "--out", out, "--snapshots") == 0
    said = capsys.readouterr().out
    assert "17 images of 10 × 12 pixels to train on, 3 held out" in said
    assert "those in test are not" in said
    loaded = checkpoint.load(out)
    assert loaded.recipe["dataset_sha256"] == dataset.read(tmp_path / "photos", training=True).sha256
    assert set(loaded.snapshots.labels.tolist()) <= {0, 1}

    unfinished = replace(loaded, scores={}, progress={}, history=[], snapshots=None)
    checkpoint.save(out, unfinished)
    np.save(tmp_path / "others.npy", blots(20, 12, 10)[0])
    assert own("--data", tmp_path / "others.npy", "--out", out, "--resume") == 1
    assert "started with other images, of the set photos" in capsys.readouterr().err
    assert own("--out", out, "--resume") == 1
    assert "trained on photos: name its images again" in capsys.readouterr().err
    assert own("--data", tmp_path / "photos", "--out", out, "--resume") == 0


def test_a_folder_of_torchvision_is_found_by_the_name_of_the_data_set(tmp_path, fashion_folder):
    assert own("--dataset=FashionMNIST", "--data", fashion_folder, "--out", tmp_path / "a.pt", "--batch-size=500") == 0
    recipe = checkpoint.load(tmp_path / "a.pt").recipe
    assert recipe["dataset"] == "FashionMNIST"
    assert recipe["held_out_sha256"] == dataset.named("FashionMNIST", fashion_folder, download=False).sha256


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.mkdir(), "No images found"),
        (lambda path: None, "cannot be read: No such file"),
        (lambda path: path.write_bytes(b"no images"), "is not a data set"),
        (lambda path: np.savez(path.open("wb"), images=np.zeros((2, 8, 8), np.uint8)), "too few images to train on"),
    ],
    ids=["empty folder", "missing", "another file", "two images"],
)
def test_a_place_without_images_to_train_on_is_one_sentence(tmp_path, capsys, make, sentence):
    make(tmp_path / "images")
    assert own("--data", tmp_path / "images", "--out", tmp_path / "a.pt") == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not (tmp_path / "a.pt").exists()
