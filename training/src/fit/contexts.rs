//! The columns of what prompts are sent in: one for any system prompt, one for each with enough rows, and one
//! for a target that can act.
//!
//! A persona refuses what the bare model answers. A fit without these columns would attribute that to the
//! words of the prompts. The shift of one system prompt comes on top of that of any, and both are shrunk, so
//! one that no row has gets what all of them share. A prompt alone in a chat adds nothing: unlike targets,
//! contexts have a natural zero, and are not centred.

use std::collections::BTreeMap;

use demur_predictor::{ContextShifts, Input, Mode, Shift, system_digest};

use crate::fit::design::MIN_ROWS;

/// The columns of contexts, in this order: any system prompt, the single ones, agents. Those with too few
/// rows have none.
#[derive(Debug, Clone, Default)]
pub(crate) struct ContextColumns {
    /// Rows behind any system prompt.
    system: Option<usize>,
    /// Digests of single system prompts, sorted, each with its rows.
    systems: Vec<(String, usize)>,
    /// Rows of agents.
    agent: Option<usize>,
    /// The value in a column: the prior width of its shift of the logit.
    value: f64,
}

impl ContextColumns {
    /// The columns for some rows; none if the prior width is 0.
    pub(crate) fn of(value: f64, inputs: &[Input<'_>]) -> Self {
        if value <= 0.0 {
            return Self::default();
        }
        let enough = |rows: usize| Some(rows).filter(|&rows| rows >= MIN_ROWS);
        let mut texts: BTreeMap<&str, usize> = BTreeMap::new();
        inputs.iter().filter_map(|input| input.system).for_each(|text| *texts.entry(text).or_default() += 1);
        let mut systems: BTreeMap<String, usize> = BTreeMap::new();
        texts.iter().for_each(|(text, rows)| *systems.entry(system_digest(text)).or_default() += rows);
        Self {
            system: enough(texts.values().sum()),
            systems: systems.into_iter().filter(|&(_, rows)| rows >= MIN_ROWS).collect(),
            agent: enough(inputs.iter().filter(|input| input.mode == Mode::Agent).count()),
            value,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.system.is_some()) + self.systems.len() + usize::from(self.agent.is_some())
    }

    /// The value in each column that an input has.
    pub(crate) const fn value(&self) -> f64 {
        self.value
    }

    /// The columns that an input has, ascending.
    pub(crate) fn columns(&self, input: &Input<'_>) -> Vec<usize> {
        let first = usize::from(self.system.is_some());
        let any = self.system.and(input.system).map(|_| 0);
        let known = input.system.filter(|_| !self.systems.is_empty()).and_then(|text| {
            let digest = system_digest(text);
            self.systems.binary_search_by(|(known, _)| known.cmp(&digest)).ok()
        });
        let agent = self.agent.filter(|_| input.mode == Mode::Agent).map(|_| first + self.systems.len());
        any.into_iter().chain(known.map(|at| first + at)).chain(agent).collect()
    }

    /// What a model keeps of the shifts of these columns; `None` if there are none.
    pub(crate) fn shifts(&self, shifts: &[f64], single: impl Fn(f64) -> f32) -> Option<ContextShifts> {
        let mut left = shifts.iter();
        // There is one shift for each column, in their order.
        let mut next = |rows: usize| Some(Shift { shift: single(*left.next()?), rows });
        let system = self.system.and_then(&mut next);
        let systems =
            self.systems.iter().filter_map(|(digest, rows)| Some((digest.clone(), next(*rows)?))).collect();
        let agent = self.agent.and_then(&mut next);
        (self.len() > 0).then_some(ContextShifts { system, agent, systems })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Rows behind two system prompts, of agents, and alone.
    fn inputs() -> Vec<Input<'static>> {
        let of = |system, mode, rows| vec![Input { system, mode, ..Input::prompt("p") }; rows];
        [
            of(Some("Be strict."), Mode::Chat, 20),
            of(Some("Rare."), Mode::Chat, 3),
            of(None, Mode::Agent, 25),
            of(None, Mode::Chat, 9),
        ]
        .concat()
    }

    #[test]
    fn contexts_with_enough_rows_have_columns() {
        let (inputs, columns) = (inputs(), ContextColumns::of(2.0, &inputs()));
        assert_eq!((columns.len(), columns.value()), (3, 2.0));
        let of = |at: usize| columns.columns(&inputs[at]);
        assert_eq!((of(0), of(20), of(30), of(56)), (vec![0, 1], vec![0], vec![2], vec![]));
        let both = Input { mode: Mode::Agent, ..inputs[0] };
        assert_eq!(columns.columns(&both), [0, 1, 2]);
        assert_eq!(ContextColumns::of(0.0, &inputs).len(), 0);
    }

    #[test]
    fn a_model_keeps_shifts_with_their_rows() {
        let columns = ContextColumns::of(1.0, &inputs());
        let shifts = columns.shifts(&[0.5, 2.0, -1.0], |shift| shift as f32).unwrap();
        assert_eq!(shifts.system, Some(Shift { shift: 0.5, rows: 23 }));
        assert_eq!(shifts.systems[&system_digest("be strict")], Shift { shift: 2.0, rows: 20 });
        assert_eq!(shifts.agent, Some(Shift { shift: -1.0, rows: 25 }));
        assert_eq!(ContextColumns::of(1.0, &[Input::prompt("p")]).shifts(&[], |shift| shift as f32), None);
    }
}
