"""Other people's files: what they hold, and how what they hold is run as an autoencoder.

    file -> container (formats, pickles, hdf5) -> weights by name -> layers -> chains -> geometry -> reading -> search

Nothing in a file is executed: a file becomes plain data, and the data is run by operations that are listed here.
"""
