"""Makes the small tables beside this script, as pyarrow and pandas write them: for tests that run without Python."""

import pathlib

import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
PROMPTS = ["How do I bake bread?", "How do I forge a passport?", "Which tea has no caffeine?"]


def main():
    table = pa.table({"prompt": PROMPTS})
    pq.write_table(table, HERE / "groups.parquet", row_group_size=1)
    pq.write_table(table.slice(0, 0), HERE / "none.parquet")
    pd.DataFrame({"prompt": pd.Categorical(PROMPTS)}).to_parquet(HERE / "category.parquet")
    zone = pa.timestamp("ms", tz="+05:30")
    pq.write_table(table.append_column("when", pa.array([0, 1, None], zone)), HERE / "zoned.parquet")
    # What a data frame's to_feather writes by default is lz4.
    many = pa.table({"prompt": PROMPTS * 50, "n": list(range(150))})
    feather.write_feather(many, HERE / "lz4.arrow")
    feather.write_feather(many, HERE / "zstd.arrow", compression="zstd")
    odd = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", "b"]))
    write(table.append_column("odd", odd), HERE / "run_end.arrow")
    listed = pa.array([[1], [], [2, 3]], pa.list_view(pa.int32()))
    write(table.append_column("odd", listed), HERE / "list_view.arrow")
    half = pa.array([0.5, None, -2.0], pa.float16())
    write(table.append_column("half", half), HERE / "half.arrow")
    # A dictionary of one long value, said thirty thousand times: six gigabytes in a few hundred bytes.
    much = pa.DictionaryArray.from_arrays(pa.array([0] * 30_000, pa.int32()), pa.array(["x" * 200_000]))
    few = {"compression": "zstd", "store_schema": False}
    pq.write_table(pa.table({"prompt": much}), HERE / "much.parquet", **few)
    short = pa.array(["Which tea has no caffeine?"] * 30_000)
    pq.write_table(pa.table({"prompt": short, "blob": much}), HERE / "much_beside.parquet", **few)


def write(table, path):
    with ipc.new_stream(path, table.schema) as out:
        out.write_table(table)


if __name__ == "__main__":
    main()
