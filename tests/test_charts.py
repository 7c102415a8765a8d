import json
import re
import subprocess
import sys
from pathlib import Path

import altair as alt
import numpy as np
import pyarrow as pa
import pytest

from latent import charts
from latent.statistics import LatentStatistics

Z = np.random.default_rng(0).normal(size=(500, 6)).astype(np.float32)
STATISTICS = LatentStatistics.of(Z)
ACTIVE = np.array([True, True, False, True, True, True])
HISTORY = [{"epoch": e, "train_loss": 1 / e, "test_loss": 2 / e, "test_mse": 2 / e, "seconds": 1.0} for e in (1, 2, 3)]
ZOO = [("ae-2", 2.0, 0.3), ("ae-4", 4.0, 0.1), ("vae-4", 4.0, 0.101), ("unknown", 8.0, None)]
PATHS = {"linear": Z[0], "spherical": Z[1]}
NAMES = [str(index) for index in range(10)]
COUNTS = np.array([[0, 1, 1000], [7, 0, 0]])
CHARTS = {
    "history": lambda: charts.history_chart(HISTORY),
    "histograms": lambda: charts.histograms_chart(Z, ACTIVE),
    "values": lambda: charts.values_chart(Z),
    "box": lambda: charts.box_chart(STATISTICS, ACTIVE),
    "code": lambda: charts.code_chart(charts.code_rows(Z[0], STATISTICS)),
    "codes": lambda: charts.codes_chart(charts.codes_rows(Z[:10]), 3.0),
    "density": lambda: charts.density_chart(COUNTS, (np.arange(4.0), np.arange(3.0)), ("across", "up")),
    "effects": lambda: charts.effects_chart(np.arange(6), np.abs(Z[0]), 3),
    "digits": lambda: charts.classes_chart(np.arange(10), NAMES),
    "match": lambda: charts.match_chart(np.arange(30).reshape(3, 10), NAMES, ["data:,"] * 3),
    "samplers": lambda: charts.samplers_chart({"normal": 34.0, "mixture": 0.6, "real": 0.0}, ["real"]),
    "shares": lambda: charts.shares_chart(np.full((2, 10), 0.1), "ab", "0123456789", ("sampler", "digit", "share")),
    "matrix": lambda: charts.matrix_chart(np.eye(3), "abc", "xyz", ("dimension", "property", "correlation")),
    "errors": lambda: charts.errors_chart(np.abs(Z[:, 0]), {"mean": 0.5, "PCA": 0.7, "the mean picture": 2.0}),
    "ways": lambda: charts.paths_chart({"linear": 1 + np.abs(Z[:9, 0]), "spherical": np.array([1.5, np.nan])}, 15),
    "spread": lambda: charts.spread_chart({"A": STATISTICS.std, "B": 2 * STATISTICS.std}, [ACTIVE, ACTIVE]),
    "zoo": lambda: charts.zoo_chart(ZOO, "error", ".5f", ["ae-2", "ae-4"], [0.5, 0.4, 0.3, 0.2], log=True),
    "walk": lambda: charts.walk_chart(charts.walk_rows(np.arange(3), Z[0][:3], Z[1][:3]), "thickness, pixels"),
    "steps": lambda: charts.steps_chart(charts.steps_rows(PATHS), list(PATHS)),
}


def rows(chart: alt.LayerChart | alt.Chart) -> list[list[dict]]:
    return list(chart.to_dict()["datasets"].values())


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_is_valid_and_titles_its_axes(name):
    spec = CHARTS[name]().to_dict()
    layers = spec.get("layer", [spec])
    for axis in ("x", "y"):
        encodings = [layer["encoding"][axis] for layer in layers if axis in layer["encoding"]]
        hidden = any(encoding.get("axis", "shown") is None for encoding in encodings)
        titled = any(encoding.get("title") for encoding in encodings)
        assert titled or (hidden and "title" in spec), f"{name}: {axis} has no title"


@pytest.mark.parametrize("name", CHARTS)
def test_a_packed_chart_looks_the_same_and_holds_the_same_rows(name):
    plain, packed = CHARTS[name]().to_dict(), charts.packed(CHARTS[name]())
    tables = [pa.ipc.open_stream(rows).read_all().to_pylist() for rows in packed.pop("datasets").values()]
    assert tables == list(plain.pop("datasets").values())
    assert re.sub("rows-[0-9]+", "", json.dumps(packed)) == re.sub("data-[0-9a-f]+", "", json.dumps(plain))


def test_the_histograms_hold_every_code_of_every_dimension():
    panels = max(rows(charts.histograms_chart(Z, ACTIVE)), key=len)
    for dimension in range(6):
        assert sum(row["codes"] for row in panels if row["dimension"] == dimension) == 500
    assert {row["state"] for row in panels if row["dimension"] == 2} == {"inactive"}


def test_box_plots_are_drawn_from_quantiles_not_from_points():
    boxes = max(rows(charts.box_chart(STATISTICS, ACTIVE)), key=len)
    assert len(boxes) == 6
    assert boxes[3]["median"] == pytest.approx(float(np.median(Z[:, 3])), abs=1e-4)
    assert boxes[3]["q1"] < boxes[3]["median"] < boxes[3]["q3"]


def test_a_space_of_hundreds_of_dimensions_and_one_of_one_are_drawn():
    for latent_dim in (1, 300):
        z = np.random.default_rng(0).normal(size=(50, latent_dim)).astype(np.float32)
        statistics = LatentStatistics.of(z)
        active = np.arange(latent_dim) % 2 == 0
        charts.histograms_chart(z, active).to_dict()
        charts.box_chart(statistics, active).to_dict()
        charts.code_chart(charts.code_rows(z[0], statistics)).to_dict()


def test_a_constant_code_is_drawn_without_a_warning():
    z = np.zeros((10, 2), np.float32)
    charts.histograms_chart(z, np.zeros(2, bool)).to_dict()
    charts.values_chart(z).to_dict()
    charts.codes_chart(charts.codes_rows(z), charts.reach_of(z)).to_dict()


@pytest.mark.parametrize(
    "room",
    [
        *("errors", "charts", "statistics", "sampling", "traversal", "interpolation", "images", "codes", "data"),
        *("components", "clustering", "neighbours", "support", "projection", "directions", "drawing", "shelf"),
        *("measure.knowledge", "measure.properties", "measure.fidelity", "measure.alignment", "measure.smoothness"),
        *("measure.dimensions", "files", "arrays"),
    ],
)
def test_rooms_that_work_on_arrays_bring_neither_torch_nor_streamlit_along(room):
    code = f"import sys, latent.{room}; assert not {{'torch', 'streamlit'}} & set(sys.modules), 'came along'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_room_of_the_package_brings_streamlit_along():
    package = Path(charts.__file__).parent
    paths = [path.relative_to(package.parent).with_suffix("") for path in package.rglob("*.py")]
    rooms = [".".join(path.parts) for path in paths if path.stem not in ("__init__", "__main__")]
    imports = ", ".join(room for room in rooms if not room.startswith("latent.page."))
    code = f"import sys, {imports}; assert 'streamlit' not in sys.modules, 'came along'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_table_of_clusters_holds_every_count_and_a_picture_a_row():
    table = np.arange(30).reshape(3, 10)
    found = rows(charts.match_chart(table, NAMES, ["data:,a", "data:,b", "data:,c"]))
    counts = max(found, key=len)
    assert [row["images"] for row in counts] == list(range(30))
    assert sum(row["share"] for row in counts if row["cluster"] == 1) == pytest.approx(1)
    assert [row["icon"] for row in min(found, key=len)] == ["data:,a", "data:,b", "data:,c"]


def test_every_digit_has_its_own_colour_and_a_value_one_between_dark_and_light():
    colours = charts.category_colours(np.arange(10))
    assert len({tuple(colour) for colour in colours}) == 10
    assert np.array_equal(charts.category_colours(np.array([13])), colours[[3]])
    values = np.linspace(0, 5, 101)
    shades, legend = charts.value_colours(values)
    assert np.array_equal(shades[[0, -1]], charts.rgb_of([charts.SCALE[0], charts.SCALE[-1]]))
    assert (np.diff(shades.astype(int).sum(axis=1)) >= -3).all()
    assert len(legend) == 5
    assert np.isfinite(charts.value_colours(np.ones(3))[0]).all()


def test_the_spread_is_sorted_and_keeps_the_numbers_of_the_dimensions():
    found = max(rows(charts.spread_chart({"A": STATISTICS.std, "B": STATISTICS.std}, [ACTIVE, ACTIVE])), key=len)
    of_a = [row for row in found if row["run"] == "A"]
    assert [row["std"] for row in of_a] == sorted((float(std) for std in STATISTICS.std), reverse=True)
    assert [row["dimension"] for row in of_a if row["state"] == "inactive"] == [2]


def test_the_zoo_names_every_checkpoint_and_two_stand_out():
    chart = charts.zoo_chart(ZOO, "error", ".5f", ["ae-4", "ae-2"], [0.5, 0.4, np.nan, 0.2, 0.1])
    found = [row for part in rows(chart) for row in part]
    assert {row["label"]: row["state"] for row in found if "label" in row} == {
        "ae-2": "B",
        "ae-4": "A",
        "vae-4": "other",
    }
    assert {row["latent_dim"] for row in found if row["checkpoint"] == "PCA"} == {2, 4, 5}


def test_names_of_points_at_one_place_are_moved_apart_and_no_others():
    x, y = np.array([16, 16, 16, 2]), np.array([1.0, 1.01, 5.0, 1.0])
    places = charts.apart(x, y, 0.5, log=False)
    assert np.diff(np.sort(places[:3])).min() >= 0.5 - 1e-9
    assert places[3] == 1
    assert np.argsort(places[:3]).tolist() == [0, 1, 2]
    assert (charts.apart(x, y, 0.5, log=True) > 0).all()


def test_the_density_has_a_cell_where_codes_are_and_none_elsewhere():
    (cells,) = rows(charts.density_chart(COUNTS, (np.arange(4.0), np.arange(3.0)), ("across", "up")))
    assert {(cell["left"], cell["bottom"]): cell["codes"] for cell in cells} == {(1, 0): 1, (2, 0): 1000, (0, 1): 7}
    assert all((cell["right"], cell["top"]) == (cell["left"] + 1, cell["bottom"] + 1) for cell in cells)
