import numpy as np
import pytest

from latent import data
from latent.errors import DataError
from tests.support.models import ROOT


def test_the_evaluation_digits_are_the_real_mnist_test_images():
    images, labels = data.evaluation_digits()
    assert images.shape == (10_000, 28, 28)
    assert images.dtype == np.uint8
    # Counts of the ten digits and the mean pixel of the MNIST test set, known from its publication.
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert images.mean() / 255 == pytest.approx(0.1325, abs=1e-4)
    with pytest.raises(ValueError, match="read-only"):
        images[0, 0, 0] = 1


def test_the_shipped_digits_equal_the_original_files_where_they_are():
    folder = ROOT.parent / "shared" / "mnist"
    if not folder.exists():
        pytest.skip("the original MNIST files are not beside this checkout")
    images, labels = data.load_dataset("MNIST", folder, train=False, download=False)
    assert np.array_equal(images, data.evaluation_digits()[0])
    assert np.array_equal(labels, data.evaluation_digits()[1])


def test_missing_or_damaged_digits_say_how_to_get_them_back(tmp_path, monkeypatch):
    for content in (None, b"", b"PK\x03\x04 but no archive", data.EVALUATION_FILE.read_bytes()[:100_000]):
        path = tmp_path / "digits.npz"
        if content is not None:
            path.write_bytes(content)
        monkeypatch.setattr(data, "EVALUATION_FILE", path)
        data.evaluation_digits.cache_clear()
        with pytest.raises(DataError, match="git checkout"):
            data.evaluation_digits()
    monkeypatch.undo()
    data.evaluation_digits.cache_clear()


def test_fit_leaves_the_right_size_alone_and_resizes_another():
    images = data.evaluation_digits()[0][:3]
    assert data.fit(images, (1, 28, 28)) is images
    assert data.fit(images, (1, 32, 32)).shape == (3, 32, 32)
    colour = data.fit(images, (3, 32, 40))
    assert colour.shape == (3, 32, 40, 3)
    assert np.array_equal(colour[..., 0], colour[..., 2])
    assert colour.mean() == pytest.approx(images.mean(), rel=0.05)


def test_fit_puts_what_is_transparent_onto_a_ground_unless_the_model_takes_four_channels():
    digits = data.evaluation_digits()[0][:3]
    white = np.full((3, 28, 28, 4), 255, np.uint8)
    white[..., 3] = digits
    assert np.array_equal(data.fit(white, (1, 28, 28)), digits)
    assert np.array_equal(data.fit(white, (3, 28, 28)), np.repeat(digits[..., None], 3, axis=3))
    assert data.fit(white, (4, 28, 28)) is white
    colour = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 3), dtype=np.uint8)
    assert np.array_equal(data.fit(colour, (4, 28, 28))[..., :3], colour)
    assert (data.fit(colour, (4, 28, 28))[..., 3] == 255).all()
    assert not data.fit(np.zeros((1, 8, 8, 4), np.uint8), (1, 8, 8)).any()


def test_a_whole_data_set_is_read_from_its_files(fashion_folder):
    images, labels = data.load_dataset("FashionMNIST", fashion_folder, train=True, download=False)
    assert images.shape == (3000, 28, 28)
    assert labels.shape == (3000,)
    assert np.array_equal(images, data.evaluation_digits()[0][:3000])


def test_an_unknown_data_set_lists_the_known_ones(tmp_path):
    with pytest.raises(DataError, match="KMNIST"):
        data.load_dataset("CIFAR10", tmp_path, train=True)


def test_without_files_and_network_one_sentence_says_what_to_do(tmp_path, monkeypatch):
    import torchvision.datasets.mnist

    def unreachable(*_, **__):
        raise OSError("Name or service not known")

    monkeypatch.setattr(torchvision.datasets.mnist, "download_and_extract_archive", unreachable)
    with pytest.raises(DataError, match="four original files") as caught:
        data.load_dataset("KMNIST", tmp_path, train=True)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [0, 10, 1000])
def test_a_file_cut_short_is_refused(tmp_path, fashion_folder, keep):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for source in (fashion_folder / "FashionMNIST" / "raw").iterdir():
        (raw / source.name).write_bytes(source.read_bytes())
    cut = raw / "t10k-images-idx3-ubyte"
    cut.write_bytes(cut.read_bytes()[:keep])
    with pytest.raises(DataError, match="damaged"):
        data.load_dataset("FashionMNIST", tmp_path, train=False, download=False)
