"""A file of codes as a Parquet table, with thumbnails: what Embedding Atlas, pandas and DuckDB open.

A row per image, in the order of the codes: ``image`` its number, ``file`` its name where it comes from a folder or
``class`` where it comes from a data set, ``code`` (a list of float32), ``x`` and ``y`` on the plane of the first two
principal components, and ``thumbnail``, a PNG. Of an image that cannot be read, the last four are null.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latent import arrow, files
from latent.density import principal_plane
from latent.encoded import Encoded, sidecar
from latent.errors import CodesError
from latent.images import png_bytes
from latent.lazy import Lazily
from latent.model import Signature
from latent.pixels import resized, size_within
from latent.projection import Plane
from latent.sources import Source

if TYPE_CHECKING:
    import pyarrow as pa
else:
    pa = Lazily("pyarrow")

FORMAT = "latent-table/1"
SUFFIX = ".parquet"
BEGINS = b"PAR1"
KEY = b"latent"  # of what is said of the table in its schema, beside what Parquet says of it
LARGEST_THUMBNAIL = 96  # pixels of its longer side
NUMBERS_A_GROUP = 2**22  # of codes and pixels together: what is in memory of a table that is written


def check(path: Path, wanted: Encoded, inputs: Sequence[Path]) -> None:
    """Look, before any work, whether the table of a run can be written at ``path``, over that of the same run at most.

    Raises `CodesError` for another ending and where the file holds anything else, `CheckpointError` as
    `files.check_output` does.
    """
    if path.suffix != SUFFIX:
        raise CodesError(f"--parquet names a file that ends in {SUFFIX}; got {path}.")
    files.check_output(path, inputs, BEGINS)
    said = said_by(path)
    if said and (said.get("sha256"), said.get("source")) != (wanted.sha256, wanted.source):
        raise CodesError(f"{path} is the table of another model file or of other images: choose another --parquet.")


def is_of(path: Path, file: Encoded) -> bool:
    """Whether a table is there and holds exactly the codes of a finished file."""
    return said_by(path).get("codes") == digest(file)


def write(path: Path, file: Encoded, source: Source, signature: Signature, classes: Sequence[str] = ()) -> int:
    """Write the table of a finished file of codes, reading its images once more; ``classes`` are names of labels.

    Returns of how many images there is a code and no thumbnail any more. However many rows there are, one group of
    them is in memory at a time. Raises `CheckpointError` where the table cannot be written, and leaves what was there.
    """
    import pyarrow.parquet  # where used: importing it takes a quarter of a second
    from tqdm import tqdm

    plane = principal_plane(file)
    schema = schema_of(file, plane, source)
    group, start, lost = rows_a_group(file, signature), 0, 0
    with (
        files.replaced(path) as out,
        pyarrow.parquet.ParquetWriter(out, schema, compression="zstd") as writer,
        tqdm(total=file.n, unit=" rows", mininterval=0.5 if sys.stderr.isatty() else 60.0) as bar,
    ):
        for block in file.blocks():
            for part in np.split(block, range(group, len(block), group)):
                images, readable = source.read(start, start + len(part), signature.image_shape, signature.framed)
                coded = np.asarray(np.isfinite(part).all(axis=1))
                lost += int((coded & ~readable).sum())
                columns = [
                    arrow.column(np.arange(start, start + len(part))),
                    origins(source, start, start + len(part), classes),
                    pa.array([z if there else None for z, there in zip(part, coded)], schema.field("code").type),
                    *(arrow.column(np.where(coded, each, np.nan)) for each in plane.project(part).T),
                    pa.array([thumbnail(image) if there else None for image, there in zip(images, readable & coded)],
                             pa.binary()),
                ]  # fmt: skip
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))
                start += len(part)
                bar.update(len(part))
    return lost


def schema_of(file: Encoded, plane: Plane, source: Source) -> pa.Schema:
    """The columns of a table, and what is said of it."""
    said = {
        "format": FORMAT, "checkpoint": file.checkpoint, "sha256": file.sha256, "source": file.source,
        "codes": digest(file), "x": plane.names[0], "y": plane.names[1],
    }  # fmt: skip
    origin = "file" if source.labels is None else "class"
    columns = {
        "image": pa.int64(), origin: pa.string(), "code": pa.list_(pa.float32()), "x": pa.float32(), "y": pa.float32(),
        "thumbnail": pa.binary(),
    }  # fmt: skip
    return pa.schema(list(columns.items()), {KEY: json.dumps(said).encode()})


def origins(source: Source, start: int, stop: int, classes: Sequence[str]) -> pa.Array:
    """Of which class images are, or how they are called where they have none."""
    if source.labels is None:
        names = [source.name(row) for row in range(start, stop)]
        return pa.array([name.encode(errors="replace").decode() for name in names], pa.string())
    labels = source.labels[start:stop].tolist()
    return pa.array([classes[label] if classes else str(label) for label in labels], pa.string())


def thumbnail(image: NDArray[np.uint8]) -> bytes:
    """An image (height, width[, channels]), as the model takes it, as a PNG of at most `LARGEST_THUMBNAIL` pixels.

    Of another number of channels than a PNG has, the mean is shown in grey.
    """
    if image.ndim == 3 and image.shape[2] not in (3, 4):
        image = np.rint(image.mean(axis=2)).astype(np.uint8)
    height, width = image.shape[:2]
    if max(height, width) > LARGEST_THUMBNAIL:
        image = resized(image, size_within(width, height, LARGEST_THUMBNAIL))
    return png_bytes(Image.fromarray(image))


def rows_a_group(file: Encoded, signature: Signature) -> int:
    """How many rows are written together."""
    return max(1, NUMBERS_A_GROUP // (file.latent_dim + int(np.prod(signature.image_shape))))


def said_by(path: Path) -> dict[str, Any]:
    """What a table says of itself, nothing where there is none.

    Raises `CodesError` where the file is damaged or from another program.
    """
    if not path.exists() or not path.stat().st_size:
        return {}
    import pyarrow.parquet

    try:
        said = json.loads((pyarrow.parquet.read_schema(path).metadata or {})[KEY])
        if said["format"] == FORMAT:
            return dict(said)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        pass
    raise CodesError(f"{path} is damaged or from another program: choose another --parquet.")


def digest(file: Encoded) -> str:
    """SHA-256 of the sidecar of a finished file, which is another one for other codes."""
    return hashlib.sha256(sidecar(file.path).read_bytes()).hexdigest()
