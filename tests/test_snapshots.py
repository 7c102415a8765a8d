import io
import subprocess
import zlib
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence
from streamlit.testing.v1 import AppTest

from latent import charts, checkpoint, data, inference, train
from latent.errors import ArgumentError, CheckpointError
from latent.film import Film
from latent.snapshots import FEWEST_EPOCHS, N_IMAGES, N_PICTURES, Snapshots
from tests.support.models import CHECKPOINTS, ROOT, filmed, history, settling, tiny
from tests.support.page import delivered, parts
from tests.support.training import CPU, ENVIRONMENT, SMALL, command, same_weights, some_images

FILMED = replace(SMALL, snapshots=True)
MEGABYTE = 1_000_000


def run(recipe, out, **more):
    _, labels = data.evaluation_digits()
    show = more.pop("show", lambda line: None)
    return train.train(recipe, some_images(), out, device=CPU, labels=labels[400:600], show=show, **more)


def noise(latent_dim, n_epochs, shape=(28, 28), n_images=N_IMAGES, seed=0):
    """A film of noise, which cannot be deflated."""
    random = np.random.default_rng(seed)
    film = Snapshots.plan(random.integers(0, 10, n_images, np.uint8), latent_dim, shape)
    for epoch in range(n_epochs):
        z = random.normal(0, 1 + epoch, (film.n_images, latent_dim))
        film = film.after(epoch, z, random.integers(0, 256, (film.n_pictures, *shape), np.uint8))
    return film


def same_film(a, b):
    left, right = a.to_arrays(), b.to_arrays()
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize(
    ("latent_dim", "shape", "n_epochs"),
    [(1, (28, 28), 42), (2, (28, 28), 42), (16, (28, 28), 24), (512, (28, 28), 10), (5000, (28, 28), 10),
     (8, (64, 64, 3), 20), (2, (3, 3), 260)],
)  # fmt: skip
def test_a_film_takes_at_most_a_megabyte_of_the_file_whatever_it_shows(latent_dim, shape, n_epochs):
    film = noise(latent_dim, n_epochs, shape)
    content = replace(tiny(), snapshots=film)
    assert len(checkpoint.to_bytes(content)) - len(checkpoint.to_bytes(tiny())) <= MEGABYTE
    assert len(film) >= FEWEST_EPOCHS
    assert film.epochs[0] == 0
    assert film.epochs[-1] == n_epochs - 1


def test_every_epoch_of_a_run_like_the_shipped_ones_is_kept():
    film = noise(2, 30)
    assert film.epochs.tolist() == list(range(30))
    assert film.codes.shape == (30, N_IMAGES, 2)
    assert film.reconstructions.shape == (30, N_PICTURES, 28, 28)
    assert noise(64, 2).n_images == N_IMAGES


@pytest.mark.exhaustive
def test_of_a_long_run_the_early_epochs_are_kept_closer_together():
    gaps = np.diff(noise(2, 80).epochs)
    assert (gaps[:5] == 1).all()
    assert gaps[-8:].mean() >= 2 * gaps[:8].mean()


@pytest.mark.parametrize(("latent_dim", "steps"), [(1, 65535), (2, 65535), (3, 255), (16, 255)])
def test_codes_come_back_within_half_a_step_and_pictures_within_half_a_grey(latent_dim, steps):
    random = np.random.default_rng(1)
    film = Snapshots.plan(np.zeros(50, np.uint8), latent_dim, (5, 4))
    z, pictures = random.normal(3, 9, (2, 50, latent_dim)), random.random((2, 50, 5, 4))
    for epoch in range(2):
        film = film.after(epoch, z[epoch], pictures[epoch])
    half = (z.max(axis=1) - z.min(axis=1)) / steps / 2
    assert (np.abs(film.codes - z).max(axis=1) <= half + 1e-5).all()
    assert np.abs(film.reconstructions / 255 - pictures[:, :N_PICTURES]).max() <= 0.5 / 255 + 1e-9


def test_codes_that_are_all_the_same_and_codes_of_any_size_survive():
    film = Snapshots.plan(np.zeros(3, np.uint8), 2, (2, 2))
    z = np.array([[7, 1e30], [7, -1e30], [7, 0]], np.float32)
    assert np.allclose(film.after(0, z, np.zeros((3, 2, 2))).codes[0], z, rtol=1e-4, atol=2e26)


def test_the_film_is_plain_tensors_that_torch_reads_without_this_package(tmp_path):
    film = settling()
    checkpoint.save(tmp_path / "a.pt", filmed())
    found = torch.load(tmp_path / "a.pt", weights_only=True)["snapshots"]
    assert all(isinstance(part, torch.Tensor) for part in found.values())
    inflated = zlib.decompress(found["reconstructions"].numpy().tobytes())
    pictures = np.frombuffer(inflated, np.uint8).reshape(found["reconstructions_shape"].tolist())
    assert np.array_equal(pictures, film.reconstructions)
    share = found["levels"].numpy() / np.iinfo(found["levels"].numpy().dtype).max
    low, high = found["low"].numpy()[:, None], found["high"].numpy()[:, None]
    assert np.allclose(low + share * (high - low), film.codes, atol=1e-5)
    assert same_film(checkpoint.load(tmp_path / "a.pt").snapshots, film)


def test_a_film_changes_nothing_of_the_training_and_shows_the_untrained_network_first(tmp_path):
    plain, with_film = run(SMALL, tmp_path / "plain.pt"), run(FILMED, tmp_path / "filmed.pt")
    assert same_weights(plain, with_film)
    film = checkpoint.load(tmp_path / "filmed.pt").snapshots
    assert film.epochs.tolist() == [0, 1, 2, 3]
    images, labels = data.evaluation_digits()
    assert np.array_equal(film.labels, labels[400:600])
    for frame, model in ((0, train.initial_model(plain.config, SMALL.seed).eval()), (-1, plain.model())):
        z = inference.encode(model, images[400:600])
        assert np.abs(film.codes[frame] - z).max() <= np.ptp(z, axis=0).max() / 65535
        pictures = inference.decode(model, z[:N_PICTURES])
        assert np.abs(film.reconstructions[frame] / 255 - pictures).max() <= 0.51 / 255
    assert plain.snapshots is None


def test_the_last_frame_of_a_file_in_half_precision_is_what_the_file_gives(tmp_path):
    run(replace(FILMED, half=True), tmp_path / "a.pt")
    saved = checkpoint.load(tmp_path / "a.pt")
    z = inference.encode(saved.model(), some_images()[1])
    assert saved.snapshots.epochs.tolist() == [0, 1, 2, 3]
    assert np.abs(saved.snapshots.codes[-1] - z).max() <= np.ptp(z, axis=0).max() / 65535


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_a_stopped_run_goes_on_to_the_same_film(tmp_path, kind):
    recipe = replace(FILMED, kind=kind, latent_dim=3)
    whole = run(recipe, tmp_path / "whole.pt")

    def stop(line):
        if line.startswith("epoch 2/"):
            raise KeyboardInterrupt

    out = tmp_path / "stopped.pt"
    with pytest.raises(KeyboardInterrupt):
        run(recipe, out, show=stop)
    stopped = checkpoint.load(out)
    assert stopped.snapshots.epochs.tolist() == [0, 1, 2]
    resumed = run(recipe, out, started=stopped)
    assert same_film(resumed.snapshots, whole.snapshots)
    assert same_film(checkpoint.load(out).snapshots, whole.snapshots)


def test_a_run_that_was_started_without_a_film_has_none_later(tmp_path, capsys):
    run(SMALL, tmp_path / "a.pt")
    assert train.main(["--out", str(tmp_path / "a.pt"), "--resume", "--snapshots"]) == 1
    assert "--snapshots False, not True" in capsys.readouterr().err


@pytest.mark.exhaustive
def test_two_processes_keep_one_film(tmp_path, fashion_folder):
    out = tmp_path / "a.pt"
    options = ["--epochs", 2, "--data", fashion_folder, "--out", out, "--device", "cpu", "--snapshots"]
    subprocess.run(command(*options, processes=2), cwd=ROOT, env=ENVIRONMENT, capture_output=True, check=True)
    film = checkpoint.load(out).snapshots
    assert film.epochs.tolist() == [0, 1, 2]
    assert np.array_equal(film.labels, data.evaluation_digits()[1][6000:7000])
    assert np.ptp(film.codes[2], axis=0).min() > 0


def test_files_without_a_film_open_as_before():
    assert checkpoint.load(CHECKPOINTS / "ae-8.pt").snapshots is None


@pytest.mark.parametrize(
    "harm",
    [
        lambda film: film.pop("levels"),
        lambda film: film.update(levels=film["levels"][:, :-1].clone()),
        lambda film: film.update(levels=film["levels"][..., :1].clone(), low=film["low"][:, :1].clone(),
                                 high=film["high"][:, :1].clone()),
        lambda film: film.update(levels=film["levels"].float()),
        lambda film: film.update(epochs=film["epochs"].flip(0)),
        lambda film: film.update(epochs="yesterday"),
        lambda film: film.update(low=film["high"].clone(), high=film["low"].clone()),
        lambda film: film.update(reconstructions=film["reconstructions"][:-9].clone()),
        lambda film: film.update(reconstructions=film["reconstructions"].flip(0)),
        lambda film: film.update(reconstructions_shape=film["reconstructions_shape"] * 0 - 1),
        lambda film: film.update(reconstructions_shape=torch.tensor([6, 32, 2**40, 2**40])),
        lambda film: film.update(reconstructions_shape=torch.tensor([6, 32, 28, 27])),
    ],
    ids=["none", "images", "length", "floats", "backwards", "text", "range", "short", "garbled", "negative", "huge",
         "smaller"],
)  # fmt: skip
def test_a_damaged_film_is_one_sentence(tmp_path, harm):
    values = torch.load(io.BytesIO(checkpoint.to_bytes(filmed())), weights_only=True)
    harm(values["snapshots"])
    torch.save(values, tmp_path / "bad.pt")
    with pytest.raises(CheckpointError, match=r"^bad\.pt: the snapshots of its training are damaged: .*[^.]\.$"):
        checkpoint.load(tmp_path / "bad.pt")


def test_a_part_that_is_no_film_at_all_is_one_sentence(tmp_path):
    values = torch.load(io.BytesIO(checkpoint.to_bytes(filmed())), weights_only=True)
    values["snapshots"] = [1, 2]
    torch.save(values, tmp_path / "bad.pt")
    with pytest.raises(CheckpointError, match=r"bad\.pt"):
        checkpoint.load(tmp_path / "bad.pt")


def test_a_snapshot_of_another_shape_or_of_nothing_is_refused():
    film = settling()
    z, pictures = film.codes[0], film.reconstructions[0]
    for bad_z, bad_pictures in ((z[:, :1], pictures), (z, pictures[:, :-1]), (z * np.nan, pictures)):
        with pytest.raises(ArgumentError):
            film.after(9, bad_z, bad_pictures)
    with pytest.raises(ArgumentError, match="before epoch 5"):
        film.after(2, z, pictures)
    with pytest.raises(ArgumentError, match="100000"):
        Snapshots.plan(film.labels, 100_000, (28, 28))


@pytest.mark.parametrize(("latent_dim", "axes"), [(1, ("dimension 0", "class")), (2, ("dimension 0", "dimension 1"))])
def test_small_spaces_are_their_own_map(latent_dim, axes):
    film = Film.of(settling(latent_dim), history(6))
    assert film.axes == axes
    codes, shown = film.snapshots.codes[:, :, 0].ravel(), film.places[:, :, 0].ravel()
    assert np.allclose(np.polyval(np.polyfit(codes, shown, 1), codes), shown, atol=1e-4)  # one scale for all epochs


def test_of_more_dimensions_all_epochs_lie_on_the_last_one_s_plane():
    film = Film.of(settling(7), history(6))
    last = film.snapshots.codes[-1].astype(np.float64)
    mean = last.mean(axis=0)
    axes = np.linalg.svd(last - mean, full_matrices=False)[2][:2]
    for axis in range(2):
        expected = ((film.snapshots.codes - mean) @ axes[axis]).ravel()
        assert abs(np.corrcoef(expected, film.places[..., axis].ravel())[0, 1]) > 0.9999
    assert film.axes[0].startswith("principal component 1")
    assert np.mean((film.places >= 0) & (film.places <= 1)) > 0.98


def test_a_frame_is_told_with_its_loss():
    film = Film.of(settling(), history(6))
    assert film.caption(0).startswith("before training")
    assert film.caption(4) == "epoch 4 of 5, test loss 0.2500"
    assert np.isnan(film.losses[0])


def test_the_gif_has_a_frame_an_epoch_in_the_colours_of_the_digits():
    film = Film.of(settling(n_epochs=41), history(41))
    content = film.gif(charts.CLASSES)
    assert len(content) < 3 * 1024**2
    frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(Image.open(io.BytesIO(content)))]
    assert len(frames) == 41
    for colour in (film.snapshots.labels[0], 4):
        red, green, blue = bytes.fromhex(charts.CLASSES[colour][1:])
        assert (np.asarray(frames[-1]) == (red, green, blue)).all(axis=-1).any()
    assert all(np.any(np.asarray(a) != np.asarray(b)) for a, b in pairwise(frames))


def opened(film_page, monkeypatch, name):
    monkeypatch.setenv("LATENT_CHECKPOINTS", str(film_page.parent))
    monkeypatch.syspath_prepend(str(ROOT))
    app = AppTest.from_file(str(film_page), default_timeout=60)
    app.query_params["checkpoint"] = name
    app.run()
    assert not app.exception
    return app


def test_the_page_sends_the_film_once_with_what_is_said_of_every_frame(film_page, monkeypatch):
    app = opened(film_page, monkeypatch, "filmed")
    film = checkpoint.load(film_page.parent / "filmed.pt").snapshots
    (shown,) = parts(app, "film").values()
    assert shown["captions"] == [Film.of(film, history(6)).caption(frame) for frame in range(6)]
    assert shown["losses"] == [None, 1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    assert shown["colours"] == list(charts.CLASSES)
    frames = delivered(app)[shown["frames"]]
    assert frames["shape"] == [6, 32, 28, 28, 1]
    assert any("Training GIF" in button.proto.label for button in app.main.get("download_button"))


def test_without_a_film_the_page_says_how_to_get_one(film_page, monkeypatch):
    app = opened(film_page, monkeypatch, "plain")
    assert not parts(app, "film")
    assert any("--snapshots" in caption.value for caption in app.caption)
