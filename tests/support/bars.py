"""A made set of images with classes that any classifier can tell."""

import numpy as np

from latent.dataset import Dataset

RANDOM = np.random.default_rng(0)


def bars(n, height=24, width=40, colours=(3,), n_classes=3):
    """A set of bars, upright, lying and square, in noise."""
    images = RANDOM.integers(0, 60, (n, height, width, *colours), dtype=np.uint8)
    labels = np.arange(n) % n_classes
    for image, label in zip(images, labels):
        tall, wide = ((16, 4), (4, 16), (10, 10))[label % 3]
        y, x = RANDOM.integers(height - tall), RANDOM.integers(width - wide)
        image[y : y + tall, x : x + wide] = 255 - RANDOM.integers(0, 60, colours)
    return Dataset("bars", images, labels, tuple(f"kind {each}" for each in range(n_classes)))
