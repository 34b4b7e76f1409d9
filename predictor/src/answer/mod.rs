//! A model's answer as a client received it, classified in every form: a text, nothing, a filter's sign, a
//! provider's error, an operator's own phrase.
//!
//! Only a text needs the response classifier. The other forms are recognised by signs that providers
//! document, and they are certain: either P(refusal) is 0 or 1, or there is no answer to classify.

pub(crate) mod bare_no;
pub(crate) mod code;
pub(crate) mod judge;
pub(crate) mod kinds;
pub(crate) mod lexicon;
pub(crate) mod passages;
pub(crate) mod phrases;
pub(crate) mod prefix;
pub(crate) mod signs;
pub(crate) mod style;
#[cfg(test)]
mod tests;
pub(crate) mod verdict;
