"""The command that turns documents into binary codes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from prioria.data.written import check_written, write_arrays
from prioria.hashing import hash_documents

Widths = Annotated[tuple[int, ...], Parameter(consume_multiple=True, negative_iterable="")]


def hashing(
    counts: Path,
    *,
    out: Path,
    bits: int = 32,
    encoder_hidden: Widths = (),
    decoder_hidden: Widths = (),
    epochs: int = 100,
    batch_size: int = 100,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> None:
    """Train semantic hashing on counts of words, and write a code for every document into OUT/codes.npz.

    The arrays train, validation and test hold 0 and 1, and where there are labels train_labels and so on. With labels
    the precision of looking up training documents by the codes of test documents is printed.

    Args:
        counts: matrix of documents by words: .npz (x and perhaps y, or a sparse matrix of scipy), .csv or .npy.
        out: folder of the run; one that is there goes on.
        bits: length of a code.
        encoder_hidden: widths of the encoder's hidden layers; none: linear on counts.
        decoder_hidden: widths of the decoder's hidden layers.
        epochs: of training.
        batch_size: documents in a step.
        learning_rate: of Adam.
        seed: of the split and everything random.
    """
    check_written(out / "codes.npz")
    found = hash_documents(
        counts,
        bits=bits,
        encoder_hidden=encoder_hidden,
        decoder_hidden=decoder_hidden,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        out=out,
    )
    codes = {name: code.byte() for name, code in found.codes.items()}
    if found.precision is not None:
        print(f"precision {found.precision}", flush=True)
    labels = {f"{name}_labels": labels for name, labels in found.labels.items()}
    write_arrays(out / "codes.npz", codes | labels)
    print(f"{sum(map(len, codes.values())):,} documents as {bits} bits in {out / 'codes.npz'}")
