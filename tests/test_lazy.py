import subprocess
import sys

import pytest

from latent.lazy import Lazily
from tests.support.exhaustive import few_of
from tests.support.models import ROOT


@pytest.mark.parametrize("room", few_of(["charts", "report"], ["charts"]))
def test_a_module_is_loaded_with_its_first_use(room):
    program = f"""
import sys
from latent import charts, {room}
import numpy
print("altair" in sys.modules)
charts.classes_chart(numpy.arange(10), "0123456789")
print("altair" in sys.modules)
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["False", "True"]


def test_the_page_imports_nothing_that_its_first_picture_does_not_need():
    program = "import sys, streamlit_app; print([n for n in ('pandas', 'altair', 'sklearn') if n in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.split("\n")[-2] == "[]"


def test_a_module_that_is_not_installed_is_missed_with_its_first_use():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        _ = Lazily("no_such_module").attribute
