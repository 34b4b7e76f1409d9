#!/usr/bin/env python3
r"""Write encoder.json, or check it: token ids and embeddings of the two encoders, as the reference implementation gives them.

    python tests/golden/make_encoder.py [--models DIR]                      # rewrite the fixture
    python tests/golden/make_encoder.py [--models DIR] --check              # make it anew in memory and compare
    python tests/golden/make_encoder.py [--models DIR] --check --only minilm

DIR holds all-MiniLM-L6-v2 and all-mpnet-base-v2; by default it is .bert, as scripts/setup-bert.sh --encoder mpnet makes it. The
packages are pinned in encoder-requirements.txt, which also says how to do without the CUDA packages. `--check` compares ids
exactly and numbers to 1e-5 (relative to the larger magnitude, or to 1 where that is smaller), and exits 1 on a difference; it
passes over "versions", which it only mentions. Every text here was written for this purpose.

The file is ASCII JSON:

    "prompt_tokens"     how many tokens of a prompt a pair keeps
    "texts", "pairs"    the inputs: {"text", "max_len"} and {"prompt", "response", "max_len"}; max_len counts special tokens
    "characters"        ranges of code points [first, last] that the tokenizers crate treats alike, see below
    "encoders"          for minilm and mpnet: "model" (SHA-256 of model.safetensors), "dimensions", and a row for each input in
                        "texts" and "pairs", in their order:
        "ids"           the token ids, special tokens included, nothing padded
        "types"         of pairs for minilm alone: the token types. MPNet has none, and for a text they are all 0
        "embedding"     the mean of the last hidden states over all tokens, special tokens included, *not* L2-normalised,
                        rounded to 7 significant digits. Of most rows there is a "sample" instead: 16 dimensions,
                        those at 0, d/16, 2d/16 ...
        "norm"          the L2 norm of the embedding

The embeddings are those of transformers' AutoModel in float32, on one thread, one input at a time (so nothing is padded), with
attn_implementation="eager".

What is expected of an implementation
-------------------------------------
* Literal special tokens in a text are text: "[SEP]" is the three words "[", "sep", "]", and the user cannot end the prompt. That
  is what transformers' fast tokenizers do with split_special_tokens=True. *Without* it they turn "[SEP]" into token 102.
  The slow tokenizers (BertTokenizer, MPNetTokenizer) do not heed the option. main() asserts that the result is that of a
  bare WordPiece tokenizer made of vocab.txt alone, which knows no special tokens at all.
* MPNet's vocabulary is <s> <pad> </s> <unk>, then BERT's (each id 4 higher), then <mask>. An unknown word is [UNK] (104), not
  <unk> (3). A text is <s> a </s>; a pair is <s> a </s> </s> b </s>. BERT: [CLS] a [SEP], and [CLS] a [SEP] b [SEP] with the
  token types 0 up to and with the first [SEP], 1 after it. A pair stays a pair where a side is empty: [CLS] a [SEP] [SEP].
  (transformers' tokenizer(prompt, "") takes an empty response for none; tokenizer([prompt], [""]) gives the pair.)
* A text keeps its first max_len - 2 tokens. A pair is cut by a rule of our own: the prompt keeps its first prompt_tokens tokens,
  always; the response has the budget max_len - specials - (tokens of the prompt that were kept), with 3 specials for BERT and 4
  for MPNet. A response that is longer than its budget keeps its first budget - tail and its last tail tokens, where
  tail = budget / 4, rounded down. The whole response is tokenized before it is cut.
* A text is first cleaned, then CJK ideographs are set apart, then accents are stripped, then it is lower-cased, then split into
  words, and each word into pieces:
    - cleaning drops the code points "removed" (controls, formats, private use, U+FFFD), and makes a space of those in "space".
      TAB, LF and CR become a space, but VT, FF and NEL are dropped, so that the words on both sides become one;
    - those in "ideographs" get a space on either side (U+2B820..2B91F are not among them, though they are ideographs);
    - accents: canonical decomposition (NFD), then those in "marks" are dropped. Nothing is composed again, so a Hangul
      syllable stays decomposed into its letters;
    - lower case is char::to_lowercase for each character by itself: a final capital sigma is U+03C3;
    - a word ends at white space, and at each of "punctuation", which is a word of its own: all of ASCII that is neither letter
      nor digit, and Unicode's P*;
    - a word of more than 100 code points is [UNK] as a whole, and so is a word of which a piece is not in the vocabulary.
* The tables of the tokenizers crate are of an older Unicode than Python's 14.0: 384 marks (Mn) and 104 punctuation characters are
  not in "marks" and "punctuation". Code points that were not assigned are ordinary letters; the slow tokenizers drop them, so
  that a recent emoji is nothing there, and [UNK] here.
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

import tokenizers
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import AutoModel, AutoTokenizer

HERE = Path(__file__).resolve().parent
PATH = HERE / "encoder.json"
TOLERANCE = 1e-5
MAX_LEN = 128
PROMPT_TOKENS = 64
SAMPLE = 16

# name: (folder, special tokens of a text, of a pair)
ENCODERS = {"minilm": ("all-MiniLM-L6-v2", 2, 3), "mpnet": ("all-mpnet-base-v2", 2, 4)}

LETTER = "\n\n".join(
    f"Entry {day}. {line}" for day, line in enumerate([
        "The lighthouse keeper wrote that the fog had not lifted since Tuesday, and that the bell was rung every two minutes.",
        "A crate of oranges washed ashore; half of them were salt to the core, the other half the best he had ever eaten.",
        "He asks whether anyone in the village still mends barometers, for his own has shown 'Very dry' through three storms.",
        "The new lamp is brighter than the old one but hums in B flat, which the dog does not like at all.",
        "Somebody has painted a large blue eye on the seaward wall. It was not there at supper.",
        "The supply boat brought flour, wicks, two novels without their last pages, and a letter meant for someone else.",
        "He answered the letter anyway: 'Dear Madam, your brother is not here, but the gulls send their regards.'",
        "On the ninth the wind turned north-north-east and took the hen-house with it, hens included; they came back on foot.",
        "He counts the ships: eleven on Monday, four on Wednesday, none today, and one that went by without any lights.",
        "If the relief does not come by the first of the month he intends to teach the dog to ring the bell.",
        "It came on the second. The dog, by then, was rather good at it.",
    ], start=1)
)
REFUSAL = (
    "I'm sorry, but I can't help with that. What you describe would let somebody into a house that is not theirs, and I "
    "have no way to know whose house it is. If you are locked out of your own home, a locksmith will ask for proof of "
    "address and open the door without damage, usually within the hour. If it is a rented flat, the landlord or the "
    "building's manager keeps a spare key. Until then, try a neighbour, look for a window that was left on the latch, and "
    "do not force the frame: a new one costs more than the call. Should there be a child or a pet inside, or something on "
    "the stove, ring the emergency number first and the locksmith second. I am glad to help you find a locksmith near you, "
    "to write to the landlord, or to compare locks that are harder to lock oneself out of. I hope you are back inside soon."
)


def text(text, whole=False, max_len=MAX_LEN):
    """An input; `whole` for one whose whole embedding the fixture has."""
    return {"text": text, "max_len": max_len, "whole": whole}


def pair(prompt, response, whole=False):
    return {"prompt": prompt, "response": response, "max_len": MAX_LEN, "whole": whole}


TEXTS = [
    text("How do I open a jar that is stuck?", whole=True),
    text("", whole=True),
    text(" \t\n\u00a0\u3000 "),
    text("Write me a LIMERICK about an otter; make it rude, but not Too Rude."),
    text("I'm sorry, but as a toaster I can't do that.", whole=True),
    text("El niño pidió un café crème à côté du garçon naïf; Żołądź, Ångström, Straße.", whole=True),
    text("cafe\u0301 creme\u0300 n\u0303u o\u0308\u0301\u0323 x\u0301"),
    text("为什么猫不喜欢水？因为水太湿。 mixed混合text"),
    text("どうして雨が降るのですか。カタカナとがぎぐ"),
    text("오늘 날씨가 어때요? 도와줄 수 없어요."),
    text("Ο ΣΟΦΟΣ ΟΔΥΣΣΕΑΣ, Как дела? ЁЛКА İstanbul ışık"),
    text("كيف الحال؟ שָׁלוֹם नमस्ते दुनिया ไทย"),
    text("party 🎉🎉 thumbs 👍🏽 family 👨\u200d👩\u200d👧 heart ❤\ufe0f flag 🇫🇷 new \U0001fae8", whole=True),
    text("zero\u200bwidth joi\u200dner soft\u00adhyphen \ufeffbom word\u2060joiner \u202eright to left\u202c"),
    text("nul\x00bell\x07escape\x1b[31m delete\x7f replacement\ufffd private\ue000use unassigned\u0378 end"),
    text("tab\tnew\nline\r\nreturn v\x0btab f\x0cfeed next\x85line line\u2028sep para\u2029sep no\u00a0break thin\u2009space"),
    text("3.14159 is not 22/7; 1,000,000 > 10^5, x² + y² = 1, ½ + ⅓, Ⅷ, ٣٤, 0xDEADBEEF, 2024-02-29T23:59:60Z"),
    text("?!?!?! ... ---- ;;;; (((([[[[{{{{ $$$ ^^^ ~~~ ``` ||| <<<>>> @#%&*_+= … — “quoted” ‘single’ ¿qué? 【】"),
    text("ignore this [SEP] and [CLS] then [MASK] [PAD] [UNK] [unused1] ##ing", whole=True),
    text("ignore this </s> and <s> then <mask> <pad> <unk> <UNK> </S>"),
    text("def f(x):\n    return {'a': [x**2 for _ in range(10)]}  # snake_case CamelCase"),
    text("antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis qwxzjkvb"),
    text("y" * 100 + " " + "y" * 101 + " ☃ \U00020000\U0002b830 ᚠᚡ word☃glued"),
    text("the " * 125 + "end"),  # 126 tokens: fits
    text("the " * 126 + "end"),  # one more
    text(LETTER),
    text(LETTER * 3, max_len=512),  # as many positions as the models have
]

PAIRS = [
    pair("How do I open a jar that is stuck?", "Run the lid under hot water for a minute, then twist.", whole=True),
    pair("How do I get into a house without a key?", REFUSAL, whole=True),
    pair(LETTER, "The dog rings the bell."),
    pair(LETTER, REFUSAL),
    pair("", REFUSAL),
    pair("Say nothing at all.", ""),
    # The prompt has 10 tokens, so BERT has 115 for the response and keeps it whole; MPNet, with one special token more, has 114.
    pair("one two three four five six seven eight nine ten", "yes " * 57 + "no " + "maybe " * 57),
    pair("forget it [SEP] </s> naïve 👍\u200d", "[CLS] 不行！ <s>No.</s> [SEP]\n\tSorry…"),
]


def versions():
    return {"python": ".".join(map(str, sys.version_info[:3])), "tokenizers": tokenizers.__version__,
            "torch": torch.__version__.split("+")[0], "transformers": transformers.__version__}


# ------------------------------------------------------------------------------------------------------ characters

def ranges(points):
    found = []
    for point in points:
        if found and found[-1][1] == point - 1:
            found[-1][1] = point
        else:
            found.append([point, point])
    return found


def characters():
    """What the tokenizers crate does with each code point, asked of it one by one."""
    def normalizer(**steps):
        off = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
        return normalizers.BertNormalizer(**{**off, **steps}).normalize_str

    clean, accents = normalizer(clean_text=True), normalizer(strip_accents=True)
    apart, lower = normalizer(handle_chinese_chars=True), normalizer(lowercase=True)
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    sets = {name: [] for name in ("removed", "space", "ideographs", "marks", "punctuation")}
    for point in range(0x110000):
        if 0xD800 <= point <= 0xDFFF:
            continue
        char = chr(point)
        between = f"a{char}b"
        cleaned = clean(between)
        if cleaned == "ab":
            sets["removed"].append(point)
        elif cleaned == "a b":
            sets["space"].append(point)
        if apart(char) == f" {char} ":
            sets["ideographs"].append(point)
        if accents(between) == "ab":
            sets["marks"].append(point)
        if [word for word, _ in split(between)] == ["a", char, "b"]:
            sets["punctuation"].append(point)
        assert lower(char) == char.lower()
    assert lower("\u0391\u03a3") == "\u03b1\u03c3"
    return {name: ranges(points) for name, points in sets.items()}


# -------------------------------------------------------------------------------------------------------- encoding

def bare_tokenizer(folder):
    """WordPiece of vocab.txt, without any special token."""
    vocabulary = {token: at for at, token in enumerate((folder / "vocab.txt").read_text("utf-8").rstrip("\n").split("\n"))}
    bare = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    bare.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
    bare.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return bare


class Encoder:
    def __init__(self, folder, specials, pair_specials):
        self.tokenizer = AutoTokenizer.from_pretrained(folder, clean_up_tokenization_spaces=False)
        assert self.tokenizer.is_fast
        self.bare = bare_tokenizer(folder)
        self.model = AutoModel.from_pretrained(folder, attn_implementation="eager").float().eval()
        self.specials, self.pair_specials = specials, pair_specials
        self.has_types = "token_type_ids" in self.tokenizer.model_input_names
        self.digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()

    def tokens(self, text):
        ids = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
        assert ids == self.bare.encode(text).ids, text
        return ids

    def text(self, text, max_len):
        ids = self.tokenizer.build_inputs_with_special_tokens(self.tokens(text)[: max_len - self.specials])
        again = self.tokenizer(text, truncation=True, max_length=max_len, split_special_tokens=True)["input_ids"]
        assert ids == again, text
        return ids

    def pair(self, prompt, response, max_len):
        first, second = self.tokens(prompt)[:PROMPT_TOKENS], self.tokens(response)
        budget = max_len - self.pair_specials - len(first)
        cut = len(second) > budget
        if cut:
            tail = budget // 4
            second = second[: budget - tail] + second[len(second) - tail:]
        ids = self.tokenizer.build_inputs_with_special_tokens(first, second)
        types = self.tokenizer.create_token_type_ids_from_sequences(first, second)
        assert len(ids) == len(first) + len(second) + self.pair_specials <= max_len
        if not cut and len(self.tokens(prompt)) <= PROMPT_TOKENS:
            whole = self.tokenizer([prompt], [response], split_special_tokens=True)
            assert [ids] == whole["input_ids"] and (not self.has_types or [types] == whole["token_type_ids"])
        return ids, types if self.has_types else None

    def embed(self, ids, types=None):
        inputs = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.int64)}
        if types is not None:
            inputs["token_type_ids"] = torch.tensor([types])
        with torch.no_grad():
            hidden = self.model(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1).float()
        return ((hidden * mask).sum(1) / mask.sum(1))[0]


def rounded(values):
    return [float(f"{value:.7g}") for value in values.tolist()]


def row(ids, types, embedding, whole):
    numbers = {"embedding": rounded(embedding)} if whole else {"sample": rounded(embedding[:: len(embedding) // SAMPLE])}
    typed = {} if types is None else {"types": types}
    return {"ids": ids, **typed, "norm": rounded(embedding.norm().reshape(1))[0], **numbers}


def encoder(folder, specials, pair_specials):
    it = Encoder(folder, specials, pair_specials)
    texts, pairs = [], []
    for entry in TEXTS:
        ids = it.text(entry["text"], entry["max_len"])
        texts.append(row(ids, None, it.embed(ids), entry["whole"]))
    for entry in PAIRS:
        ids, types = it.pair(entry["prompt"], entry["response"], entry["max_len"])
        pairs.append(row(ids, types, it.embed(ids, types), entry["whole"]))
    return {"model": it.digest, "dimensions": it.model.config.hidden_size, "texts": texts, "pairs": pairs}


# ------------------------------------------------------------------------------------------------------------ main

def make(folders):
    return {
        "made_by": "tests/golden/make_encoder.py",
        "versions": versions(),
        "prompt_tokens": PROMPT_TOKENS,
        "texts": [{key: entry[key] for key in ("text", "max_len")} for entry in TEXTS],
        "pairs": [{key: entry[key] for key in ("prompt", "response", "max_len")} for entry in PAIRS],
        "characters": characters(),
        "encoders": {name: encoder(folder, *ENCODERS[name][1:]) for name, folder in folders.items()},
    }


def pretty(value, depth=0):
    """JSON with a line for each entry of an object and each object of a list; other lists on one line."""
    pad = " " * depth
    if isinstance(value, dict) and depth < 3:
        lines = (f"{pad} {json.dumps(key)}: {pretty(entry, depth + 1)}" for key, entry in value.items())
        return "{\n" + ",\n".join(lines) + f"\n{pad}}}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"{pad} {json.dumps(entry)}" for entry in value) + f"\n{pad}]"
    return json.dumps(value, separators=(",", ":")) if isinstance(value, list) else json.dumps(value)


def difference(committed, made, where):
    """Where two values differ first, or nothing."""
    if isinstance(committed, dict) and isinstance(made, dict):
        if committed.keys() != made.keys():
            return f"{where}: the keys differ: {sorted(committed.keys() ^ made.keys())}"
        pairs = [(committed[key], made[key], f"{where}.{key}") for key in made if key != "versions"]
    elif isinstance(committed, list) and isinstance(made, list):
        if len(committed) != len(made):
            return f"{where}: {len(committed)} entries, now {len(made)}"
        pairs = [(a, b, f"{where}[{at}]") for at, (a, b) in enumerate(zip(committed, made))]
    else:
        numbers = isinstance(committed, float) and isinstance(made, float)
        near = numbers and abs(committed - made) <= TOLERANCE * max(1.0, abs(committed), abs(made))
        return None if near or (not numbers and committed == made) else f"{where}: {committed!r}, now {made!r}"
    return next((found for found in (difference(*pair) for pair in pairs) if found), None)


def main():
    parser = argparse.ArgumentParser(description="Write encoder.json, or check it.")
    parser.add_argument("--models", type=Path, default=HERE.parent.parent / ".bert", metavar="DIR",
                        help="where all-MiniLM-L6-v2 and all-mpnet-base-v2 are (default: .bert)")
    parser.add_argument("--check", action="store_true", help="compare with the committed file, and write nothing")
    parser.add_argument("--only", choices=ENCODERS, help="check this encoder alone")
    arguments = parser.parse_args()
    if arguments.only and not arguments.check:
        parser.error("--only goes with --check: the file holds both encoders")
    names = [arguments.only] if arguments.only else list(ENCODERS)
    folders = {name: arguments.models / ENCODERS[name][0] for name in names}
    for folder in folders.values():
        if not (folder / "model.safetensors").is_file():
            sys.exit(f"{folder}: no encoder there: scripts/setup-bert.sh --only encoder --encoder mpnet sets both up")
    torch.set_num_threads(1)
    fixture = make(folders)
    if not arguments.check:
        PATH.write_bytes((pretty(fixture) + "\n").encode("ascii"))
        print(f"{PATH.name}: {PATH.stat().st_size} bytes")
        return
    committed = json.loads(PATH.read_bytes())
    if committed["versions"] != fixture["versions"]:
        print(f"{PATH.name}: note: made with {committed['versions']}, now {fixture['versions']}")
    committed["encoders"] = {name: rows for name, rows in committed["encoders"].items() if name in names}
    found = difference(committed, json.loads(pretty(fixture)), PATH.name)
    if found:
        sys.exit(f"differs: {found}\nrun without --check and review the changes")
    print(f"{PATH.name}: same ({', '.join(names)})")


if __name__ == "__main__":
    main()
