//! What labelled rows say about words: n-grams and phrases that mark an answer, and the same text with other
//! words or targets.

pub(crate) mod contrast;
pub(crate) mod phrases;
pub(crate) mod terms;
