//! A copy of an answer that is on its way to the client, from which it is judged.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use demur_data::{AnswerStream, ProviderAnswer, provider_answer};
use flate2::write::MultiGzDecoder;
use serde_json::Value;

use crate::service::budget::{Caller, Hold};
use crate::service::state::State;

/// Most bytes of a letter.
const LETTER: usize = 4;

/// The copy. What it holds is counted among the answers of the service; where there is no room, it is given up.
pub(crate) struct AnswerCopy {
    form: Form,
    unpacked: Option<MultiGzDecoder<Vec<u8>>>,
    most: usize,
    held: usize,
    hold: Hold,
    given_up: Arc<AtomicBool>,
}

/// How an answer comes.
enum Form {
    /// As events.
    Stream(Box<AnswerStream>),
    /// As one body.
    Whole(Vec<u8>),
}

impl AnswerCopy {
    /// Begins a copy; `None` of what is neither JSON nor a stream of events, or is packed otherwise than by gzip.
    pub(crate) fn of(headers: &HeaderMap, state: &State, caller: Caller) -> Option<Self> {
        let is = |name: HeaderName, values: &[&str]| {
            let value = headers.get(name)?.to_str().ok()?;
            let value = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            Some(values.contains(&value.as_str()))
        };
        let limits = &state.settings.limits;
        let form = if is(CONTENT_TYPE, &["text/event-stream"])? {
            Form::Stream(Box::new(AnswerStream::new(LETTER * limits.chars)))
        } else if is(CONTENT_TYPE, &["application/json"])? {
            Form::Whole(Vec::new())
        } else {
            return None;
        };
        let is_gzip = is(CONTENT_ENCODING, &["gzip", "x-gzip"]).unwrap_or(false);
        if !is_gzip && !is(CONTENT_ENCODING, &["identity", ""]).unwrap_or(true) {
            return None;
        }
        let given_up = Arc::new(AtomicBool::new(false));
        let give_up = Arc::clone(&given_up);
        Some(Self {
            form,
            unpacked: is_gzip.then(|| MultiGzDecoder::new(Vec::new())),
            most: limits.answer,
            held: 0,
            hold: state.answers.hold(caller, move || give_up.store(true, Ordering::Relaxed)),
            given_up,
        })
    }

    pub(crate) const fn is_stream(&self) -> bool {
        matches!(self.form, Form::Stream(_))
    }

    /// Whether it is not complete: there was no room for it, or it cannot be unpacked.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Reads the next bytes.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        if self.is_given_up() {
            return;
        }
        let Some(decoder) = &mut self.unpacked else { return self.add(bytes) };
        if decoder.write_all(bytes).and_then(|()| decoder.flush()).is_err() {
            return self.give_up();
        }
        let bytes = std::mem::take(decoder.get_mut());
        self.add(&bytes);
    }

    fn add(&mut self, bytes: &[u8]) {
        match &mut self.form {
            Form::Stream(stream) => stream.read(bytes),
            Form::Whole(whole) if whole.len() + bytes.len() > self.most => return self.give_up(),
            Form::Whole(whole) => whole.extend_from_slice(bytes),
        }
        let held = match &self.form {
            Form::Stream(stream) => stream.text().len(),
            Form::Whole(whole) => whole.len(),
        };
        let more = held - std::mem::replace(&mut self.held, held);
        if more > 0 && self.hold.grow(more).is_err() {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
        self.form = match self.form {
            Form::Stream(_) => Form::Stream(Box::new(AnswerStream::new(0))),
            Form::Whole(_) => Form::Whole(Vec::new()),
        };
        self.held = 0;
    }

    /// Whether a stream has at least `chars` characters, or a sign that decides without them.
    pub(crate) fn has(&self, chars: usize) -> bool {
        let Form::Stream(stream) = &self.form else { return false };
        let text = stream.text();
        stream.has_deciding_sign() || (text.len() >= chars && text.chars().count() >= chars)
    }

    /// What has come so far; `None` where that is no answer, or not known.
    pub(crate) fn answer(&self) -> Option<ProviderAnswer> {
        if self.is_given_up() {
            return None;
        }
        match &self.form {
            Form::Stream(stream) => stream.answer(),
            Form::Whole(whole) => provider_answer(&serde_json::from_slice::<Value>(whole).ok()?),
        }
    }
}
