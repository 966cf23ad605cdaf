"""Arrow files in folders of parts: mapped, and read piece by piece."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from prioria.data import load
from prioria.data.own import arrow
from prioria.data.own.parts import Parts
from tests.data.test_streams import COLUMNS, frame, rows_of, written


@pytest.mark.parametrize("form", ["file", "stream", "feather"])
def test_arrow_files_are_mapped_and_read_piece_by_piece(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa

    monkeypatch.setattr(arrow, "PIECE", 40)
    for k in (1, 2):
        rows = frame(150, k)[["id", *COLUMNS]]
        written(tmp_path / "parquet", {f"day={k}/part.parquet": rows})
        place = tmp_path / "arrow" / f"day={k}"
        place.mkdir(parents=True)
        table = pa.Table.from_pandas(rows, preserve_index=False)
        if form == "feather":
            rows.to_feather(place / "part.arrow")
            continue
        with (pa.ipc.new_file if form == "file" else pa.ipc.new_stream)(place / "part.arrow", table.schema) as out:
            out.write_table(table, max_chunksize=100)
    mapped, read = load(tmp_path / "arrow"), load(tmp_path / "parquet")
    pieces = [40, 40, 40, 30] if form == "feather" else [40, 40, 20, 40, 10]
    assert [each.rows for each in Parts.of(tmp_path / "arrow").groups] == 2 * pieces
    assert mapped.protocol.schema == read.protocol.schema or form != "feather"
    for data in (mapped, read):
        assert len(data.train) + len(data.validation) + len(data.test) == 300
    every = [torch.as_tensor(rows_of(data.train)).nanmean(0) for data in (mapped, read)]
    np.testing.assert_allclose(every[0], every[1], atol=0.3)  # other rows are held out
    whole = [load(tmp_path / "arrow" / f"day={k}" / "part.arrow") for k in (1, 2)]
    assert [each.protocol.schema.columns[1].name for each in whole] == ["age", "age"]


def test_a_mapped_arrow_file_costs_no_memory_until_it_is_read(tmp_path: Path) -> None:
    import pyarrow as pa

    table = pa.table({name: np.zeros(2**20) for name in "abcd"})  # 32 MiB
    (tmp_path / "rows").mkdir()
    with pa.ipc.new_file(tmp_path / "rows" / "part.arrow", table.schema) as out:
        out.write_table(table)
    del table
    before = pa.total_allocated_bytes()
    parts = Parts.of(tmp_path / "rows")
    found = parts.read(parts.groups[3], frozenset("ab"))
    assert found.num_rows == arrow.PIECE and pa.total_allocated_bytes() - before < 2**20
