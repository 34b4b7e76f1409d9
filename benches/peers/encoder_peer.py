#!/usr/bin/env python3
"""How long Python's onnxruntime, or torch with transformers, takes to embed texts with an encoder.

    python benches/peers/encoder_peer.py onnx ENCODER.onnx
    python benches/peers/encoder_peer.py torch DIR

ENCODER.onnx has the inputs input_ids, attention_mask and perhaps token_type_ids, int64
[batch, length], and the output embedding. DIR has config.json and model.safetensors. The first
needs onnxruntime==1.31.1 and numpy, the second what tests/golden/encoder-requirements.txt says.

Neither tokenizes: the ids are drawn once, by seed, from words and pieces of words in the
vocabularies of BERT and MPNet, as many for each text, so that nothing is padded. The mean over the
tokens is part of both. What is timed is each batch by itself, with time.perf_counter_ns, from
arrays in memory to an array in memory. One JSON object is printed:

    {"peer", "model", "batch", "tokens", "threads", "runs",
     "median_ms", "p90_ms", "min_ms": of a batch,
     "ms_per_text": the median divided by the texts of a batch,
     "norm": the mean L2 norm of the embeddings, to see that two peers computed the same,
     "versions"}
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy

FIRST, LAST = 2000, 20000  # no special or unused token in either vocabulary
STARTS_ENDS = {"bert": (101, 102), "mpnet": (0, 2)}


def draw(batch, tokens, family):
    ids = numpy.random.RandomState(0).randint(FIRST, LAST, size=(batch, tokens)).astype(numpy.int64)
    ids[:, 0], ids[:, -1] = STARTS_ENDS[family]
    return {"input_ids": ids, "attention_mask": numpy.ones_like(ids), "token_type_ids": numpy.zeros_like(ids)}


def onnx(settings):
    """A function that embeds a batch, its inputs, and the versions."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(settings.model, options, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    inputs = draw(settings.batch, settings.tokens, "bert" if "token_type_ids" in names else "mpnet")
    unknown = set(names) - set(inputs)
    if unknown:
        sys.exit(f"{settings.model}: it asks for {sorted(unknown)} as well")
    feed = {name: inputs[name] for name in names}
    return lambda: session.run(["embedding"], feed)[0], {"onnxruntime": onnxruntime.__version__}


def torch(settings):
    import torch
    import transformers

    torch.set_num_threads(settings.threads)
    model = transformers.AutoModel.from_pretrained(settings.model).float().eval()
    inputs = draw(settings.batch, settings.tokens, model.config.model_type)
    if model.config.model_type != "bert":
        del inputs["token_type_ids"]
    feed = {name: torch.from_numpy(value) for name, value in inputs.items()}
    mask = feed["attention_mask"].unsqueeze(-1).float()

    def embed():
        with torch.inference_mode():
            return ((model(**feed).last_hidden_state * mask).sum(1) / mask.sum(1)).numpy()

    return embed, {"torch": torch.__version__, "transformers": transformers.__version__}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=("onnx", "torch"))
    parser.add_argument("model", help="ENCODER.onnx, or DIR")
    parser.add_argument("--batch", type=int, default=32, help="texts of a batch (default: %(default)s)")
    parser.add_argument("--tokens", type=int, default=20, help="of a text, special ones included (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of one operation (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=50, help="batches that are timed (default: %(default)s)")
    parser.add_argument("--warmup", type=int, default=10, help="batches before them (default: %(default)s)")
    settings = parser.parse_args()
    if min(settings.batch, settings.threads, settings.runs, settings.tokens - 1) < 1 or settings.warmup < 0:
        parser.error("each of the numbers is at least 1, --tokens 2, --warmup 0")
    if not Path(settings.model).exists():
        sys.exit(f"{settings.model}: no such file")
    embed, versions = {"onnx": onnx, "torch": torch}[settings.peer](settings)
    for _ in range(settings.warmup):
        embed()
    times = numpy.empty(settings.runs)
    for run in range(settings.runs):
        start = time.perf_counter_ns()
        embeddings = embed()
        times[run] = time.perf_counter_ns() - start
    times /= 1e6
    median = float(numpy.median(times))
    print(json.dumps({
        "peer": settings.peer, "model": Path(settings.model).name, "batch": settings.batch, "tokens": settings.tokens,
        "threads": settings.threads, "runs": settings.runs,
        "median_ms": round(median, 3), "p90_ms": round(float(numpy.percentile(times, 90)), 3),
        "min_ms": round(float(times.min()), 3), "ms_per_text": round(median / settings.batch, 4),
        "norm": round(float(numpy.linalg.norm(embeddings, axis=1).mean()), 5),
        "versions": {"python": sys.version.split()[0], "numpy": numpy.__version__, **versions},
    }))


if __name__ == "__main__":
    main()
