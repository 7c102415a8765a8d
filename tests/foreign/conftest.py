import importlib.util

import pytest

from tests.support import keras_styles


@pytest.fixture(scope="session")
def keras():
    """Keras with torch below it."""
    if importlib.util.find_spec("keras") is None:
        pytest.skip("keras is not installed")
    return keras_styles.keras()
