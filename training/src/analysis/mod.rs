//! What labelled rows say about words: n-grams and phrases that mark an answer, and the same text with other
//! words or targets. And what they say about refusals: how often, by what, whose.

pub(crate) mod contrast;
pub(crate) mod phrases;
pub(crate) mod rates;
pub(crate) mod terms;
