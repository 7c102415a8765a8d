import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from latent import arrow
from tests.support.models import ROOT

COLUMNS = {
    "floats": (np.array([1.5, np.nan, -0.0]), [1.5, None, 0.0]),
    "all missing": (np.full(3, np.nan), [None] * 3),
    "float32": (np.array([0.25, np.inf, np.nan], np.float32), [0.25, np.inf, None]),
    "integers": (np.array([1, -2, 3]), [1, -2, 3]),
    "bytes": (np.array([0, 255, 7], np.uint8), [0, 255, 7]),
    "truths": (np.arange(11) % 3 == 0, [i % 3 == 0 for i in range(11)]),
    "texts": (np.array(["ae-16", "", "Fréchet …"]), ["ae-16", "", "Fréchet …"]),
    "objects": (np.array(["a", None, 2.0], object)[:2], ["a", None]),
    "every other": (np.arange(6.0)[::2], [0.0, 2.0, 4.0]),
    "nothing": (np.zeros(0), []),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_holds_the_values_of_the_array(name):
    values, expected = COLUMNS[name]
    made = arrow.column(values)
    made.validate(full=True)
    assert made.to_pylist() == expected
    assert made.null_count == expected.count(None)


def test_the_rows_of_a_frame_and_of_columns_are_the_same_table_and_come_through_a_stream():
    columns = {"name": np.array(["a", "b"]), "value": np.array([0.5, np.nan])}
    table = arrow.to_table(columns)
    assert table.to_pylist() == arrow.to_table(pd.DataFrame(columns)).to_pylist()
    assert arrow.pa.ipc.open_stream(arrow.to_bytes(table)).read_all().equals(table)


def test_charts_are_drawn_without_pandas():
    program = """
import sys
import numpy as np
from latent import charts
charts.packed(charts.classes_chart(np.arange(10), "0123456789"))
charts.packed(charts.walk_chart(charts.walk_rows(np.arange(3.0), np.ones(3), np.ones(3)), "thickness"))
assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
