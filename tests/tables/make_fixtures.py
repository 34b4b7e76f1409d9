"""Makes the small tables beside this script, as pyarrow and pandas write them: for tests that run without Python.

The folder `spark` is laid out as Spark writes one by default (snappy, times as int96, a checksum beside each part, an empty
_SUCCESS), by pyarrow, which needs no Java.
"""

import datetime
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
    pq.write_table(table.append_column("odd", listed), HERE / "list_view.parquet")
    half = pa.array([0.5, None, -2.0], pa.float16())
    write(table.append_column("half", half), HERE / "half.arrow")
    # A dictionary of one long value, said thirty thousand times: six gigabytes in a few hundred bytes.
    much = pa.DictionaryArray.from_arrays(pa.array([0] * 30_000, pa.int32()), pa.array(["x" * 200_000]))
    few = {"compression": "zstd", "store_schema": False}
    pq.write_table(pa.table({"prompt": much}), HERE / "much.parquet", **few)
    short = pa.array(["Which tea has no caffeine?"] * 30_000)
    pq.write_table(pa.table({"prompt": short, "blob": much}), HERE / "much_beside.parquet", **few)
    every_type()
    spark()


def every_type():
    """A column of each type that is written as another."""
    columns = {
        "prompt": PROMPTS,
        "day": pa.array([0, 86_400_000, None], pa.date64()),
        "at": pa.array([0, 1, None], pa.time32("s")),
        "code": pa.array([b"ab", b"cd", None], pa.binary(2)),
        "number": pa.array([7, 8, 7]).dictionary_encode(),
        "entries": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int32())),
        "kept": pa.array([1, None, 3], pa.int16()),
    }
    table = pa.table(columns)
    write(table, HERE / "changed.arrow")
    pq.write_table(table, HERE / "changed.parquet")


def spark():
    folder = HERE / "spark"
    folder.mkdir(exist_ok=True)
    (folder / "_SUCCESS").write_bytes(b"")
    (folder / "._SUCCESS.crc").write_bytes(b"crc\0\0\0\2\0")
    at = [datetime.datetime(2026, 11, 29, hour) for hour in range(3)]
    for part in range(2):
        name = f"part-0000{part}-5e1b7d0c-3f0e-4f0e-9c53-8d8d1b6a7e21-c000.snappy.parquet"
        table = pa.table({"n": [3 * part + n for n in range(3)], "prompt": PROMPTS, "at": at})
        pq.write_table(table, folder / name, flavor="spark", compression="snappy", store_schema=False)
        (folder / f".{name}.crc").write_bytes(b"crc\0\0\0\2\0")


def write(table, path):
    with ipc.new_stream(path, table.schema) as out:
        out.write_table(table)


if __name__ == "__main__":
    main()
