//! A model's answer as a client received it, classified in every form: a text, nothing, a filter's sign, a
//! provider's error, an operator's own phrase.
//!
//! Only a text needs the response classifier. The other forms are recognised by signs that providers
//! document, and they are certain: either P(refusal) is 0 or 1, or there is no answer to classify.

pub(crate) mod bare_no;
mod boxed;
pub(crate) mod code;
#[cfg(test)]
mod error_tests;
pub(crate) mod error_text;
pub(crate) mod errors;
#[cfg(test)]
mod form_tests;
pub(crate) mod judge;
pub(crate) mod judge_all;
pub(crate) mod kinds;
mod letters;
pub(crate) mod lexicon;
pub(crate) mod literal;
pub(crate) mod passages;
pub(crate) mod phrase;
pub(crate) mod phrases;
pub(crate) mod plain;
pub(crate) mod prefix;
pub(crate) mod proper;
pub(crate) mod signs;
#[cfg(test)]
mod signs_tests;
pub(crate) mod style;
#[cfg(test)]
mod tests;
pub(crate) mod transcript;
pub(crate) mod verdict;
