"""What torch writes in every format is read back to the same function."""

import pytest

from latent import checkpoint
from tests.support.round_trips import ALLOWED, FORMATS, difference, written
from tests.support.unusual import NETWORKS

NORMAL = {("dense VAE", "frozen"), ("VQ-VAE", "ONNX 13"), ("conditional", ".pt2"), ("batch normalisation", "traced")}
NOT_WRITTEN = {  # by torch itself
    ("batch normalisation", "scripted"), ("U-shaped", "scripted"), ("KL", "scripted"), ("residual", "ONNX 18"),
    ("transformer", "ONNX 13"), ("KL", "ONNX 13"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # torch's own
@pytest.mark.parametrize(
    ("name", "format"),
    [
        pytest.param(name, format, marks=[] if (name, format) in NORMAL else [pytest.mark.exhaustive])
        for name in NETWORKS
        for format in FORMATS
        if (name, format) not in NOT_WRITTEN
    ],
)
def test_a_network_in_a_format_is_read_back_to_the_same_function(name, format):
    assert difference(checkpoint.parse(written(name, format), "model"), name) <= ALLOWED
