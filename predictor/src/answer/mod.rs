//! What a client got back from a model, judged in every form that it meets: a text, nothing, a filter's sign, a
//! provider's error, an operator's own phrase.
//!
//! Only a text needs the response classifier. The other forms are recognised by the signs that providers document, and they
//! are certain: P(refusal) is 1 there, or there is no answer to judge.

pub(crate) mod bare_no;
pub(crate) mod code;
pub(crate) mod judge;
pub(crate) mod kinds;
pub(crate) mod lexicon;
pub(crate) mod passages;
pub(crate) mod phrases;
pub(crate) mod signs;
pub(crate) mod style;
#[cfg(test)]
mod tests;
pub(crate) mod verdict;
