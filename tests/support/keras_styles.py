"""Small untrained networks as they are built in Keras; each function gives a model and the name of its code's layer."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from latent import checkpoint
from latent.checkpoint import Checkpoint
from latent.errors import LatentError

Built = tuple[Any, str]


def keras() -> ModuleType:
    """Keras with torch below it. Raises `ImportError` where it is not installed."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    return keras


def branched(k: ModuleType) -> Built:
    layers = k.layers
    x = inputs = layers.Input((28, 28, 1))
    for filters in (8, 16):
        x = layers.Conv2D(filters, 3, strides=2, padding="same")(x)
        x = layers.BatchNormalization(epsilon=0.01)(x)
        x = layers.LeakyReLU()(x)
    x = layers.Dense(6, activation="tanh", name="code")(layers.Flatten()(x))
    x = layers.Reshape((7, 7, 4))(layers.Dense(196, activation="elu")(x))
    x = layers.Conv2DTranspose(8, 3, strides=2, padding="same")(x)
    x = layers.PReLU(shared_axes=[1, 2])(x)
    y = layers.Conv2D(8, 1, activation="swish")(x)
    x = layers.Concatenate()([layers.Add()([x, y]), y])
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    x = layers.Cropping2D(1)(layers.ZeroPadding2D(2)(x))
    return k.Model(inputs, layers.Conv2D(1, 3, padding="valid", activation="sigmoid")(x)), "code"


def dense(k: ModuleType) -> Built:
    layers = k.layers
    return k.Sequential([
        layers.Input((784,)), layers.Dense(64, activation="gelu"), layers.Dropout(0.2), layers.Dense(5, name="code"),
        layers.Dense(64, activation="hard_sigmoid"), layers.LayerNormalization(),
        layers.Dense(784, activation="sigmoid"),
    ]), "code"  # fmt: skip


def pooled(k: ModuleType) -> Built:
    layers = k.layers
    return k.Sequential([
        layers.Input((28, 28, 1)), layers.SeparableConv2D(4, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(3, 2, padding="same"), layers.DepthwiseConv2D(3, padding="same"),
        layers.AveragePooling2D(2, padding="same"), layers.Conv2D(2, 3, padding="same", name="code"),
        layers.GroupNormalization(2), layers.Conv2DTranspose(8, 4, strides=2, padding="same", activation="selu"),
        layers.Conv2DTranspose(4, 2, strides=2, padding="valid", activation="softplus"),
        layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
    ]), "code"  # fmt: skip


def blog(k: ModuleType) -> Built:
    """The convolutional autoencoder of Keras' blog (2016): a code of 4 × 4, upsampling, one convolution unpadded."""
    layers = k.layers
    x = inputs = layers.Input((28, 28, 1))
    for index, filters in enumerate((8, 4, 4)):
        x = layers.Conv2D(filters, (3, 3), activation="relu", padding="same")(x)
        x = layers.MaxPooling2D((2, 2), padding="same", name="code" if index == 2 else None)(x)
    for filters, padding in ((4, "same"), (4, "same"), (8, "valid")):
        x = layers.Conv2D(filters, (3, 3), activation="relu", padding=padding)(x)
        x = layers.UpSampling2D((2, 2))(x)
    return k.Model(inputs, layers.Conv2D(1, (3, 3), activation="sigmoid", padding="same")(x)), "code"


def nested(k: ModuleType) -> Built:
    """Two models in one, as the guides write them."""
    layers = k.layers
    inputs, codes = layers.Input((28, 28, 1)), layers.Input((6,))
    h = layers.Flatten()(layers.Conv2D(4, 3, 2, padding="same", activation="relu")(inputs))
    encoder = k.Model(inputs, layers.Dense(6)(h), name="encoder")
    h = layers.Reshape((7, 7, 8))(layers.Dense(392, activation="relu")(codes))
    for filters, activation in ((8, "relu"), (1, "sigmoid")):
        h = layers.Conv2DTranspose(filters, 3, strides=2, padding="same", activation=activation)(h)
    decoder = k.Model(codes, h, name="decoder")
    return k.Model(inputs, decoder(encoder(inputs))), "encoder"


def residual(k: ModuleType) -> Built:
    layers = k.layers

    def block(x: Any, n: int) -> Any:
        h = layers.Conv2D(n, 3, padding="same", use_bias=False)(layers.Activation("relu")(x))
        h = layers.Conv2D(n, 3, padding="same")(layers.ReLU(negative_slope=0.1)(layers.BatchNormalization()(h)))
        return layers.Add()([x, h])

    inputs = layers.Input((32, 32, 3))
    x = block(layers.Conv2D(8, 4, strides=4)(inputs), 8)
    x = layers.Dense(7, name="code")(layers.GlobalAveragePooling2D()(x))
    x = block(layers.Reshape((8, 8, 8))(layers.Dense(512)(x)), 8)
    x = layers.UpSampling2D(4, interpolation="nearest")(x)
    return k.Model(inputs, layers.Conv2D(3, 5, padding="same", activation="hard_sigmoid")(x)), "code"


def squeezed(k: ModuleType) -> Built:
    """Squeeze-and-excitation on 64 × 64 in colour, dilated convolutions."""
    layers = k.layers
    inputs = layers.Input((64, 64, 3))
    x = layers.Conv2D(8, 5, strides=4, padding="same", activation="mish")(inputs)
    x = layers.Conv2D(8, 3, padding="same", dilation_rate=2, activation="relu6")(x)
    s = layers.Dense(8, activation="sigmoid")(layers.Dense(4, activation="relu")(layers.GlobalAveragePooling2D()(x)))
    x = layers.Multiply()([x, layers.Reshape((1, 1, 8))(s)])
    x = layers.Conv2D(2, 1, strides=2, name="code")(x)
    x = layers.Conv2DTranspose(8, 5, strides=4, padding="same", activation="silu")(x)
    x = layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="sigmoid")(x)
    return k.Model(inputs, x), "code"


def two_heads(k: ModuleType) -> Built:
    """The mean alone is drawn; activations as layers of their own."""
    layers = k.layers
    inputs = layers.Input((28, 28))
    h = layers.ELU(alpha=0.7)(layers.Dense(48)(layers.Reshape((784,))(inputs)))
    h = layers.BatchNormalization(momentum=0.8)(h)
    mean = layers.Dense(4, name="z_mean")(h)
    h = layers.Activation("softsign")(layers.Dense(48, kernel_initializer="he_normal")(mean))
    y = layers.Reshape((28, 28))(layers.Dense(784, activation="sigmoid")(h))
    return k.Model(inputs, y), "z_mean"


def rescaled(k: ModuleType) -> Built:
    """Bytes become [-1, 1] in the network, as in Keras' pretrained models, from 0 to 1 again behind it."""
    layers = k.layers
    return k.Sequential([
        layers.Input((32, 32, 1)), layers.Rescaling(2.0, offset=-1.0), layers.GaussianNoise(0.1),
        layers.Conv2D(6, 4, strides=2, padding="same"), layers.LayerNormalization(axis=-1),
        layers.Activation("swish"), layers.Conv2D(4, 4, strides=2, padding="same"), layers.Flatten(),
        layers.Dense(9, name="code"), layers.Dense(256), layers.Reshape((8, 8, 4)), layers.SpatialDropout2D(0.2),
        layers.Conv2DTranspose(6, 4, strides=2, padding="same"), layers.PReLU(),
        layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh"), layers.Rescaling(0.5, offset=0.5),
    ]), "code"  # fmt: skip


def augmented(k: ModuleType) -> Built:
    """Images are changed by chance in training, and standardised by a layer that was adapted to them."""
    layers = k.layers
    normalised = layers.Normalization()
    normalised.adapt(np.random.default_rng(0).random((20, 28, 28, 1), np.float32))
    return k.Sequential([
        layers.Input((28, 28, 1)), layers.RandomFlip("horizontal"), layers.RandomRotation(0.1),
        layers.RandomTranslation(0.1, 0.1), layers.RandomZoom(0.1), layers.RandomContrast(0.2), normalised,
        layers.Conv2D(6, 4, strides=2, padding="same", activation="celu"), layers.Flatten(),
        layers.Dense(7, activation="hard_tanh", name="code"), layers.Dense(784, activation="sigmoid"),
        layers.Reshape((28, 28, 1)),
    ]), "code"  # fmt: skip


def attending(k: ModuleType) -> Built:
    """Attention over the places of a map, by torch's own layer of Keras."""
    layers = k.layers
    inputs = layers.Input((28, 28, 1))
    t = layers.Reshape((16, 12))(layers.Conv2D(12, 7, strides=7)(inputs))
    h = layers.LayerNormalization()(t)
    t = layers.Add()([t, layers.MultiHeadAttention(2, 6)(h, h)])
    t = layers.Add()([t, layers.MultiHeadAttention(3, 5, value_dim=4, use_bias=False)(t, h, key=h)])
    code = layers.Dense(5, name="code")(layers.GlobalAveragePooling1D()(t))
    t = layers.Dense(49, activation="sigmoid")(layers.RepeatVector(16)(code))
    y = layers.Permute((1, 3, 2, 4))(layers.Reshape((4, 4, 7, 7))(t))
    return k.Model(inputs, layers.Reshape((28, 28, 1))(y)), "code"


STYLES: dict[str, Callable[[ModuleType], Built]] = {
    "branched": branched, "dense": dense, "pooled": pooled, "Keras' blog": blog, "nested": nested,
    "residual": residual, "squeeze-excite": squeezed, "two heads": two_heads, "rescaled": rescaled,
    "attention": attending, "augmented": augmented,
}  # fmt: skip
ENDINGS = ("keras", "h5")


def built(k: ModuleType, name: str) -> Built:
    """A model of a style, every number of it drawn; the same each time."""
    k.utils.set_random_seed(0)
    model, code = STYLES[name](k)
    rng = np.random.default_rng(0)
    for variable in model.variables:  # also what starts as zeros and ones
        if "seed" not in variable.path:
            values = rng.normal(0, 0.3, variable.shape) + (1 if "variance" in variable.path else 0)
            variable.assign(np.abs(values) if "variance" in variable.path else values)
    return model, code


def save(model: Any, path: Path) -> Path:
    """The model in the format that the path ends in."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns of its own .h5
        model.save(path)
    return path


def difference(k: ModuleType, loaded: Checkpoint, model: Any, code: str) -> float:
    """The largest difference of a number of the code, or of a pixel in [0, 1], from what Keras computes; infinite where
    the file was not run or has a code of another shape."""
    if loaded.described is None:
        return float("inf")
    found, layer = loaded.model(), model.get_layer(code)
    channels, height, width = found.signature.image_shape
    x = np.random.default_rng(1).random((3, *model.input_shape[1:]), np.float32)
    codes = (layer if isinstance(layer, k.Model) else k.Model(model.inputs, layer.output)).predict(x, verbose=0)
    pictures = model.predict(x, verbose=0).reshape(3, height, width, channels)
    with torch.inference_mode():
        z = found.encode(torch.from_numpy(x.reshape(3, height, width, channels)).movedim(-1, 1))
        y = found.decode(z)
    right = [codes.transpose(0, 3, 1, 2) if codes.ndim == 4 else codes, pictures.transpose(0, 3, 1, 2)]
    if z[0].numel() != codes[0].size:
        return float("inf")
    return max(float(np.abs(a.numpy().ravel() - b.ravel()).max()) for a, b in zip((z, y), right))


def cell(k: ModuleType, name: str, ending: str) -> str:
    """What becomes of a model in a format, for the table."""
    model, code = built(k, name)
    with tempfile.TemporaryDirectory() as folder:
        path = save(model, Path(folder) / f"model.{ending}")
        try:
            return f"{difference(k, checkpoint.load(path), model, code):.0e}"
        except LatentError as error:
            print(f"{name}, {ending}: {error}", file=sys.stderr)
            return type(error).__name__
