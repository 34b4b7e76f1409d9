//! Cuts refused exchanges out of chats before their rows are judged: one run writes what is left of a row,
//! the other what was cut.

use std::borrow::Cow;

use demur_data::Label;
use demur_data::conversation::Conversation;
use demur_data::stream::{RowFormat, Texts, delimiter};
use demur_predictor::{Answer, Scratch};

use crate::engine::judgement::Judge;

/// Which part of a chat is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The exchanges that are left.
    Left,
    /// Those that were cut.
    Out,
}

impl Cut {
    /// A JSON row with this part of its chat. A row without a chat stays as it is, and so does one of which
    /// nothing or everything would be cut: the row as a whole is kept or dropped.
    ///
    /// # Errors
    /// When the encoder fails.
    pub(crate) fn of<'r>(
        self,
        format: &RowFormat,
        judge: &Judge<'_>,
        row: &'r [u8],
        scratch: &mut Scratch,
    ) -> anyhow::Result<Cow<'r, [u8]>> {
        let (Texts::Answer(reader), None) = (&format.texts, delimiter(format.format)) else {
            return Ok(Cow::Borrowed(row));
        };
        let fields = std::str::from_utf8(row).ok().and_then(|text| format.fields(text).ok());
        let exchanges = fields.as_ref().and_then(|fields| reader.exchanges(fields));
        let (Some(fields), Some(exchanges)) = (fields, exchanges) else { return Ok(Cow::Borrowed(row)) };
        let answers: Vec<Answer<'_>> = exchanges
            .said()
            .map(|said| Answer {
                prompt: said.prompt.as_deref(),
                response: said.response.as_deref(),
                signs: said.signs.as_ref(),
                prefix: None,
            })
            .collect();
        let judged = judge.all(&answers, scratch)?;
        let refused: Vec<bool> =
            judged.iter().map(|judged| judged.verdict.label == Some(Label::Refused)).collect();
        let is_left = |(said, refused): (&Conversation, &bool)| said.answered && !refused;
        if !refused.contains(&true) || !exchanges.said().zip(&refused).any(is_left) {
            return Ok(Cow::Borrowed(row));
        }
        let wanted: Vec<bool> = refused.iter().map(|&refused| refused == (self == Self::Out)).collect();
        Ok(exchanges.with(&fields, &wanted).map_or(Cow::Borrowed(row), |row| {
            Cow::Owned(serde_json::Value::Object(row).to_string().into_bytes())
        }))
    }
}
