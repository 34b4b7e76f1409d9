"""Tables as pyarrow, pandas, polars and DuckDB write them, scored and labelled into every format: nothing is lost.

usage: check.py DEMUR [SECONDS]    stops with an error at the first table that is not read or not kept
"""

import json
import os
import pathlib
import random
import resource
import subprocess
import sys
import tempfile
import time

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

DEMUR = str(pathlib.Path(sys.argv[1]).resolve())
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 120.0
# What a build for tests holds at most: a table that is read whole would need more.
MEMORY = 400 << 20
# What is read and written is the same for both tiers, and n-grams are quick.
os.environ["DEMUR_TIER"] = "ngram"


def run(*arguments, fails=None):
    """Runs demur; returns its summary, and what it said. It must not panic, whatever comes out."""
    done = subprocess.run([DEMUR, *map(str, arguments), "--json"], capture_output=True, text=True, timeout=120)
    said = done.stderr
    assert "panicked" not in said, said
    if fails is None:
        assert done.returncode == 0, (arguments, said)
        return json.loads(done.stdout), said
    assert done.returncode == 1 and all(part in said for part in fails), (arguments, done.returncode, said)


def read(path):
    if path.suffix == ".parquet":
        return pq.read_table(path)
    with ipc.open_stream(path) as stream:
        return stream.read_all()


def values(column):
    """A column's values, whatever holds them: a category as its text, half floats and zones as what they say."""
    found = column.to_pylist()
    return [value.timestamp() if hasattr(value, "timestamp") else value for value in found]


def plain(kind):
    """A type by what its values are, however they are laid out in memory."""
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return "binary"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list<{plain(kind.value_type)}>"
    if pa.types.is_fixed_size_list(kind):
        return f"fixed_size_list<{plain(kind.value_type)}>[{kind.list_size}]"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{field.name}: {plain(field.type)}' for field in kind)}>"
    return str(kind)


def check_types(written, stored, after, said):
    """Every column has the type that it is stored as, or its name is said; and none is named that is as it was written.

    A dictionary of numbers is no type of Parquet: its writer's schema says that it was one, and pyarrow reads numbers.
    """
    for field in written:
        kind = plain(after.field(field.name).type)
        is_named = f"column `{field.name}`: " in said
        assert is_named or plain(stored.field(field.name).type) == kind, (field, kind, said)
        assert not is_named or plain(field.type) != kind, (field, kind, said)


def same(folder, path, table, command="score", endings=("parquet", "arrow", "jsonl")):
    """Runs a command on a table into every format, and compares all rows and the columns that it had."""
    for ending in endings:
        out = folder / f"out.{ending}"
        summary, said = run(command, path, "--out", out)
        assert summary["read"] == table.num_rows, (path, ending, summary)
        if ending == "jsonl":
            rows = [json.loads(line) for line in out.read_text().splitlines()]
            assert [row["n"] for row in rows] == table["n"].to_pylist(), (path, ending)
            assert [row["prompt"] for row in rows] == values(table["prompt"]), (path, ending)
            assert "is written as" not in said, "text has no types to keep"
        else:
            found = read(out)
            stored = pq.read_schema(path) if path.suffix == ".parquet" else table.schema
            check_types(table.schema, stored, found.schema, said)
            assert found.column_names[: table.num_columns] == table.column_names, (path, found.column_names)
            for name in ["n", "prompt", "day", "flag", "list"]:
                if name in table.column_names:
                    assert values(found[name]) == values(table[name]), (path, ending, name)
            assert found["p_refusal"].null_count == 0
        out.unlink()


def table(rows, seed):
    chance = random.Random(seed)
    words = ["how", "do", "I", "pick", "a", "lock", "bake", "bread", "\u00e9t\u00e9", '5" pipe', "a,b"]
    prompts = [" ".join(chance.choices(words, k=chance.randint(1, 12))) for _ in range(rows)]
    return pa.table({
        "n": list(range(rows)),
        "prompt": prompts,
        "response": prompts[::-1],
        "day": pa.array([chance.choice([None, n % 9999]) for n in range(rows)], pa.date32()),
        "flag": [n % 3 == 0 for n in range(rows)],
        # A type is given: of a table of empty lists alone it would be a list of nulls, which Parquet cannot hold.
        "list": pa.array([list(range(n % 4)) for n in range(rows)], pa.list_(pa.int64())),
    })


def by_default(folder):
    """Each library's own defaults, with more rows than one of demur's slices has, and than one of DuckDB's row groups."""
    rows = table(34_000, 1)
    plain = rows.drop_columns(["list"])
    frame = plain.to_pandas()
    written = folder / "in.parquet"
    pq.write_table(rows, written)
    same(folder, written, rows)
    frame.to_parquet(written)
    same(folder, written, plain, endings=["arrow"])
    pl.from_arrow(plain).write_parquet(written)
    same(folder, written, plain, endings=["parquet"])
    wide = table(124_000, 2).drop_columns(["list", "response", "day"])
    duckdb.sql("select * from wide").write_parquet(str(written))
    same(folder, written, wide, endings=["parquet"])
    arrow = folder / "in.arrow"
    frame.to_feather(arrow)
    same(folder, arrow, plain, endings=["parquet"])
    few = plain.slice(0, 5_000)
    pl.from_arrow(few).write_ipc_stream(arrow)
    same(folder, arrow, few, "label")
    pl.from_arrow(few).write_ipc(arrow)
    same(folder, arrow, few, endings=["arrow"])


def types():
    """Types that are read, of which each is a table of its own."""
    three = {
        "category": pa.array(["a", "b", None]).dictionary_encode(),
        "codes": pa.array([7, 8, 7]).dictionary_encode(),
        "half": pa.array([0.5, None, -2.0], pa.float16()),
        "decimal": pa.array([None, 1, 2], pa.decimal128(20, 2)),
        "wide": pa.array([None, 1, 2], pa.decimal256(60, 2)),
        "zone": pa.array([0, 1, None], pa.timestamp("ms", tz="+05:30")),
        "named_zone": pa.array([0, 1, None], pa.timestamp("us", tz="Asia/Kolkata")),
        "seconds": pa.array([0, 1, None], pa.timestamp("s")),
        "date64": pa.array([0, 86_400_000, None], pa.date64()),
        "time32": pa.array([0, 1, None], pa.time32("s")),
        "time64": pa.array([0, 1, None], pa.time64("ns")),
        "duration": pa.array([0, 1, None], pa.duration("s")),
        "fixed": pa.array([b"ab", b"cd", None], pa.binary(2)),
        "bytes": pa.array([b"a", b"", None]),
        "large": pa.array(["a", "", None], pa.large_string()),
        "view": pa.array(["a", "", None], pa.string_view()),
        "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int32())),
        "large_list": pa.array([[1], [], None], pa.large_list(pa.int32())),
        "fixed_list": pa.array([[1, 2], [3, 4], None], pa.list_(pa.int32(), 2)),
        "struct": pa.array([{"a": 1, "b": "x"}, {"a": None, "b": None}, None]),
        "nothing": pa.nulls(3),
        "listed_categories": pa.array([["a"], [], None], pa.list_(pa.dictionary(pa.int32(), pa.string()))),
        "listed_maps": pa.array([[[("k", 1)]], [], None], pa.list_(pa.map_(pa.string(), pa.int32()))),
        "unsigned": pa.array([1, 2, None], pa.uint8()),
        "uuid": pa.array([b"0123456789abcdef", None, b"fedcba9876543210"], pa.uuid()),
    }
    return three


def every_type(folder):
    """Each type in both formats: read, or an error that names the column. Never a panic, never a lost row."""
    refused = []
    for name, array in types().items():
        rows = pa.table({"n": [0, 1, 2], "prompt": ["a", "b", "c"], name: array})
        for ending in ["parquet", "arrow"]:
            path = folder / f"in.{ending}"
            try:
                if ending == "parquet":
                    pq.write_table(rows, path)
                else:
                    feather.write_feather(rows, path)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                continue
            try:
                same(folder, path, rows)
            except AssertionError:
                run("score", path, "--out", folder / "out.parquet", fails=[f"`{name}`", "cast it to text"])
                refused.append(f"{name} ({ending})")
    # What these libraries write and demur names as not to be read: a change of it must be seen.
    assert refused == ["wide (arrow)"], refused
    for name, array in {
        "odd": pa.array([[1], [], None], pa.list_view(pa.int32())),
        "runs": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", "b"])),
        "union": pa.UnionArray.from_sparse(pa.array([0, 0, 0], pa.int8()), [pa.array([1, 2, 3])]),
        "interval": pa.array([pa.MonthDayNano([1, 2, 3]), None, None]),
    }.items():
        path = folder / "in.arrow"
        rows = pa.table({"n": [0, 1, 2], "prompt": ["a", "b", "c"], name: array})
        with ipc.new_stream(path, rows.schema) as out:
            out.write_table(rows)
        run("score", path, "--out", folder / "out.parquet", fails=[f"`{name}`", "cast it to text"])
    # In Parquet a view of lists is a list, whatever the schema of its writer says.
    path = folder / "in.parquet"
    rows = pa.table({"n": [0, 1, 2], "prompt": ["a", "b", "c"], "odd": pa.array([[1], [], None], pa.list_view(pa.int32()))})
    pq.write_table(rows, path)
    out = folder / "out.parquet"
    assert "is written as" not in run("score", path, "--out", out)[1]
    assert values(read(out)["odd"]) == values(rows["odd"])


def at_random(folder, until):
    """Row groups, pages and versions of any size, until the time is up."""
    seed = 0
    while time.monotonic() < until:
        chance = random.Random(seed)
        rows = table(chance.choice([1, 2, 17, 300, 3_000]), seed)
        path = folder / "in.parquet"
        pq.write_table(
            rows,
            path,
            row_group_size=chance.choice([1, 7, 40]) if rows.num_rows < 1000 else chance.choice([300, 999, 32_768]),
            data_page_size=chance.choice([64, 4096, 1 << 20]),
            data_page_version=chance.choice(["1.0", "2.0"]),
            compression=chance.choice(["none", "snappy", "zstd", "gzip", "brotli", "lz4"]),
            use_dictionary=chance.random() < 0.5,
            store_schema=chance.random() < 0.5,
        )
        same(folder, path, rows, chance.choice(["score", "label"]))
        seed += 1
    return seed


def main():
    until = time.monotonic() + SECONDS
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        every_type(folder)
        print(f"every type: {time.monotonic() - until + SECONDS:.0f} s")
        by_default(folder)
        print(f"every library: {time.monotonic() - until + SECONDS:.0f} s")
        seeds = at_random(folder, until)
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
    print(f"{seeds} random tables; at most {most >> 20} MB")
    assert most < MEMORY, f"{most >> 20} MB"


if __name__ == "__main__":
    main()
