//! What a model says of one row: the columns that a run adds, and the counts of its summary.

use demur_data::{Kind, Label};
use demur_predictor::{Decision, Input, Model, Policy, Scratch};
use serde_json::Value;

/// What is asked of each row.
pub(crate) enum Judge<'a> {
    /// Will this prompt be refused?
    Prompts {
        model: &'a Model,
        policy: Policy,
        target: Option<String>,
        /// Whether to name the kind of refusal.
        kinds: bool,
        /// Whether to add the interval of P(refusal).
        interval: bool,
        /// How many of the strongest n-grams to add.
        ngrams: usize,
    },
    /// Is this answer a refusal?
    Responses { model: &'a Model },
}

/// A value of an added column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'m> {
    Number(f64),
    Text(&'m str),
    /// JSON as text.
    Json(String),
}

/// What a summary and an order need of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Judged {
    pub(crate) p_refusal: f64,
    /// Number of the decision or label among [`Judge::marks`].
    pub(crate) mark: usize,
}

impl<'a> Judge<'a> {
    pub(crate) const fn model(&self) -> &'a Model {
        match self {
            Self::Prompts { model, .. } | Self::Responses { model } => model,
        }
    }

    /// The names of the columns that are added, `p_refusal` first.
    pub(crate) fn columns(&self) -> Vec<String> {
        let mut names = vec!["p_refusal"];
        match self {
            Self::Prompts { kinds, interval, ngrams, .. } => {
                names.extend(["decision", "model_digest"]);
                names.extend(kinds.then_some("kind"));
                if *interval {
                    names.extend(["p_refusal_low", "p_refusal_high"]);
                }
                names.extend((*ngrams > 0).then_some("top_ngrams"));
            }
            Self::Responses { model } => {
                names.push("label");
                if let Some(kinds) = model.kinds() {
                    names.extend(["kind", "refusal_degree"]);
                    let each = kinds.settings().kinds.iter().map(|kind| format!("p_kind_{}", kind.name()));
                    return names.into_iter().map(str::to_owned).chain(each).collect();
                }
            }
        }
        names.into_iter().map(str::to_owned).collect()
    }

    /// Whether a column that is added holds numbers; else it holds texts.
    pub(crate) fn is_number(column: &str) -> bool {
        column.starts_with("p_") || column == "refusal_degree"
    }

    /// The decisions or labels, in the order of their numbers.
    pub(crate) const fn marks(&self) -> &'static [&'static str] {
        match self {
            Self::Prompts { .. } => &["send", "abstain", "hold"],
            Self::Responses { .. } => &["complied", "refused"],
        }
    }

    /// The values that a column of names can have; none for other columns.
    pub(crate) fn names_of(&self, column: &str) -> Option<Vec<&'static str>> {
        match column {
            "decision" | "label" => Some(self.marks().to_vec()),
            "kind" => Some(Kind::ALL.iter().map(|kind| kind.name()).collect()),
            _ => None,
        }
    }

    /// Judges a row: its cells, one for each of [`Judge::columns`], go behind those in `cells`.
    pub(crate) fn judge(
        &self,
        input: &Input<'_>,
        scratch: &mut Scratch,
        cells: &mut Vec<Cell<'a>>,
    ) -> Judged {
        match self {
            Self::Prompts { model, policy, target, kinds, interval, ngrams } => {
                let input = Input { target: target.as_deref(), ..*input };
                let p = model.predict(&input, scratch);
                let decision = policy.decide(p);
                cells.extend([
                    Cell::Number(p.get()),
                    Cell::Text(decision.name()),
                    Cell::Text(model.digest()),
                ]);
                if *kinds && let Some(kinds) = model.predict_kind(&input, scratch).1 {
                    cells.push(Cell::Text(kinds.kind.name()));
                }
                if *interval && let Some((low, high)) = model.interval(p) {
                    cells.extend([Cell::Number(low), Cell::Number(high)]);
                }
                if *ngrams > 0 {
                    cells.push(Cell::Json(strongest(model, &input, *ngrams).to_string()));
                }
                let mark = match decision {
                    Decision::Send => 0,
                    Decision::Abstain => 1,
                    Decision::Hold => 2,
                };
                Judged { p_refusal: p.get(), mark }
            }
            Self::Responses { model } => {
                let (p, kinds) = model.predict_kind(input, scratch);
                let label = model.manifest().policy.label(p);
                cells.extend([Cell::Number(p.get()), Cell::Text(label.name())]);
                if let Some(kinds) = kinds {
                    cells.extend([Cell::Text(kinds.kind.name()), Cell::Number(kinds.degree)]);
                    cells.extend(kinds.probabilities.iter().map(|(_, p)| Cell::Number(*p)));
                }
                Judged { p_refusal: p.get(), mark: usize::from(label == Label::Refused) }
            }
        }
    }
}

/// The strongest n-grams of a prompt, each with its contribution.
fn strongest(model: &Model, input: &Input<'_>, count: usize) -> Value {
    let terms = model.scorer().explain(input).terms.into_iter().take(count);
    terms.map(|term| Value::from(vec![Value::from(term.ngram), Value::from(term.contribution)])).collect()
}
