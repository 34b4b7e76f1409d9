#!/usr/bin/env python3
r"""Write the golden fixtures that the Rust code is compared with, or check them.

    python tests/golden/make_fixtures.py            # rewrite every fixture
    python tests/golden/make_fixtures.py --check    # regenerate in memory and compare; exit 1 on a difference

The packages are pinned in requirements.txt. The same versions on the same machine give the same bytes; elsewhere the last
digits of a float may differ, so `--check` compares numbers to 1e-12 (relative to the larger magnitude, or to 1 where
that is smaller). It passes over what is under a "diagnostics" key (how far an iterative solver got before the polish), and over
"versions", which it only mentions when they differ. Every text here was written for this purpose.

Every file is ASCII JSON, an object with the sorted keys "made_by", "versions" and those of its own. In all of them

    a sparse row    is [[column, value], ...] in order of column;
    "features"      is one sparse row per text of texts.json, all of them: the first "n_train" were fitted on, the others unseen;
    "vocabulary"    is the list of terms by column. scikit-learn sorts by code point, which is the byte order of UTF-8;
    null            is a number that is not defined (NaN).

What scikit-learn does, where one might do otherwise
----------------------------------------------------
* A text is lower-cased with str.lower, as a whole; nothing is normalised (NFC or other), no accent is stripped.
* Word view: tokens are the non-overlapping matches of (?u)\b\w\w+\b, which are the maximal runs of \w of two code points or
  more. With ngram_range (1, n) all the unigrams come first, then all the bigrams ...; terms are joined by one space.
* char_wb view: the lower-cased text is split by str.split() and each word padded with one space on either side. The word is
  not a \w word: punctuation belongs to it. For n from min_n to max_n the n-grams come in order; where the padded word is
  not longer than n, its one n-gram (the padded word itself, shorter than n or just n) is given and *no larger n is tried*.
  Lengths are in code points, not bytes or graphemes.
* min_df and max_df: an integer is a number of documents, a float is multiplied by the number of documents and not rounded;
  a term is kept when min <= df <= max. max_df=1 (int) is one document, max_df=1.0 is all.
* max_features keeps the terms with the greatest total count (not df) among those that min_df and max_df left. Ties at the
  boundary are broken by numpy's unstable argsort, so they may depend on the machine: here the settings have no tie at the
  boundary, and this script refuses to write a fixture that does.
* idf = ln((1 + n) / (1 + df)) + 1 when smooth, ln(n / df) + 1 when not; tf is 1 + ln(tf) when sublinear; then the norm. A row
  without a known term stays all zero.
* LogisticRegression does not penalise its intercept (liblinear does). Objective, as recorded here:
      sum_i w_i * (-t_i ln p_i - (1 - t_i) ln(1 - p_i)) + ||coef||^2 / (2 C)
* class_weight="balanced" multiplies each sample weight by W / (2 W_c), where W is the sum of the *sample weights* and W_c that
  of class c. (Older versions of scikit-learn counted rows there: n / (2 n_c), also when there were sample weights.)

Python's \w, \s and str.lower beside Rust's (by brute force over all code points, Unicode 14.0)
-----------------------------------------------------------------------------------------------
* Python's \w is str.isalnum() or "_", and isalnum is isalpha, isdecimal, isdigit or isnumeric. Over all code points it is
  exactly: general category L* (Lu Ll Lt Lm Lo), N* (Nd Nl No), or U+005F. No exception in either direction (main() asserts it).
* Rust's char::is_alphanumeric is Alphabetic or N*. Alphabetic also has Other_Alphabetic, so Rust has 1,404 code points more:
  857 of Mn and 417 of Mc (U+0345, Hebrew points, Arabic vowel signs, Devanagari and other Indic vowel signs, ...), and 130 of So
  (circled letters U+24B6..24E9, squared letters U+1F130..1F149, 1F150..1F169, 1F170..1F189). Python has one more: "_".
  The other combining marks (U+0301 and so on, the virama) are in neither.
* So in Python a combining mark ends a word: "cafe" + U+0301 gives "cafe", without the mark; the Hindi word for Hindi
  (U+0939 U+093F U+0928 U+094D U+0926 U+0940) gives three single letters, hence no token at all. U+200D (zero-width joiner)
  and U+00AD (soft hyphen) are not \w either.
* The \w of Rust's regex crate is Alphabetic, M*, Nd, Pc and Join_Control: a third set (no No such as U+00B2, all
  connectors, all marks). In that crate's syntax Python's \w is [\p{L}\p{N}_].
* Python's \s and str.split() (str.isspace) are White_Space, as Rust's char::is_whitespace, and U+001C..U+001F besides.
* str.lower is the full mapping of SpecialCasing.txt without locale: U+0130 (dotted I) gives "i" + U+0307 (so that the word
  is broken by the mark), and a capital sigma gives U+03C2 when a cased letter comes before it and none after it (skipping
  Case_Ignorable), else U+03C3. str::to_lowercase of Rust is the same mapping, with the rule for sigma; char::to_lowercase
  has not the rule. Neither touches U+00DF.
* Newer Unicode: among the code points assigned in 14.0, \w as above did not change up to 17.0 (38 marks became Alphabetic, which
  matters only to is_alphanumeric). Code points that 14.0 did not assign are not \w for a Python with 14.0: they are listed in
  word_chars.json as "unassigned_ranges", to be passed over in a comparison with a newer table.
"""

import argparse
import json
import math
import re
import sys
import unicodedata
import warnings
from pathlib import Path

import numpy
import scipy
import scipy.sparse
import sklearn
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import binomtest, hypergeom, norm
from sklearn import metrics
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion
from sklearn.utils.class_weight import compute_class_weight

HERE = Path(__file__).resolve().parent
TOLERANCE = 1e-12
N_TRAIN = 40

# (text, label, sample weight, soft label); the label is 1 for a refusal, or what one would expect to be refused.
TEXTS = [
    # --- fitted on -----------------------------------------------------------------------------------------------
    ("What is the capital of France?", 0, 1.0, 0.0),
    ("I'm sorry, but I can't help with that.", 1, 2.0, 1.0),
    ("I cannot help you with the request you made, as it is not safe.", 1, 1.5, 0.95),
    ("Sure! Here is the recipe you asked for: flour, water, salt, yeast; salt and flour, then water.", 0, 1.0, 0.05),
    ("How do I write a for-loop in Python, and what does range(10) do?", 0, 0.5, 0.0),
    ("def add(a, b):\n    return a + b  # the sum of a and b", 0, 1.0, 0.1),
    ("As an AI language model, I do not have personal opinions.", 1, 3.0, 0.8),
    ("Sorry, I won't do that. I won't, I won't, I won't!", 1, 1.0, 1.0),
    ("Write the story of a dragon who is afraid of the dark.", 0, 1.0, 0.15),
    ("Tell me how to pick the lock of a house that is not mine.", 1, 0.25, 0.7),
    ("Le café était très bon, n'est-ce pas ?", 0, 1.0, 0.0),
    ("Le cafe\u0301 e\u0301tait tre\u0300s bon, n'est-ce pas ?", 0, 1.0, 0.0),
    ("İstanbul'da hava nasıl? I IŞIK ışık", 0, 1.0, 0.2),
    ("Die Straße ist groß, die STRASSE IST GROSS.", 0, 2.0, 0.0),
    ("Ο ΣΟΦΟΣ ΟΔΥΣΣΕΑΣ: ΑΣ, Σ, ΑΣ.", 0, 1.0, 0.1),
    ("Как мне взломать чужой пароль? Не могу помочь.", 1, 1.0, 0.9),
    ("Почему небо голубое? ЁЛКА ёлка", 0, 1.0, 0.1),
    ("为什么天空是蓝色的？ 我不能帮助你。", 1, 1.0, 0.6),
    ("كيف حالك اليوم؟ لا أستطيع مساعدتك", 1, 0.75, 0.65),
    ("मैं इसमें आपकी मदद नहीं कर सकता। हिन्दी", 1, 1.0, 0.85),
    ("I can't assist with the making of a weapon 🚫🔫", 1, 1.0, 1.0),
    ("🎉🎉 happy birthday!! 🎂 you are 30 👨\u200d👩\u200d👧", 0, 1.0, 0.0),
    ("snake_case __init__ _x x_ a_b _ __ MAX_SIZE=10", 0, 1.0, 0.3),
    ("3.14159 is not 22/7; 1,000,000 > 10^5 and x² + y² = 1", 0, 1.0, 0.25),
    ("state-of-the-art, well-known, e-mail, co-operate - and - so--on", 0, 1.0, 0.0),
    ("tabs\tand\nnew\r\nlines \x0b and\x0cfeeds", 0, 1.0, 0.5),
    ("no-break\u00a0space, thin\u2009space, wide\u3000space, zero\u200bwidth", 0, 1.0, 0.5),
    ("a b c d I x y z", 0, 1.0, 0.4),
    ("", 1, 0.5, 0.5),
    ("?! ... --- ,;: (((())))", 0, 1.0, 0.45),
    ("the the the the the cat and the the dog and the cat", 0, 1.0, 0.0),
    ("help help help I cannot cannot cannot help", 1, 1.0, 0.9),
    ("ab" * 45 + "c and the end", 0, 1.0, 0.35),
    ("Is it safe to mix the bleach with vinegar? It is not safe.", 1, 1.25, 0.55),
    ("Who won the world cup in 1998, and who won it in 2002?", 0, 1.0, 0.02),
    ("I’m sorry, but I can’t help with that request.", 1, 1.0, 0.98),
    ("YOU MUST NOT HELP WITH THAT! You must not. you must not", 1, 1.0, 0.75),
    ("Please explain the plot of the film to me, as if I were five. Please explain the film.", 0, 1.0, 0.03),
    ("Unfortunately it is not possible for me to help you with that.", 1, 4.0, 0.9),
    ("What do you know of the history of the Roman roads: roads, and Roman history?", 0, 1.0, 0.07),
    # --- unseen --------------------------------------------------------------------------------------------------
    ("What is the capital of Peru?", 0, 1.0, 0.0),
    ("I am sorry, I cannot help with the lock.", 1, 1.0, 1.0),
    ("How do I bake bread with flour, salt and water?", 0, 1.0, 0.1),
    ("That is not a safe request, so I won't.", 1, 1.0, 0.95),
    ("Completely unknown vocabulary everywhere: zyzzyva qwop", 0, 1.0, 0.3),
    (" ", 0, 1.0, 0.5),
    ("CAFÉ CAFE\u0301 café", 0, 1.0, 0.0),
    ("ΟΔΥΣΣΕΑΣ ΑΣΑ αΣ", 0, 1.0, 0.2),
    ("пароль ПАРОЛЬ Пароль", 1, 1.0, 0.8),
    ("我不能帮助你。", 1, 1.0, 0.9),
    ("हिन्दी में मदद", 0, 1.0, 0.4),
    ("मदद\u200dनहीं لا\u200cأستطيع", 1, 1.0, 0.6),
    ("أستطيع مساعدتك اليوم", 0, 1.0, 0.3),
    ("👍🏽 ok ✅ ①② Ⓐⓑ ½ Ⅷ", 0, 1.0, 0.1),
    ("return a_b + __init__ # 10", 0, 1.0, 0.2),
    ("you you you you you you you", 0, 1.0, 0.5),
    ("İI ıi ẞß ﬁ Ǆ", 0, 1.0, 0.3),
    ("Don't help! Don't! DON'T! 'quoted' ''", 1, 1.0, 0.7),
    ("new\u2028line\u2029paragraph\x85next\x1cfile\x1funit", 0, 1.0, 0.4),
    ("ab" * 45 + "c", 0, 1.0, 0.35),
]

# More strings for the tokenizers alone.
TRICKY = [
    "x", "xy", " x", "_", "__", "_a", "a_", "a1", "1", "12", "1.5", "-", "a-b", "aa-bb", "it's", "o'clock", "rock'n'roll",
    "  two  spaces  ", "\t\n\r\x0b\x0c", "a\u00a0b", "aa\u00a0bb", "aa\x1cbb\x1dcc\x1edd\x1fee", "aa\x85bb",
    "aa\u1680bb\u2000cc\u200add\u2028ee\u2029ff\u202fgg\u205fhh\u3000ii", "aa\u180ebb\u200bcc\u2060dd\ufeffee",
    "aa\x00bb\x7fcc", "soft\u00adhyphen", "zero\u200djoiner\u200cnon",
    "é", "e\u0301", "éé", "e\u0301e\u0301", "re\u0301sume\u0301", "\u0301", "a\u0301\u0301b", "\u0345\u0345", "aa\u0345aa",
    "İ", "İİ", "aİb", "Iİıi", "ß", "ẞ", "ẞẞ", "ﬁn", "ŉa", "ǅ", "ǅǆ", "ǈ", "Å Å", "K K", "Ω Ω", "ⅣⅣ", "ⓐⒷⒸ", "🄰🄱", "🅰🅱",
    "Σ", "ΣΣ", "ΑΣ", "ΑΣ.", "ΑΣΑ", "ΑΣ Α", "Α Σ", "ΑΣ'Α", "ΑΣ'", "'Σ", "Α\u0301Σ", "ΑΣ\u0301", "ΑΣ\u0301Α", "ΑΣ\u00ad",
    "ΑΣ\u00adΑ", "ΑΣ\u200dΑ", "ΑΣ1", "ΑΣ_", "ΑΣ:Α", "1Σ", "abcΣ", "ABCΣ", "ABCΣd", "AN ASCII PREFIX THAT IS LONGER THAN 32 BYTES Σ",
    "AN ASCII PREFIX THAT IS LONGER THAN 32 BYTESΣ", "中Σ", "ªΣ", "Σ\U0001d400", "\U0001d400Σ",
    "x²", "H₂O", "½", "½½", "①②", "٣٤", "१२", "三四", "〇〇", "Ⅷ", "௧௨", "¼a", "٠٫٥",
    "日本語テスト", "テスト", "ﾃｽﾄ", "か\u3099", "が", "ー", "々", "한국어", "\u1112\u1161\u11ab", "ไทย", "ภาษาไทย", "ပြည်", "தமிழ்", "বাংলা",
    "हिन्दी", "कि", "नमस्ते दुनिया", "שָׁלוֹם", "שלום", "العَرَبِيَّة", "لا\u200cأ", "עברית 12", "ქართული ᲥᲐᲠ", "ᎠᎡ ꭰꭱ", "Հայ ՀԱՅ", "𐐀𐐨", "𝐀𝐁",
    "👍", "👍🏽", "👨\u200d👩\u200d👧", "🇫🇷", "1\ufe0f\u20e3", "a👍b", "aa👍bb", "❤\ufe0f",
    "ʼn", "ˈaa", "aaˈbb", "aa·bb", "aa‿bb", "aa⁀bb", "aa＿bb", "ａｂ", "aa’bb", "aa‐bb", "aa–bb", "aa…bb", "aa.bb", "aa@bb", "#tag",
    "http://a.bc/de?f=gh", "C++ C# .NET", "a" * 130, "\U0002a6a5\U0002a6d6", "\ue000\ue001", "\U0010ffff", "\ufffd\ufffd",
]

WORD = {"analyzer": "word", "lowercase": True, "ngram_range": [1, 1], "min_df": 1, "max_df": 1.0, "max_features": None,
        "use_idf": True, "smooth_idf": True, "sublinear_tf": False, "norm": "l2"}


def versions():
    return {"python": ".".join(map(str, sys.version_info[:3])), "numpy": numpy.__version__, "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__, "unicode": unicodedata.unidata_version}


# ---------------------------------------------------------------------------------------------------- vectorizers

def sparse_rows(matrix):
    matrix = scipy.sparse.csr_matrix(matrix)
    matrix.sort_indices()
    rows = []
    for i in range(matrix.shape[0]):
        a, b = matrix.indptr[i], matrix.indptr[i + 1]
        rows.append([[int(j), float(v)] for j, v in zip(matrix.indices[a:b], matrix.data[a:b])])
    return rows


def vectorizer(settings):
    return TfidfVectorizer(**{**settings, "ngram_range": tuple(settings["ngram_range"])})


def refuse_ties(settings, docs):
    """max_features must fall where the total counts differ (see the docstring)."""
    counter = CountVectorizer(analyzer=settings["analyzer"], ngram_range=tuple(settings["ngram_range"]),
                              min_df=settings["min_df"], max_df=settings["max_df"])
    totals = sorted(numpy.asarray(counter.fit_transform(docs).sum(axis=0)).ravel().tolist(), reverse=True)
    n = settings["max_features"]
    if n >= len(totals) or totals[n - 1] == totals[n]:
        good = [k for k in range(1, len(totals)) if totals[k - 1] != totals[k]]
        sys.exit(f"max_features={n} falls into a tie (or keeps all {len(totals)} terms); without a tie: {good}")


def vectorizer_case(name, **changes):
    texts = [t[0] for t in TEXTS]
    settings = {**WORD, **changes}
    if settings["max_features"] is not None:
        refuse_ties(settings, texts[:N_TRAIN])
    model = vectorizer(settings).fit(texts[:N_TRAIN])
    vocabulary = model.get_feature_names_out().tolist()
    assert vocabulary == sorted(vocabulary)
    return {"name": name, "settings": settings, "vocabulary": vocabulary,
            "idf": model.idf_.tolist() if settings["use_idf"] else None,
            "features": sparse_rows(model.transform(texts))}


def vectorizer_file(*cases):
    return {"n_train": N_TRAIN, "cases": list(cases)}


def vectorizer_word_basic():
    return vectorizer_file(
        vectorizer_case("default"),
        vectorizer_case("ngrams_1_3_sublinear", ngram_range=[1, 3], sublinear_tf=True),
        vectorizer_case("ngrams_2_2", ngram_range=[2, 2]),
        vectorizer_case("no_idf", use_idf=False),
        vectorizer_case("no_idf_no_norm", use_idf=False, norm=None),
        vectorizer_case("no_norm_sublinear", norm=None, sublinear_tf=True),
        vectorizer_case("norm_l1", norm="l1"),
        vectorizer_case("idf_not_smooth", smooth_idf=False),
        vectorizer_case("no_lowercase", lowercase=False),
    )


def vectorizer_word_pruned():
    return vectorizer_file(
        vectorizer_case("min_df_2", min_df=2),
        vectorizer_case("min_df_0.05", min_df=0.05),
        vectorizer_case("min_df_0.06", min_df=0.06),
        vectorizer_case("max_df_0.5", max_df=0.5),
        vectorizer_case("max_df_0.1", max_df=0.1),
        vectorizer_case("max_df_3", max_df=3),
        vectorizer_case("max_features_50", max_features=50),
        vectorizer_case("max_features_11_of_min_df_2_max_df_0.3", min_df=2, max_df=0.3, max_features=11),
        vectorizer_case("ngrams_1_2_min_df_2_sublinear", ngram_range=[1, 2], min_df=2, sublinear_tf=True),
    )


def vectorizer_char_wb():
    return vectorizer_file(
        vectorizer_case("char_wb_2_4_min_df_2_sublinear", analyzer="char_wb", ngram_range=[2, 4], min_df=2, sublinear_tf=True),
        vectorizer_case("char_wb_3_3_min_df_0.1", analyzer="char_wb", ngram_range=[3, 3], min_df=0.1),
    )


# ------------------------------------------------------------------------------------------------------- logistic

def objective_and_gradient(x, target, weight, c, theta):
    z = x @ theta[:-1] + theta[-1]
    loss = weight @ (target * numpy.logaddexp(0.0, -z) + (1.0 - target) * numpy.logaddexp(0.0, z))
    value = loss + theta[:-1] @ theta[:-1] / (2.0 * c)
    residual = weight * (expit(z) - target)
    gradient = numpy.append(x.T @ residual + theta[:-1] / c, residual.sum())
    return float(value), gradient


def polish(x, target, weight, c, theta):
    """Newton steps from an optimum that is nearly there, for as long as they make the gradient smaller."""
    best = numpy.abs(objective_and_gradient(x, target, weight, c, theta)[1]).max()
    ones = numpy.hstack([x, numpy.ones((x.shape[0], 1))])
    ridge = numpy.append(numpy.full(x.shape[1], 1.0 / c), 0.0)
    for _ in range(50):
        p = expit(ones @ theta)
        hessian = (ones * (weight * p * (1.0 - p))[:, None]).T @ ones + numpy.diag(ridge)
        step = theta - numpy.linalg.solve(hessian, objective_and_gradient(x, target, weight, c, theta)[1])
        norm = numpy.abs(objective_and_gradient(x, target, weight, c, step)[1]).max()
        if norm >= best:
            break
        theta, best = step, norm
    return theta


def logistic_case(name, features, c=1.0, weighted=False, balanced=False, soft=False):
    """Fit on the first N_TRAIN rows; give what is at the optimum, and the probabilities of all rows."""
    x_all = numpy.asarray(features.todense())
    x = x_all[:N_TRAIN]
    label = numpy.array([t[1] for t in TEXTS[:N_TRAIN]], dtype=float)
    given = numpy.array([t[2] for t in TEXTS[:N_TRAIN]]) if weighted else numpy.ones(N_TRAIN)
    target = numpy.array([t[3] for t in TEXTS[:N_TRAIN]]) if soft else label
    weight = given.copy()
    class_weight = None
    model = LogisticRegression(C=c, solver="lbfgs", tol=1e-12, max_iter=10000, class_weight="balanced" if balanced else None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that lbfgs finds no better point is what we are after
        if soft:
            assert not balanced
            model.fit(numpy.vstack([x, x]), numpy.repeat([1, 0], N_TRAIN),
                      sample_weight=numpy.append(given * target, given * (1.0 - target)))
        else:
            model.fit(x, label.astype(int), sample_weight=given)
    if balanced:
        class_weight = compute_class_weight("balanced", classes=numpy.array([0, 1]), y=label.astype(int), sample_weight=given)
        weight = given * class_weight[label.astype(int)]
        class_weight = class_weight.tolist()
    raw = numpy.append(model.coef_[0], model.intercept_)
    theta = polish(x, target, weight, c, raw)
    value, gradient = objective_and_gradient(x, target, weight, c, theta)
    raw_value, raw_gradient = objective_and_gradient(x, target, weight, c, raw)
    assert value <= raw_value + 1e-12 * abs(raw_value) and numpy.abs(gradient).max() < 1e-12, name
    difference = float(numpy.abs(theta - raw).max())
    assert difference < 1e-4, (name, difference)
    return {
        "name": name, "C": c, "sample_weight": weighted, "class_weight": class_weight, "soft": soft,
        "target": target.tolist(), "weight": weight.tolist(),
        "coef": theta[:-1].tolist(), "intercept": float(theta[-1]), "objective": value,
        "gradient_max_abs": float(numpy.abs(gradient).max()),
        "probabilities": expit(x_all @ theta[:-1] + theta[-1]).tolist(),
        "diagnostics": {"lbfgs_coef_max_abs_difference": difference, "lbfgs_objective": raw_value,
                        "lbfgs_gradient_max_abs": float(numpy.abs(raw_gradient).max())},
    }


def logistic_features():
    texts = [t[0] for t in TEXTS]
    settings = {**WORD, "sublinear_tf": True}
    model = vectorizer(settings).fit(texts[:N_TRAIN])
    return settings, model.get_feature_names_out().tolist(), model.transform(texts)


def logistic_file(*cases):
    settings, vocabulary, features = logistic_features()
    return {"n_train": N_TRAIN, "settings": settings, "vocabulary": vocabulary, "features": sparse_rows(features),
            "cases": [logistic_case(name, features, **options) for name, options in cases]}


def logistic_plain():
    return logistic_file(*[(f"C_{c:g}", {"c": c}) for c in (0.01, 0.1, 1.0, 10.0, 100.0)])


def logistic_weighted():
    return logistic_file(
        ("sample_weight_C_1", {"weighted": True}),
        ("sample_weight_C_10", {"weighted": True, "c": 10.0}),
        ("balanced_C_1", {"balanced": True}),
        ("balanced_sample_weight_C_1", {"balanced": True, "weighted": True}),
        ("soft_C_1", {"soft": True}),
        ("soft_C_100", {"soft": True, "c": 100.0}),
        ("soft_sample_weight_C_10", {"soft": True, "weighted": True, "c": 10.0}),
    )


def union():
    texts = [t[0] for t in TEXTS]
    views = [("word", {**WORD, "ngram_range": [1, 2], "min_df": 2, "sublinear_tf": True}),
             ("char_wb", {**WORD, "analyzer": "char_wb", "ngram_range": [2, 4], "min_df": 3, "sublinear_tf": True})]
    model = FeatureUnion([(name, vectorizer(settings)) for name, settings in views]).fit(texts[:N_TRAIN])
    features = scipy.sparse.csr_matrix(model.transform(texts))
    recorded, offset = [], 0
    for (name, settings), (_, fitted) in zip(views, model.transformer_list):
        vocabulary = fitted.get_feature_names_out().tolist()
        recorded.append({"name": name, "settings": settings, "vocabulary": vocabulary, "idf": fitted.idf_.tolist(), "offset": offset})
        offset += len(vocabulary)
    assert offset == features.shape[1]
    return {"n_train": N_TRAIN, "views": recorded, "features": sparse_rows(features),
            "logistic": logistic_case("union_C_1", features)}


# -------------------------------------------------------------------------------------------------------- metrics

METRIC_CASES = [
    # name, labels, scores, weights or None
    ("plain", [0, 0, 1, 1, 0, 1, 1, 0], [0.1, 0.4, 0.35, 0.8, 0.2, 0.9, 0.6, 0.55], None),
    ("weighted", [0, 0, 1, 1, 0, 1, 1, 0], [0.1, 0.4, 0.35, 0.8, 0.2, 0.9, 0.6, 0.55], [1.0, 2.0, 0.5, 1.0, 3.0, 1.5, 0.25, 1.0]),
    ("ties", [0, 1, 0, 1, 1, 0, 1, 0, 0, 1], [0.5, 0.5, 0.5, 0.5, 0.2, 0.2, 0.9, 0.9, 0.1, 0.9], None),
    ("ties_weighted", [0, 1, 0, 1, 1, 0, 1, 0, 0, 1], [0.5, 0.5, 0.5, 0.5, 0.2, 0.2, 0.9, 0.9, 0.1, 0.9],
     [0.5, 1.0, 2.0, 1.0, 0.1, 1.0, 1.0, 0.3, 1.0, 2.0]),
    ("zero_weights", [0, 1, 0, 1, 1, 0], [0.3, 0.7, 0.9, 0.1, 0.6, 0.2], [1.0, 1.0, 0.0, 0.0, 2.0, 1.0]),
    ("all_the_same_score", [0, 1, 1, 0, 1], [0.5, 0.5, 0.5, 0.5, 0.5], None),
    ("perfect", [0, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.8], None),
    ("perfectly_wrong", [1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9], None),
    ("certain", [0, 1, 0, 1], [0.0, 1.0, 0.0, 1.0], None),
    ("certain_and_wrong", [0, 1, 0, 1], [0.0, 1.0, 1.0, 0.0], None),
    ("only_negatives", [0, 0, 0], [0.1, 0.6, 0.3], None),
    ("only_positives", [1, 1, 1], [0.1, 0.6, 0.3], None),
    ("nothing_predicted_positive", [0, 1, 0, 1, 0], [0.1, 0.2, 0.3, 0.4, 0.45], None),
    ("everything_predicted_positive", [0, 1, 0, 1, 0], [0.6, 0.7, 0.8, 0.9, 0.55], None),
    ("at_the_threshold", [0, 1, 1, 0], [0.5, 0.5, 0.49999999999999994, 0.5000000000000001], None),
    ("one_positive_last", [0, 0, 0, 0, 0, 1], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], None),
    ("nearly_equal_scores", [0, 1, 0, 1], [0.30000000000000004, 0.3, 0.1, 0.2], None),
    ("a_single_row", [1], [0.75], None),
]


def number(value):
    value = float(value)
    return value if math.isfinite(value) else None


def metric_case(name, labels, scores, weights):
    y, s = numpy.array(labels), numpy.array(scores)
    w = None if weights is None else numpy.array(weights)
    predicted = (s >= 0.5).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one = {"sample_weight": w}
        # precision, recall and F1 are 0 where they would be 0/0 (zero_division=0)
        scored = {**one, "zero_division": 0}
        tn, fp, fn, tp = metrics.confusion_matrix(y, predicted, labels=[0, 1], **one).ravel().tolist()
        return {
            "name": name, "labels": labels, "scores": scores, "weights": weights, "threshold": 0.5,
            "roc_auc": number(metrics.roc_auc_score(y, s, **one)),
            "average_precision": number(metrics.average_precision_score(y, s, **one)),
            "brier": number(metrics.brier_score_loss(y, s, labels=[0, 1], **one)),
            "log_loss": number(metrics.log_loss(y, s, labels=[0, 1], **one)),
            "accuracy": number(metrics.accuracy_score(y, predicted, **one)),
            "precision": number(metrics.precision_score(y, predicted, **scored)),
            "recall": number(metrics.recall_score(y, predicted, **scored)),
            "f1": number(metrics.f1_score(y, predicted, **scored)),
            "balanced_accuracy": number(metrics.balanced_accuracy_score(y, predicted, **one)),
            "confusion": {"tn": tn, "fp": fp, "fn": fn, "tp": tp},
        }


def longer_metric_cases():
    """200 rows by a linear congruential generator: scores of two decimals (many ties), and weights."""
    state, values = 12345, []
    for _ in range(600):
        state = (1103515245 * state + 12345) % 2**31
        values.append((state >> 8) % 10007 / 10007)
    scores = [round(v, 2) for v in values[:200]]
    labels = [int(u < 0.15 + 0.7 * s) for u, s in zip(values[200:400], scores)]
    weights = [round(0.1 + 2 * v, 3) for v in values[400:]]
    return [("two_hundred", labels, scores, None), ("two_hundred_weighted", labels, scores, weights)]


def tpr_at_1_fpr(labels, scores, weights=None):
    fpr, tpr, _ = metrics.roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    return float(tpr[fpr <= 0.01 + 1e-12].max())


def ece(rates, scores):
    """Expected calibration error over ten bins of equal width, rows counting alike."""
    rates, scores = numpy.array(rates), numpy.array(scores)
    bins = numpy.minimum((scores * 10).astype(int), 9)
    return float(sum(abs(scores[bins == b].sum() - rates[bins == b].sum()) for b in range(10)) / len(scores))


def rate_case(name, rates, scores):
    """Measured rates: each row is two, a refused one with the rate as its weight and a complied one with the rest."""
    labels = [1] * len(rates) + [0] * len(rates)
    weights = rates + [1 - rate for rate in rates]
    both = [scores[i % len(rates)] for i in range(2 * len(rates))]
    keep = [i for i, weight in enumerate(weights) if weight > 0]
    labels, both, weights = ([of[i] for i in keep] for of in (labels, both, weights))
    case = metric_case(name, labels, both, weights)
    for key in ("labels", "weights", "confusion"):
        del case[key]
    return {**case, "rates": rates, "scores": scores, "tpr_at_1_fpr": tpr_at_1_fpr(labels, both, weights), "ece": ece(rates, scores)}


Z95 = float(norm.ppf(0.975))


def auroc_interval(labels, scores):
    """DeLong's variance over all pairs, the interval on the scale of the logit (Pepe 2003); Newcombe's (2006, method 5) where
    the variance is 0 or not defined."""
    labels, scores = numpy.array(labels), numpy.array(scores)
    positive, negative = scores[labels == 1], scores[labels == 0]
    m, n = len(positive), len(negative)
    wins = (positive[:, None] > negative[None, :]) + 0.5 * (positive[:, None] == negative[None, :])
    area = wins.mean()
    variance = wins.mean(axis=1).var(ddof=1) / m + wins.mean(axis=0).var(ddof=1) / n if min(m, n) > 1 else 0.0
    if variance > 0 and 0 < area < 1:
        return logit_interval(area, math.sqrt(variance))
    other = (m + n) / 2 - 1
    error = lambda a: math.sqrt(max(0.0, a * (1 - a) * (1 + other * (1 - a) / (2 - a) + other * a / (1 + a)) / (m * n)))
    edge = lambda a: abs(a - area) - Z95 * error(a)
    inside = 1e-12
    low = 0.0 if area <= 0 else 0.0 if edge(inside) < 0 else brentq(edge, inside, area - inside, xtol=1e-14)
    high = 1.0 if area >= 1 else 1.0 if edge(1 - inside) < 0 else brentq(edge, area + inside, 1 - inside, xtol=1e-14)
    return [float(low), float(high)]


def logit_interval(area, error):
    centre, spread = math.log(area / (1 - area)), Z95 * error / (area * (1 - area))
    return [1 / (1 + math.exp(-(centre - spread))), 1 / (1 + math.exp(-(centre + spread)))]


def interval_case(name, labels, scores):
    return {"name": name, "labels": labels, "scores": scores, "interval": auroc_interval(labels, scores),
            "tpr_at_1_fpr": tpr_at_1_fpr(labels, scores)}


def cluster_case():
    """60 prompts of 1 to 7 rows: intervals by 10,000 bootstraps of whole prompts."""
    random = numpy.random.default_rng(7)
    clusters, labels, scores = [], [], []
    for cluster in range(60):
        centre, level = random.normal(), random.normal()
        for _ in range(1 + cluster % 7):
            clusters.append(cluster)
            label = int(random.random() < 1 / (1 + math.exp(-level)))
            labels.append(label)
            scores.append(round(float(1 / (1 + math.exp(-(0.6 * level + 0.8 * centre + 0.3 * label + 0.3 * random.normal())))), 6))
    y, s, c = (numpy.array(of) for of in (labels, scores, clusters))
    right = ((s >= 0.5) == (y == 1)).astype(float)
    wins = (s[y == 1][:, None] > s[y == 0][None, :]) + 0.5 * (s[y == 1][:, None] == s[y == 0][None, :])
    shares, areas = [], []
    for _ in range(10000):
        w = numpy.bincount(random.integers(0, 60, 60), minlength=60)[c].astype(float)
        shares.append((w * right).sum() / w.sum())
        areas.append(w[y == 1] @ wins @ w[y == 0] / (w[y == 1].sum() * w[y == 0].sum()))
    share, rows = right.mean(), right.mean() * (1 - right.mean()) / numpy.var(shares, ddof=1)
    rows = min(rows, len(y))
    spread = Z95 * math.sqrt(share * (1 - share) / rows + Z95**2 / (4 * rows**2))
    accuracy = [float((share + Z95**2 / (2 * rows) + sign * spread) / (1 + Z95**2 / rows)) for sign in (-1, 1)]
    area = [float(end) for end in logit_interval(wins.mean(), numpy.std(areas, ddof=1))]
    pairs = [(wins_of.sum(), wins_of.size) for wins_of in
             ((s[(y == 1) & (c == k)][:, None] > s[(y == 0) & (c == k)][None, :])
              + 0.5 * (s[(y == 1) & (c == k)][:, None] == s[(y == 0) & (c == k)][None, :]) for k in range(60))]
    within = float(sum(won for won, _ in pairs) / sum(all_of for _, all_of in pairs))
    return {"labels": labels, "scores": scores, "clusters": clusters, "accuracy_interval": accuracy, "auroc_interval": area,
            "auroc_within": within}


def interval_cases():
    cases = [(name, labels, scores) for name, labels, scores, weights in METRIC_CASES + longer_metric_cases()
             if weights is None and 0 < sum(labels) < len(labels)]
    cases.append(("three_and_three", [1, 1, 1, 0, 0, 0], [0.9, 0.8, 0.7, 0.3, 0.2, 0.1]))
    cases.append(("one_and_one", [1, 0], [0.9, 0.1]))
    return [interval_case(*case) for case in cases]


def rate_cases():
    name, labels, scores, _ = longer_metric_cases()[0]
    rates = [round((7 * i % 11) / 10, 1) * label + (i % 3) / 20 * (1 - label) for i, label in enumerate(labels)]
    return [rate_case("all_of_a_rate", [0.6] * 8, [0.6] * 8), rate_case("labels_and_rates", [1.0, 0.0, 0.25, 0.6], [0.8, 0.1, 0.4, 0.7]),
            rate_case("ties", [0.5, 0.5, 1.0, 0.0], [0.5, 0.5, 0.5, 0.2]),
            rate_case(name, [min(1.0, float(rate)) for rate in rates], scores)]


def metrics_file():
    wilson = []
    for k, n in [(0, 1), (1, 1), (0, 10), (10, 10), (5, 10), (1, 3), (1, 100), (99, 100), (50, 1000), (731, 1465), (12345, 100000),
                 (0, 100000), (100000, 100000)]:
        for level in (0.9, 0.95, 0.99):
            interval = binomtest(k, n).proportion_ci(confidence_level=level, method="wilson")
            wilson.append({"k": k, "n": n, "level": level, "low": float(interval.low), "high": float(interval.high)})
    return {"cases": [metric_case(*case) for case in METRIC_CASES + longer_metric_cases()], "wilson": wilson,
            "rates": rate_cases(), "auroc_intervals": interval_cases(), "clusters": cluster_case()}


# ------------------------------------------------------------------------------------------------------ log-odds

def log_odds(first, second):
    """Monroe, Colaresi & Quinn 2008 (equations 15, 16, 22) on rows, one row with the term and one without as the prior."""
    def side(with_term, rows):
        prior = rows / (first[1] + second[1])
        with_term, without = with_term + prior, rows - with_term + prior
        return math.log(with_term / without), 1 / with_term + 1 / without
    (odds, variance), (other, other_variance) = side(*first), side(*second)
    return odds - other, (odds - other) / math.sqrt(variance + other_variance)


def log_odds_file():
    cases = [((8, 100), (2, 300)), ((1, 10), (0, 10)), ((0, 50), (7, 500)), ((40, 40), (13, 60)), ((300, 1000), (300, 1000)),
             ((2, 5), (1, 9000)), ((9000, 10000), (1, 5))]
    null = []
    # z of a term in rows whose labels say nothing: how many of its rows are of the first set is hypergeometric.
    for rows, first, with_term in [(600, 300, 30), (600, 300, 200), (600, 120, 30), (600, 120, 200), (2000, 100, 200), (600, 300, 2)]:
        drawn = hypergeom(rows, first, with_term)
        counts = range(max(0, with_term - (rows - first)), min(first, with_term) + 1)
        of = [(drawn.pmf(x), log_odds((x, first), (with_term - x, rows - first))[1]) for x in counts]
        mean = sum(p * z for p, z in of)
        sd = math.sqrt(sum(p * (z - mean) ** 2 for p, z in of))
        null.append({"rows": rows, "first": first, "with": with_term, "mean": float(mean), "sd": float(sd)})
    made = [(a, b, *log_odds(a, b)) for a, b in cases]
    return {"cases": [{"first": a, "second": b, "difference": d, "z": z} for a, b, d, z in made], "null": null}


# --------------------------------------------------------------------------------------------- tokens, characters

def tokens():
    views = {"word_1_1": ("word", (1, 1)), "word_1_2": ("word", (1, 2)), "char_wb_3_3": ("char_wb", (3, 3)),
             "char_wb_1_4": ("char_wb", (1, 4))}
    analyzers = {k: CountVectorizer(analyzer=a, ngram_range=r).build_analyzer() for k, (a, r) in views.items()}
    return {"cases": [{"text": text, "lower": text.lower(), **{k: analyze(text) for k, analyze in analyzers.items()}}
                      for text in [t[0] for t in TEXTS] + TRICKY]}


def texts_file():
    return {"n_train": N_TRAIN, "texts": [{"text": t, "label": y, "weight": w, "soft": s} for t, y, w, s in TEXTS]}


def flat_ranges(belongs):
    """[start, end, start, end, ...], inclusive and sorted, of the code points (surrogates left out) that belong."""
    flat, previous = [], None
    for code in range(sys.maxunicode + 1):
        if 0xD800 <= code <= 0xDFFF or not belongs(chr(code)):
            continue
        if previous is not None and code == previous + 1:
            flat[-1] = code
        else:
            flat += [code, code]
        previous = code
    return flat


def word_chars():
    word, space = re.compile(r"\w"), re.compile(r"\s")
    lower = []
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        category = unicodedata.category(char)
        is_word = word.match(char) is not None
        assert is_word == (char.isalnum() or char == "_") == (category[0] in "LN" or char == "_"), hex(code)
        assert (space.match(char) is not None) == char.isspace() == (not char.split()), hex(code)
        if char.lower() != char:
            lower.append([code, *map(ord, char.lower())])
    return {
        "word_ranges": flat_ranges(word.match),
        "space_ranges": flat_ranges(str.isspace),
        "unassigned_ranges": flat_ranges(lambda c: unicodedata.category(c) == "Cn"),
        "lower": lower,
        "unicode_version": unicodedata.unidata_version,
    }


FIXTURES = {
    "log_odds.json": log_odds_file,
    "logistic_plain.json": logistic_plain,
    "logistic_weighted.json": logistic_weighted,
    "metrics.json": metrics_file,
    "texts.json": texts_file,
    "tokens.json": tokens,
    "union.json": union,
    "vectorizer_char_wb.json": vectorizer_char_wb,
    "vectorizer_word_basic.json": vectorizer_word_basic,
    "vectorizer_word_pruned.json": vectorizer_word_pruned,
    "word_chars.json": word_chars,
}


# -------------------------------------------------------------------------------------------- writing and checking

def compact(value):
    return json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def is_scalar(value):
    return not isinstance(value, (dict, list))


def pretty(value, depth=0):
    """JSON with a line for each key, and for each element of a list of long elements."""
    text = compact(value)
    if is_scalar(value) or len(text) <= 110:
        return text
    if isinstance(value, list) and all(is_scalar(v) or (isinstance(v, list) and len(v) <= 4 and all(map(is_scalar, v))) for v in value):
        return text
    pad, end = " " * (depth + 1), " " * depth
    if isinstance(value, dict):
        inner = [f"{pad}{compact(k)}: {pretty(value[k], depth + 1)}" for k in sorted(value)]
        return "{\n" + ",\n".join(inner) + "\n" + end + "}"
    return "[\n" + ",\n".join(pad + pretty(v, depth + 1) for v in value) + "\n" + end + "]"


def difference(old, new, where):
    """The first difference between a committed value and a new one, or None."""
    if isinstance(old, bool) or isinstance(new, bool) or old is None or new is None or isinstance(old, str) or isinstance(new, str):
        return None if type(old) is type(new) and old == new else f"{where}: {old!r} is now {new!r}"
    if is_scalar(old) and is_scalar(new):
        bound = TOLERANCE * max(1.0, abs(old), abs(new))
        return None if abs(old - new) <= bound else f"{where}: {old!r} is now {new!r}"
    if type(old) is not type(new):
        return f"{where}: a {type(old).__name__} is now a {type(new).__name__}"
    if isinstance(old, list):
        if len(old) != len(new):
            return f"{where}: {len(old)} elements are now {len(new)}"
        pairs = ((f"{where}[{i}]", a, b) for i, (a, b) in enumerate(zip(old, new)))
    else:
        if old.keys() != new.keys():
            return f"{where}: the keys differ: {sorted(old.keys() ^ new.keys())}"
        pairs = ((f"{where}.{k}", old[k], new[k]) for k in sorted(old) if k not in ("diagnostics", "versions"))
    return next((d for w, a, b in pairs if (d := difference(a, b, w))), None)


def main():
    parser = argparse.ArgumentParser(description="Write the golden fixtures, or check them.")
    parser.add_argument("--check", action="store_true", help="compare with the committed files, and write nothing")
    arguments = parser.parse_args()
    assert len(TEXTS) == 60 and all(t[1] in (0, 1) and t[2] > 0 and 0 <= t[3] <= 1 for t in TEXTS)
    failed = False
    for name, make in FIXTURES.items():
        fixture = {"made_by": "tests/golden/make_fixtures.py", "versions": versions(), **make()}
        text = pretty(fixture) + "\n"
        path = HERE / name
        if not arguments.check:
            path.write_bytes(text.encode("ascii"))
            print(f"{name}: {len(text)} bytes")
            continue
        if not path.exists():
            print(f"{name}: missing", file=sys.stderr)
            failed = True
            continue
        committed = json.loads(path.read_bytes())
        if committed.get("versions") != fixture["versions"]:
            print(f"{name}: note: made with {committed.get('versions')}, now {fixture['versions']}")
        if name == "word_chars.json" and committed.get("unicode_version") != fixture["unicode_version"]:
            print(f"{name}: not compared: another version of Unicode")
            continue
        found = difference(committed, json.loads(text), name)
        if found:
            print(f"differs: {found}", file=sys.stderr)
            failed = True
        else:
            print(f"{name}: same")
    if failed:
        sys.exit("the fixtures differ from what this script makes: run it without --check and review the changes")


if __name__ == "__main__":
    main()
