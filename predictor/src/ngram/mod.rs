//! The n-gram tier: text to n-grams, n-grams to values, values to a logit.

pub(crate) mod counter;
pub(crate) mod covered;
pub(crate) mod hits;
pub(crate) mod known;
pub(crate) mod ngram_model;
pub(crate) mod ngrams;
pub(crate) mod scratch;
pub(crate) mod token_table;
pub(crate) mod trie;
pub(crate) mod vectorizer;
