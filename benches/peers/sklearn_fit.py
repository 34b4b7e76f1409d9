#!/usr/bin/env python3
"""How long scikit-learn takes to fit a sparse logistic regression to a dumped matrix, and how near it gets to the optimum.

    python benches/peers/sklearn_fit.py matrix.csr C [--repeat 5]

The file is one line of JSON, ended by a single "\\n" (the first newline byte of the file), then the arrays one after the
other, little-endian, with nothing before, between or after them:

    {"format": "demur-csr-1", "rows": R, "cols": D, "nnz": N}      other keys are allowed and ignored
    indptr   R + 1  int64      indptr[0] = 0, never decreasing, indptr[R] = N
    indices  N      int32      columns, 0 <= column < D, strictly increasing within a row
    data     N      float64
    target   R      float64    in [0, 1]: a hard label is 0.0 or 1.0, anything between is a soft one
    weight   R      float64    >= 0

    size of the file = length of the first line with its newline + 8 (R + 1) + 4 N + 8 N + 8 R + 8 R

The objective is that of the Rust code,

    sum_i weight_i * (-target_i ln p_i - (1 - target_i) ln(1 - p_i)) + ||coef||^2 / (2 C)

with an intercept that is not penalised. liblinear penalises it (it minimises the above + intercept^2 / (2 C)), so its own
objective is reported beside. A soft label is given to scikit-learn as two rows, of weight w t and w (1 - t); rows of weight 0
are left out. That is done before the clock starts.

"liblinear" is LogisticRegression(solver="liblinear") with its default tol=1e-4, "lbfgs" has tol=1e-10 and max_iter=10000.
"lbfgs_default" (tol=1e-4, max_iter=10000) is there as what most people run. One JSON object is printed:

    {"rows", "cols", "nnz", "C", "rows_fitted", "repeat",
     "fits": {<name>: {"seconds_single_thread", "seconds_default", (medians)
                       "objective", "own_objective", "gradient_max_abs", (of the first objective)
                       "intercept", "iterations", "converged"}},
     "threads_default": [{"api", "num_threads"}, ...], "versions"}
"""

import argparse
import json
import statistics
import sys
import time
import warnings

import numpy
import scipy
import scipy.sparse
import sklearn
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits

FORMAT = "demur-csr-1"

FITS = {
    "liblinear": {"solver": "liblinear", "tol": 1e-4},
    "lbfgs": {"solver": "lbfgs", "tol": 1e-10, "max_iter": 10000},
    "lbfgs_default": {"solver": "lbfgs", "tol": 1e-4, "max_iter": 10000},
}


def read_csr(path):
    """(matrix, target, weight) of a file in the format above; a ValueError says what is wrong with it."""
    with open(path, "rb") as file:
        line = file.readline(1 << 20)
        rest = file.read()
    if not line.endswith(b"\n"):
        raise ValueError("the first line does not end")
    header = json.loads(line)
    if header.get("format") != FORMAT:
        raise ValueError(f"the format is {header.get('format')!r}, not {FORMAT!r}")
    rows, cols, nnz = (int(header[k]) for k in ("rows", "cols", "nnz"))
    at, arrays = 0, []
    for kind, count in (("<i8", rows + 1), ("<i4", nnz), ("<f8", nnz), ("<f8", rows), ("<f8", rows)):
        size = numpy.dtype(kind).itemsize * count
        if at + size > len(rest):
            raise ValueError(f"the file ends early: {len(rest)} bytes after the first line")
        # astype copies: the arrays become aligned, and of the machine's byte order
        arrays.append(numpy.frombuffer(rest, dtype=kind, count=count, offset=at).astype(kind[1:]))
        at += size
    if at != len(rest):
        raise ValueError(f"{len(rest) - at} bytes too many")
    indptr, indices, data, target, weight = arrays
    if indptr[0] != 0 or indptr[-1] != nnz or (numpy.diff(indptr) < 0).any():
        raise ValueError("indptr is not that of a CSR matrix")
    if nnz and (indices.min() < 0 or indices.max() >= cols):
        raise ValueError("a column is out of range")
    within = numpy.ones(max(nnz - 1, 0), dtype=bool)
    starts = indptr[1:-1]
    within[starts[(starts > 0) & (starts < nnz)] - 1] = False
    if (numpy.diff(indices.astype(numpy.int64))[within] <= 0).any():
        raise ValueError("the columns of a row are not strictly increasing")
    if not (numpy.isfinite(data).all() and (target >= 0).all() and (target <= 1).all() and (weight >= 0).all()
            and numpy.isfinite(weight).all()):
        raise ValueError("a value is out of range")
    # int32 offsets, as scikit-learn's own vectorizers give them, and as liblinear demands
    matrix = scipy.sparse.csr_matrix((data, indices, indptr.astype(numpy.int32) if nnz < 2**31 else indptr), shape=(rows, cols))
    return matrix, target, weight


def hard_rows(matrix, target, weight):
    """The same problem with labels of 0 and 1."""
    if ((target == 0) | (target == 1)).all():
        x, y, w = matrix, (target == 1).astype(int), weight
    else:
        x = scipy.sparse.vstack([matrix, matrix], format="csr")
        y = numpy.repeat([1, 0], len(target))
        w = numpy.concatenate([weight * target, weight * (1.0 - target)])
    kept = numpy.flatnonzero(w > 0)
    if len(kept) < len(w):
        x, y, w = x[kept], y[kept], w[kept]
    if len(numpy.unique(y)) != 2:
        raise ValueError("there is only one class")
    return x, y, w


def objective(matrix, target, weight, c, coef, intercept):
    z = matrix @ coef + intercept
    loss = weight @ (target * numpy.logaddexp(0.0, -z) + (1.0 - target) * numpy.logaddexp(0.0, z))
    residual = weight * (expit(z) - target)
    gradient = numpy.append(matrix.T @ residual + coef / c, residual.sum())
    return float(loss + coef @ coef / (2.0 * c)), float(numpy.abs(gradient).max())


def fit(options, c, x, y, w, repeat, threads):
    seconds = []
    with threadpool_limits(limits=threads), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(repeat):
            model = LogisticRegression(C=c, random_state=0, **options)
            start = time.perf_counter()
            model.fit(x, y, sample_weight=w)
            seconds.append(time.perf_counter() - start)
    return model, statistics.median(seconds), not any(issubclass(w.category, ConvergenceWarning) for w in caught)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("matrix")
    parser.add_argument("C", type=float)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    try:
        matrix, target, weight = read_csr(arguments.matrix)
        x, y, w = hard_rows(matrix, target, weight)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"{arguments.matrix}: {error}")
    c, fits = arguments.C, {}
    for name, options in FITS.items():
        _, default, _ = fit(options, c, x, y, w, arguments.repeat, None)
        model, single, converged = fit(options, c, x, y, w, arguments.repeat, 1)
        coef, intercept = model.coef_[0], float(model.intercept_[0])
        value, gradient = objective(matrix, target, weight, c, coef, intercept)
        penalty = intercept**2 / (2.0 * c) if options["solver"] == "liblinear" else 0.0
        fits[name] = {
            "seconds_single_thread": round(single, 6), "seconds_default": round(default, 6),
            "objective": value, "own_objective": value + penalty, "gradient_max_abs": gradient,
            "intercept": intercept, "iterations": int(model.n_iter_[0]), "converged": converged,
        }
    pools = [{"api": pool["user_api"], "num_threads": pool["num_threads"]} for pool in threadpool_info()]
    print(json.dumps({
        "rows": matrix.shape[0], "cols": matrix.shape[1], "nnz": int(matrix.nnz), "C": c, "rows_fitted": x.shape[0],
        "repeat": arguments.repeat, "fits": fits, "threads_default": pools,
        "versions": {"python": sys.version.split()[0], "numpy": numpy.__version__, "scipy": scipy.__version__,
                     "scikit-learn": sklearn.__version__},
    }))


if __name__ == "__main__":
    main()
