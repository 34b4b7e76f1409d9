//! Puts what was predicted and what came back into the store of feedback. No traffic waits for it: where the queue is
//! full, an exchange is not written, and counted.

use actix_web::rt::spawn;
use demur_data::ProviderAnswer;
use demur_predictor::Outcome;

use crate::service::budget::Hold;
use crate::service::feedback::queue::Unkept;
use crate::service::feedback::recent::Predicted;
use crate::service::feedback::{entry, new_event, settings};
use crate::service::proxy::judging::Judging;
use crate::store::{Label, Prompt, Reported, answer_of, stored};

/// Keeps one exchange, with its texts where they are given.
pub(crate) fn keep(judging: &Judging, predicted: Predicted, label: Label, texts: Option<ProviderAnswer>) {
    let Judging { state, .. } = judging;
    let Some(feedback) = &state.feedback else { return };
    let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.name() == label.label);
    let Predicted { target, p_refusal, .. } = predicted.clone();
    let put = reported(judging, &predicted, texts).and_then(|(reported, room)| {
        let kept = feedback.queue.put(entry(new_event(), predicted, label, reported))?;
        Ok((kept, room))
    });
    let (kept, room) = match put {
        Ok(put) => put,
        Err(why) => return state.metrics.feedback_unwritten(why),
    };
    let state = state.clone();
    spawn(async move {
        match (kept.written().await, outcome) {
            (Ok(true), Some(outcome)) => state.metrics.told(&target, p_refusal, outcome),
            (Ok(_), _) => {}
            (Err(why), _) => state.metrics.feedback_unwritten(why),
        }
        drop(room);
    });
}

/// The prompt and the answer as the store takes them, as far as they were judged, and the room that they take among the
/// answers of the service until they are written.
fn reported(
    judging: &Judging,
    predicted: &Predicted,
    texts: Option<ProviderAnswer>,
) -> Result<(Option<Reported>, Option<Hold>), Unkept> {
    let (Some(mut answer), Some(prompt)) = (texts, judging.prompt.as_deref()) else {
        return Ok((None, None));
    };
    if let Some(text) = &mut answer.text
        && let Some((end, _)) = text.char_indices().nth(judging.state.settings.limits.chars)
    {
        text.truncate(end);
    }
    let (answers, size) = (&judging.state.answers, prompt.len() + answer.text.as_deref().map_or(0, str::len));
    // Nothing that is on its way is given up for it.
    if answers.held() + size > judging.state.settings.limits.held {
        return Err(Unkept::Full);
    }
    let room = answers.hold(judging.asker.caller, || {});
    // What waits in the queue cannot be given up for others either.
    room.keep();
    room.grow(size).map_err(|_| Unkept::Full)?;
    let target = predicted.is_named.then_some(predicted.target.as_str());
    let reported = Reported {
        prompt: Prompt { text: stored(prompt.to_owned()), row_id: None },
        settings: settings(target),
        answer: answer_of(answer.text, answer.signs),
    };
    Ok((Some(reported), Some(room)))
}
