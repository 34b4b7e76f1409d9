//! The last predictions by the ids of their requests, so that feedback need not send the prompt again. No prompt is in
//! here.

use std::collections::{HashMap, VecDeque};

use demur_predictor::{Probability, check_name};
use demur_training::labelled_by;

use crate::service::budget::Caller;
use crate::service::registry::Served;
use crate::store::Basis;

/// The most predictions that are remembered.
const MOST: usize = 50_000;

/// A prediction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Predicted {
    /// The target, or the predictor's name where none was named.
    pub(crate) target: String,
    /// Whether one was named.
    pub(crate) is_named: bool,
    pub(crate) p_refusal: f64,
    /// The predictor with its digest, and that of the target's line, where it has one.
    pub(crate) predicted_by: String,
    /// What may be learned from what comes of it.
    pub(crate) basis: Option<Basis>,
}

impl Predicted {
    /// What a predictor has said of a prompt for a target. What is no name of a target, which a caller of a proxy may send,
    /// counts as none, for it would stand in the store, in metrics and on terminals.
    pub(crate) fn of(served: &Served, target: Option<&str>, p_refusal: f64) -> Self {
        Self::by(served, target)(p_refusal)
    }

    /// The same of several prompts: what their predictions share is found once.
    pub(crate) fn by<'a>(served: &'a Served, target: Option<&'a str>) -> impl Fn(f64) -> Self + 'a {
        let (model, target) = (&served.model, target.filter(|target| check_name(target).is_ok()));
        let line = target.and_then(|target| model.placed_digest(target));
        let line = line.map_or_else(String::new, |digest| format!("+{digest}"));
        let predicted_by = labelled_by(model) + &line;
        let basis = target.map(|target| (target, model.basis(target)));
        move |p_refusal| Self {
            target: target.unwrap_or(&served.name).to_owned(),
            is_named: target.is_some(),
            p_refusal,
            predicted_by: predicted_by.clone(),
            basis: basis.as_ref().zip(Probability::new(p_refusal).ok()).map(|((target, name), p)| Basis {
                name: name.clone(),
                log_odds: model.unlearned(p, target),
            }),
        }
    }
}

/// The predictions of one request.
struct Remembered {
    /// Names them for the store; an id may come again.
    event: String,
    predictions: Vec<Predicted>,
}

/// A request: the key that it came with, if keys are asked for, and its id.
type Name = (Option<u64>, String);

/// The last predictions.
#[derive(Default)]
pub(crate) struct Recent {
    by_name: HashMap<Name, Remembered>,
    order: VecDeque<Name>,
    held: usize,
}

fn name(caller: Caller, id: &str) -> Name {
    let key = if let Caller::Key(key) = caller { Some(key) } else { None };
    (key, id.to_owned())
}

impl Recent {
    /// Remembers what a request was answered with, and forgets the oldest where there are too many.
    pub(crate) fn remember(&mut self, caller: Caller, id: &str, predictions: Vec<Predicted>) {
        let name = name(caller, id);
        self.held += predictions.len();
        let event = uuid::Uuid::new_v4().simple().to_string();
        match self.by_name.insert(name.clone(), Remembered { event, predictions }) {
            // The id came again, and its place in the order stays.
            Some(before) => self.held -= before.predictions.len(),
            None => self.order.push_back(name),
        }
        while self.held > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.held -= self.by_name.remove(&oldest).map_or(0, |gone| gone.predictions.len());
        }
    }

    /// The prediction of a request for the prompt at this place, with the name of the event.
    pub(crate) fn find(&self, caller: Caller, id: &str, index: usize) -> Option<(String, Predicted)> {
        let found = self.by_name.get(&name(caller, id))?;
        Some((format!("{}.{index}", found.event), found.predictions.get(index)?.clone()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn predicted(count: usize) -> Vec<Predicted> {
        let (target, predicted_by) = ("t".to_owned(), "m".to_owned());
        let one = Predicted { target, is_named: true, p_refusal: 0.5, predicted_by, basis: None };
        vec![one; count]
    }

    #[test]
    fn the_last_are_found_by_their_caller_and_the_oldest_forgotten() {
        let mut recent = Recent::default();
        recent.remember(Caller::Key(1), "a", predicted(2));
        assert!(recent.find(Caller::Key(1), "a", 1).is_some());
        for (caller, id, index) in [
            (Caller::Key(2), "a", 0),
            (Caller::Unknown, "a", 0),
            (Caller::Key(1), "b", 0),
            (Caller::Key(1), "a", 2),
        ] {
            assert_eq!(recent.find(caller, id, index), None);
        }
        let before = recent.find(Caller::Key(1), "a", 0).unwrap().0;
        recent.remember(Caller::Key(1), "a", predicted(2));
        assert_ne!(recent.find(Caller::Key(1), "a", 0).unwrap().0, before, "it is another request");
        recent.remember(Caller::Unknown, "big", predicted(MOST));
        assert_eq!((recent.find(Caller::Key(1), "a", 0), recent.by_name.len(), recent.held), (None, 1, MOST));
    }
}
