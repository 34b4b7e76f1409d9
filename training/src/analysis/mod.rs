//! What labelled rows say of words: n-grams and phrases that mark an answer, and the same text under other words or targets.

pub(crate) mod contrast;
pub(crate) mod phrases;
pub(crate) mod terms;
