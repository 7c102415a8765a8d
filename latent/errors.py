"""What a user can get wrong, each with a sentence that says what to do about it."""


class LatentError(Exception):
    """A mistake a user can make and mend; its text is one sentence meant for them."""


class CheckpointError(LatentError):
    """A file that cannot be read as a trained autoencoder."""


class NoReadingError(CheckpointError):
    """No interpretation of a file's weights works; finding that out may have taken 20 seconds."""


class UnsupportedError(CheckpointError):
    """A network that its file describes soundly, by something that is not run."""


class DataError(LatentError):
    """Images that are missing, damaged or of the wrong shape."""


class ArgumentError(LatentError, ValueError):
    """A value outside what a function takes: a vector of the wrong length, an unknown name, a bad range."""


class DecoderError(LatentError):
    """A decoder that cannot run in the browser."""


class TrainingError(LatentError):
    """A training run that cannot start or go on."""


class CodesError(LatentError):
    """A file of codes that cannot be read, or a run into one that cannot start or go on."""


class ExportError(LatentError):
    """A network in memory that cannot be written as a model file."""
