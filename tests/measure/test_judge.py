import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from latent import data, dataset
from latent.errors import ArgumentError, CheckpointError, TrainingError
from latent.measure import judge
from latent.measure.fidelity import frechet_distance
from latent.measure.judge import JUDGE_FILE, Recipe, best_temperature, calibration_error
from latent.measure.judgement import Judgement
from tests.support.bars import RANDOM, bars

SMALL = Recipe(epochs=2, batch_size=64, lr=0.01)


@pytest.fixture(scope="module")
def digits():
    return data.evaluation_digits()


@pytest.fixture(scope="module")
def judgement(digits):
    return judge.judge(digits[0])


def test_the_shipped_judge_is_small_and_knows_992_test_digits_of_1000(digits, judgement):
    assert JUDGE_FILE.stat().st_size <= 500_000
    assert np.mean(judgement.predicted == digits[1]) >= 0.992
    assert judgement.features.shape == (10_000, judge.N_FEATURES)


def test_its_file_is_plain_data_and_its_scores_are_those_that_are_measured(digits, judgement):
    values = torch.load(JUDGE_FILE, weights_only=True)
    assert values["scores"]["accuracy"] == pytest.approx(np.mean(judgement.predicted == digits[1]), abs=2e-4)
    assert values["scores"]["calibration_error"] == pytest.approx(calibration_error(judgement, digits[1]), abs=1e-3)
    assert all(t.dtype == torch.float16 for t in values["state"].values() if t.is_floating_point())


def test_its_confidence_is_how_often_it_is_right(digits, judgement):
    assert calibration_error(judgement, digits[1]) < 0.01
    assert np.allclose(judgement.probabilities.sum(axis=1), 1, atol=1e-5)
    unsure = judgement.confidence < 0.9
    right = judgement.predicted == digits[1]
    assert 0 < unsure.sum() < 400
    assert right[unsure].mean() == pytest.approx(judgement.confidence[unsure].mean(), abs=0.12)


def test_what_is_no_digit_or_two_gets_no_confident_name(digits, judgement):
    images, labels = digits
    other = np.roll(np.arange(len(images)), 1)
    two = (images[other][:2000] / 2 + images[:2000] / 2).astype(np.uint8)[(labels[other] != labels)[:2000]]
    assert np.mean(judge.judge(two).confidence > 0.9) < 0.15
    assert np.median(judge.judge(two).confidence) < 0.7
    noise = np.random.default_rng(0).random((200, 28, 28))
    assert np.median(judge.judge(noise).confidence) < 0.7
    assert judge.judge(np.zeros((1, 28, 28))).confidence[0] < 0.7
    assert np.median(judgement.confidence) > 0.99


def test_other_sizes_colours_and_types_of_the_same_pictures_get_the_same_names(digits, judgement):
    images = digits[0][:500]
    names = judgement.predicted[:500]
    large = images.repeat(2, axis=1).repeat(2, axis=2)
    wide = data.fit(images, (1, 32, 40))
    for other in (large, wide, data.fit(images, (3, 64, 64))):
        assert np.mean(judge.judge(other).predicted == names) > 0.98, other.shape
    assert np.allclose(judge.judge(images / 255).features, judgement.features[:500], atol=1e-4)
    assert np.allclose(
        judge.judge(np.repeat(images[..., None], 3, axis=3)).features, judgement.features[:500], atol=1e-4
    )
    assert np.allclose(judge.judge(images[:7]).probabilities, judgement.probabilities[:7], atol=1e-5)


@pytest.mark.parametrize("wrong", [np.zeros((28, 28)), np.full((2, 28, 28), 7.0), np.full((2, 28, 28), np.nan)])
def test_what_is_no_picture_is_refused(wrong):
    with pytest.raises(ArgumentError):
        judge.judge(wrong)


def test_it_applies_to_digits_and_says_so_where_it_does_not(digits):
    images, labels = digits[0][:500], digits[1][:500]
    shipped = judge.load()
    assert shipped.applies(images, labels)
    assert not shipped.applies(images[:, ::-1], labels), "upside down"
    assert not shipped.applies(255 - images, labels), "black on white"
    assert not shipped.applies(images, (labels + 1) % 10)
    assert shipped.accuracy(images, np.where(np.arange(500) < 250, labels, 10)) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("content", [None, b"", b"no judge", {"format": "another"}, {"format": judge.FORMAT}])
def test_a_file_that_holds_no_judge_is_refused_in_one_sentence(tmp_path, content):
    path = tmp_path / "judge.pt"
    if isinstance(content, dict):
        torch.save(content, path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match="git checkout"):
        judge.load(path)


def run(recipe=SMALL, test=slice(9000, 10_000)):
    images, labels = data.evaluation_digits()
    return judge.train(recipe, (images[:700], labels[:700]), (images[test], labels[test]), show=lambda line: None)


def same(a, b):
    weights = all(torch.equal(a["state"][name], b["state"][name]) for name in a["state"])
    return weights and a["temperature"] == b["temperature"]


@pytest.mark.exhaustive
def test_training_follows_the_seed_and_never_looks_at_the_test_images():
    torch.manual_seed(1)
    a = run()
    torch.manual_seed(2)
    before = torch.get_rng_state()
    b = run(test=slice(8000, 8500))
    assert torch.equal(torch.get_rng_state(), before), "training touched the global random state"
    assert same(a, b)
    assert a["scores"] != b["scores"]
    assert a["scores"]["accuracy"] > 0.5
    assert not same(a, run(Recipe(epochs=2, batch_size=64, lr=0.01, seed=1)))


def test_training_images_stay_pictures_and_labels_stay_shares(digits):
    x = torch.from_numpy(digits[0][:200] / np.float32(255))[:, None]
    y = torch.tensor(digits[1][:200]).long()
    varied, shares = judge.varied(x, y, torch.Generator().manual_seed(0))
    assert varied.shape == x.shape
    assert (varied.min() >= 0, varied.max() <= 1) == (True, True)
    assert torch.allclose(shares.sum(dim=1), torch.ones(200))
    pure = shares.max(dim=1).values == 1
    assert pure.float().mean() == pytest.approx(1 - judge.BLENDED - judge.FADED, abs=0.02)
    assert torch.equal(shares[pure].argmax(dim=1), y[pure])
    assert ((shares > 0).sum(dim=1) == 10).sum() == round(200 * judge.FADED)


def test_the_temperature_undoes_overconfidence():
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(scale=2, size=(5000, 10)))
    labels = np.array([rng.choice(10, p=p) for p in logits.softmax(dim=1).numpy()])

    def thrice_as_sure(images):
        return Judgement(np.zeros((5000, 1)), (3 * logits).softmax(dim=1).numpy())

    assert best_temperature(thrice_as_sure, np.zeros(5000), labels) == pytest.approx(3, rel=0.06)


def test_the_calibration_error_of_two_bins_worked_out_by_hand():
    # Three pictures at 0.9, of which two are right, and one at 0.6 that is wrong.
    first = np.array([0.9, 0.9, 0.9, 0.6])
    judged = Judgement(np.zeros((4, 1)), np.stack([first, 1 - first], axis=1))
    assert calibration_error(judged, np.array([0, 0, 1, 1])) == pytest.approx((abs(2.7 - 2) + 0.6) / 4)


@pytest.mark.exhaustive
def test_the_command_trains_on_another_data_set_into_another_file(tmp_path, fashion_folder, capsys):
    out = tmp_path / "fashion.pt"
    options = ["--dataset", "FashionMNIST", "--epochs", 1, "--data", fashion_folder, "--out", out]
    assert judge.main(list(map(str, options))) == 0
    said = capsys.readouterr().out
    assert "epoch 1/1" in said
    loaded = judge.load(out)
    assert loaded.dataset == "FashionMNIST"
    assert f"{loaded.scores['accuracy']:.4f}" in said
    assert loaded.scores["accuracy"] > 0.7, "the folder holds digits, which are easy"


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": 1}, {"lr": 0.0}])
def test_a_recipe_that_cannot_be_trained_is_refused_by_name(wrong):
    with pytest.raises(TrainingError, match=next(iter(wrong)).replace("_", "-")):
        Recipe(**wrong)


def test_a_mistake_on_the_command_line_is_one_sentence(tmp_path, capsys):
    assert judge.main(["--epochs", "0", "--data", str(tmp_path), "--out", str(tmp_path / "a.pt")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


class TestTheJudgeOfADataSet:
    @pytest.fixture(autouse=True)
    def own_store(self, tmp_path, monkeypatch):
        monkeypatch.setenv("LATENT_CACHE", str(tmp_path / "store"))

    def test_digits_have_the_shipped_one_which_was_taught_none_of_them(self):
        found = judge.judge_of(dataset.shipped())
        assert found is judge.load()
        assert found.judged(10_000).tolist() == list(range(10_000))

    @pytest.mark.parametrize(("colours", "shape"), [((3,), (24, 40)), ((), (40, 24))], ids=["colour", "grey"])
    def test_one_is_trained_on_a_third_kept_and_right_about_the_others(self, monkeypatch, colours, shape):
        monkeypatch.setattr(judge, "STEPS", 60)
        images, shares = bars(240, *shape, colours), []
        found = judge.judge_of(images, shares.append)
        assert shares == sorted(shares)
        assert shares[-1] == 1
        assert (found.classes, found.dataset) == (images.classes, "bars")
        assert np.bincount(images.labels[found.taught]).tolist() in ([27, 27, 26], [27, 26, 27], [26, 27, 27])
        rows = found.judged(240)
        assert sorted([*rows, *found.taught]) == list(range(240))
        right = np.mean(found(images.images[rows]).predicted == images.labels[rows])
        assert found.scores["accuracy"] == pytest.approx(right, abs=1e-6)
        assert right >= found.needed >= judge.COMPETENT_TAUGHT
        assert f"{right:.1%}" in found.name

        def never(*given):
            raise AssertionError("trained again")

        monkeypatch.setattr(judge, "teach", never)
        again = judge.judge_of(images)
        assert np.array_equal(again(images.images).probabilities, found(images.images).probabilities)
        assert np.array_equal(again.taught, found.taught)

    def test_it_follows_from_the_images_alone(self, monkeypatch, tmp_path):
        monkeypatch.setattr(judge, "STEPS", 10)
        monkeypatch.setattr(judge, "COMPETENT_TAUGHT", 0.0)
        images, found = bars(60), []
        for seed in (1, 2):
            monkeypatch.setenv("LATENT_CACHE", str(tmp_path / str(seed)))
            torch.manual_seed(seed)
            before = torch.get_rng_state()
            found.append(judge.judge_of(images)(images.images).features)
            assert torch.equal(torch.get_rng_state(), before), "training touched the global random state"
        assert np.array_equal(*found)

    def test_labels_that_the_images_do_not_show_are_not_named(self, monkeypatch):
        monkeypatch.setattr(judge, "STEPS", 20)
        images = replace(bars(90), labels=RANDOM.permutation(90) % 3)
        found = judge.judge_of(images)
        assert not found.names_classes
        assert re.search(r"names \d+\.\d% of the others rightly; at least 70.0% are needed\.$", found.refusal)

    def test_naming_always_the_most_frequent_class_is_not_competent(self, monkeypatch):
        monkeypatch.setattr(judge, "STEPS", 20)
        images = bars(100)
        rare = replace(images, labels=(np.arange(100) % 10 == RANDOM.integers(10)).astype(int), classes=("a", "b"))
        found = judge.judge_of(rare)
        assert not found.names_classes
        assert "at least 9" in found.refusal

    @pytest.mark.parametrize(
        ("n", "n_classes", "sentence"),
        [
            (40, 0, "no classes"),
            (40, 1, "All images are of one class"),
            (20, 3, "at least 30 images"),
            (100, 100, "of the others rightly"),
            (1, 1, "one class"),
        ],
    )
    def test_without_classes_that_can_be_told_there_is_a_random_network(self, monkeypatch, n, n_classes, sentence):
        monkeypatch.setattr(judge, "STEPS", 5)
        images = bars(n, n_classes=max(1, n_classes))
        found = judge.judge_of(images if n_classes else replace(images, labels=None, classes=()))
        assert found.name == "a random convolutional network"
        assert found.refusal.endswith(".")
        assert sentence in found.refusal
        verdict = found(images.images)
        assert verdict.features.shape == (n, judge.N_FEATURES)
        assert (verdict.probabilities.shape, verdict.predicted.shape, verdict.confidence.shape) == ((n, 0), (0,), (0,))
        assert np.isfinite(verdict.features).all()
        assert not found.applies(images.images, images.labels)

    @pytest.mark.exhaustive
    def test_the_random_network_is_always_the_same_and_tells_real_images_from_others(self, digits):
        images = replace(dataset.shipped(), labels=None, classes=())
        found = judge.judge_of(images)
        a, b = np.split(np.random.default_rng(0).permutation(10_000)[:4000], 2)
        real = found(digits[0][a]).features
        assert np.array_equal(real, judge.judge_of(images)(digits[0][a]).features)
        others = {
            "blurred": ndimage.gaussian_filter(digits[0][b], (0, 1, 1)),
            "inverted": 255 - digits[0][b],
            "twenty, repeated": np.repeat(digits[0][b[:20]], 100, axis=0),
            "of five classes": digits[0][b][digits[1][b] < 5],
        }
        distances = {name: frechet_distance(real, found(each).features) for name, each in others.items()}
        floor = frechet_distance(real, found(digits[0][b]).features)
        assert min(distances.values()) > 2 * floor
        assert min(distances["blurred"], distances["inverted"], distances["twenty, repeated"]) > 10 * floor

    @pytest.mark.parametrize("shape", [(2, 64, 48), (2, 64, 48, 3), (2, 64, 48, 4)])
    def test_pictures_of_other_colours_and_sizes_are_judged(self, shape):
        for colours in ((), (3,)):
            found = judge.random_network(bars(40, colours=colours), "")
            assert found(RANDOM.random(shape)).features.shape == (2, judge.N_FEATURES)

    def test_what_is_transparent_is_black(self):
        found = judge.random_network(bars(40), "")
        clear = np.full((1, 28, 28, 4), 255, np.uint8)
        clear[..., 3] = 0
        assert np.array_equal(found(clear).features, found(np.zeros((1, 28, 28, 3), np.uint8)).features)
