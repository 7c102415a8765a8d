"""Open a trained autoencoder and explore its latent space.

The road through the package, one room a noun::

    checkpoint -> model -> space -> sampling, traversal, interpolation, statistics -> images, charts
"""
