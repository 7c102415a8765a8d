"""The table that the benchmarks write into the page of figures."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from benchmarks import shares, shipped, table
from benchmarks.comparison import Row
from latent import checkpoint

OLD = "| old | peer | 1.00, 2.00 ms | 0.50 | at most 1 | then |\n"
PAGE = f"Before.\n\n{table.BEGIN}{table.HEAD}{OLD}{table.END}\nAfter.\n"


def test_rows_take_the_place_of_those_of_the_same_name_and_others_stay():
    rows = [Row("old", "peer", "ms", 3.0, 2.0, 1.5, 1.0), Row("new", "limit", "MB", 5.0, 4.0, 1.0, 0.5, at_least=True)]
    text = table.renewed(PAGE, rows, "now")
    assert text.startswith("Before.\n\n")
    assert text.endswith("\nAfter.\n")
    assert text.count("| old |") == 1
    assert "| old | peer | 3.00, 2.00 ms | 1.50, missed | at most 1 | now |\n" in text
    assert "| new | limit | 5.00, 4.00 MB | 1.00 | at least 0.5 | now |\n" in text
    assert table.renewed(text, rows, "now") == text


def test_a_peer_that_is_not_here_takes_nothing_away():
    missing = Row("old", "peer", missing="peer is not installed")
    assert table.renewed(PAGE, [missing], "now") == PAGE
    assert "| other |  | peer is not installed | – | – | – |" in table.renewed(
        PAGE, [Row("other", "", missing="peer is not installed")], "now"
    )


def test_a_page_without_a_place_for_it_is_refused():
    with pytest.raises(ValueError, match="needs a line"):
        table.renewed("Nothing.\n", [], "now")


def test_the_page_of_figures_has_a_place_for_it():
    text = table.PAGE.read_text(encoding="utf-8")
    assert table.renewed(text, [], "now") == text


def test_the_page_of_shipped_models_has_its_table_and_names_every_file():
    text = shipped.PAGE.read_text(encoding="utf-8")
    written = text.partition(shipped.BEGIN)[2].partition(shipped.END)[0].removeprefix(shipped.HEAD)
    assert shipped.renewed(text, [written]) == text
    names = [row.split("`")[1] for row in written.splitlines()]
    assert names == [path.name for path in checkpoint.find(shipped.FOLDER)]
    with pytest.raises(ValueError, match="needs a line"):
        shipped.renewed("Nothing.", [])


def test_the_baseline_of_shipped_models_is_scikit_learns():
    training, test = np.random.default_rng(0).integers(0, 256, (2, 60, 4, 5), np.uint8)
    found = shipped.pca_errors(training, test, [2, 7])
    x, y = (each.reshape(60, -1) / 255 for each in (training, test))
    for size, error in found.items():
        peer = PCA(size).fit(x)
        assert error == pytest.approx(np.square(peer.inverse_transform(peer.transform(y)) - y).mean(), rel=1e-4)


IMAGES, NETWORK = "sheet (/x/latent/images.py:9)", "forward (/x/site-packages/torch/nn/conv.py:9)"
STREAMLIT, TURNS = "image (/x/site-packages/streamlit/elements/image.py:9)", "one (/x/latent/page/turns.py:9)"
OTHER = "call (/x/site-packages/other/core.py:9)"
BEGUN = [STREAMLIT, "run (/x/latent/page/fragment.py:36)"]


@pytest.mark.parametrize(
    ("calls", "owner"),
    [
        ([IMAGES], "script"),
        ([IMAGES, OTHER], "script"),
        ([IMAGES, NETWORK, OTHER], "network"),
        ([IMAGES, STREAMLIT, OTHER], None),
        ([IMAGES, TURNS], None),
    ],
)
def test_time_is_whose_code_called_last(calls, owner):
    assert shares.owner_of([*BEGUN, *calls]) == owner
    assert shares.owner_of([STREAMLIT, *calls]) is None


def test_samples_are_milliseconds_of_the_processor():
    stacks = {";".join([*BEGUN, IMAGES]): 10, ";".join([*BEGUN, IMAGES, NETWORK]): 5, OTHER: 7}
    found = shares.milliseconds("\n".join(f"{stack} {times}" for stack, times in stacks.items()))
    assert found == {"script": 10 * 1000 / shares.RATE, "network": 5 * 1000 / shares.RATE}
