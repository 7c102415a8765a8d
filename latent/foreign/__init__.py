"""Other people's files: what they hold, and how what they hold is run as an autoencoder.

    file -> container (formats, readers, pickles, hdf5) -> weights by name -> layers -> chains -> geometry -> reading
         -> search (by one clock) -> certainty -> lowering to graphs -> network
    file that says what it is -> container -> graph (onnx_graph, keras_graph, exported_program and torchscript_graph,
         both by aten_graph) -> rewriting -> halves -> described

Nothing in a file is executed: a file becomes plain data, and the data is run by operations that are listed here. What
can be added is one record in its list: a format (`formats`), an activation, a scale of pixels or an output
(`operations`), a kind of normalisation (`normalisations`), an operation of graphs (`node_operations`).
"""
