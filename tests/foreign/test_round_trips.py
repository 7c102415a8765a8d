"""What torch and Keras write in every format is read back to the same function."""

import pytest

from latent import checkpoint
from latent.errors import CheckpointError, LatentError
from tests.support import keras_styles
from tests.support.model_files import entries_of, rezipped
from tests.support.round_trips import ALLOWED, FORMATS, NAMES, difference, written

NORMAL = {
    ("dense VAE", "frozen"), ("VQ-VAE", "ONNX 13"), ("conditional", ".pt2"), ("batch normalisation", "traced"),
    ("sizes asked", "ONNX 11, any batch"), ("all axes of 1 dropped", "traced"),
    ("VQ-VAE", "ONNX 11, any batch"), ("one-hot codebook", ".pt2, any batch"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # torch's own
@pytest.mark.parametrize(
    ("name", "format"),
    [
        pytest.param(name, format, marks=[] if (name, format) in NORMAL else [pytest.mark.exhaustive])
        for name in NAMES
        for format in FORMATS
    ],
)
def test_a_network_in_a_format_is_read_back_to_the_same_function(name, format):
    try:
        content = written(name, format)
    except LatentError:  # of `latent.export`
        raise
    except Exception as error:  # torch has many kinds for what it cannot write
        pytest.skip(f"torch does not write it: {error}")
    assert difference(checkpoint.parse(content, "model"), name) <= ALLOWED


KERAS_NORMAL = {
    ("branched", "keras"),
    ("nested", "h5"),
    ("dense", "h5"),
    ("attention", "keras"),
    ("augmented", "keras"),
}


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        pytest.param(name, ending, marks=[] if (name, ending) in KERAS_NORMAL else [pytest.mark.exhaustive])
        for name in keras_styles.STYLES
        for ending in keras_styles.ENDINGS
    ],
)
def test_what_keras_saves_computes_the_same(keras, tmp_path, name, ending):
    model, code = keras_styles.built(keras, name)
    loaded = checkpoint.load(keras_styles.save(model, tmp_path / f"model.{ending}"))
    assert keras_styles.difference(keras, loaded, model, code) <= ALLOWED


@pytest.mark.parametrize("masked", [{"use_causal_mask": True}, {"return_attention_scores": True}], ids=str)
def test_attention_of_keras_that_sees_not_all_places_is_refused(keras, tmp_path, masked):
    layers = keras.layers
    inputs = layers.Input((28, 28))
    mixed = layers.MultiHeadAttention(2, 6)(inputs, inputs, **masked)
    code = layers.Dense(4, name="code")(layers.Flatten()(mixed[0] if isinstance(mixed, list | tuple) else mixed))
    model = keras.Model(inputs, layers.Reshape((28, 28))(layers.Dense(784)(code)))
    with pytest.raises(CheckpointError, match="with a mask, or with its scores"):
        checkpoint.load(keras_styles.save(model, tmp_path / "model.keras"))


def test_attention_without_heads_is_refused(keras, tmp_path):
    model, _ = keras_styles.built(keras, "attention")
    path = keras_styles.save(model, tmp_path / "model.keras")
    entries = entries_of(path.read_bytes())
    entries["config.json"] = entries["config.json"].replace(b'"num_heads": 2', b'"num_heads": 0')
    with pytest.raises(CheckpointError, match="of 0 heads and 6 numbers"):
        checkpoint.parse(rezipped(entries), "model.keras")
