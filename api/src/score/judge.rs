//! What a model says of one row: the columns that a run adds, and the counts of its summary.

pub(crate) use demur_data::stream::Cell;
use demur_data::{Kind, Label};
use demur_predictor::{Decision, Input, Model, Policy, ScoreError, Scratch, Tier, Tiered};

use crate::asking::Asking;
use crate::shares::in_short;

/// What is asked of each row.
pub(crate) enum Judge<'a> {
    /// Will this prompt be refused?
    Prompts {
        asking: Asking<'a>,
        policy: Policy,
        target: Option<String>,
        /// Whether to name the kind of refusal.
        kinds: bool,
        /// Whether to add the interval of P(refusal).
        interval: bool,
        /// How many of the strongest words to add.
        ngrams: usize,
    },
    /// Is this answer a refusal?
    Responses {
        asking: Asking<'a>,
        /// What the rows say of who labelled them.
        labelled_by: &'a str,
    },
}

/// What a summary and an order need of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Judged {
    pub(crate) p_refusal: f64,
    /// Number of the decision or label among [`Judge::marks`].
    pub(crate) mark: usize,
    /// The tier that answered.
    pub(crate) tier: Tier,
}

impl<'a> Judge<'a> {
    pub(crate) const fn model(&self) -> &'a Model {
        self.asking().model
    }

    pub(crate) const fn asking(&self) -> &Asking<'a> {
        match self {
            Self::Prompts { asking, .. } | Self::Responses { asking, .. } => asking,
        }
    }

    /// The names of the columns that are added, `p_refusal` first.
    pub(crate) fn columns(&self) -> Vec<String> {
        let mut names = vec!["p_refusal"];
        let tier = self.asking().has_encoder().then_some("tier");
        match self {
            Self::Prompts { kinds, interval, ngrams, .. } => {
                names.extend(["decision", "model_digest"]);
                names.extend(tier);
                names.extend(kinds.then_some("kind"));
                if *interval {
                    names.extend(["p_refusal_low", "p_refusal_high"]);
                }
                names.extend((*ngrams > 0).then_some("top_ngrams"));
            }
            Self::Responses { asking, .. } => {
                names.extend(["label", "labelled_by"]);
                names.extend(tier);
                if let Some(kinds) = asking.model.kinds() {
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
            "tier" => Some([Tier::Ngram, Tier::Encoder].map(Tier::name).to_vec()),
            "kind" => Some(Kind::ALL.iter().map(|kind| kind.name()).collect()),
            _ => None,
        }
    }

    /// Judges a row by the n-gram tier: its cells, one for each of [`Judge::columns`], go behind those in `cells`.
    pub(crate) fn judge(
        &self,
        input: &Input<'_>,
        scratch: &mut Scratch,
        cells: &mut Vec<Cell<'a>>,
    ) -> Judged {
        let input = self.asked(input);
        let tiered = self.model().predict_ngrams(&input, scratch);
        self.put(&input, &tiered, scratch, cells)
    }

    /// Judges rows by all tiers, together: an encoder takes many at a time.
    ///
    /// # Errors
    /// When the encoder fails.
    pub(crate) fn judge_all(
        &self,
        inputs: &[Input<'_>],
        scratch: &mut Scratch,
    ) -> Result<Vec<(Judged, Vec<Cell<'a>>)>, ScoreError> {
        let inputs: Vec<Input<'_>> = inputs.iter().map(|input| self.asked(input)).collect();
        let tiered = self.asking().judge(&inputs, scratch)?;
        let of = |(input, tiered): (&Input<'_>, &Tiered)| {
            let mut cells = Vec::new();
            (self.put(input, tiered, scratch, &mut cells), cells)
        };
        Ok(inputs.iter().zip(&tiered).map(of).collect())
    }

    /// An input with the target that is asked about.
    fn asked<'i>(&'i self, input: &Input<'i>) -> Input<'i> {
        match self {
            Self::Prompts { target, .. } => Input { target: target.as_deref(), ..*input },
            Self::Responses { .. } => *input,
        }
    }

    /// The cells of a row, and what is counted of it.
    fn put(
        &self,
        input: &Input<'_>,
        tiered: &Tiered,
        scratch: &mut Scratch,
        cells: &mut Vec<Cell<'a>>,
    ) -> Judged {
        let (p, model) = (tiered.p_refusal, self.model());
        let tier = self.asking().tier(tiered).map(|tier| Cell::Text(tier.name()));
        let kinds = |scratch: &mut Scratch| model.kinds_at(input, p, scratch);
        let mark = match self {
            Self::Prompts { policy, kinds: named, interval, ngrams, .. } => {
                let decision = policy.decide(p);
                cells.extend([
                    Cell::Number(p.get()),
                    Cell::Text(decision.name()),
                    Cell::Text(model.digest()),
                ]);
                cells.extend(tier);
                if *named && let Some(kinds) = kinds(scratch) {
                    cells.push(Cell::Text(kinds.kind.name()));
                }
                if *interval && let Some((low, high)) = model.interval_at(tiered) {
                    cells.extend([Cell::Number(low), Cell::Number(high)]);
                }
                if *ngrams > 0 {
                    cells.push(Cell::Json(in_short(model, input, *ngrams).to_string()));
                }
                match decision {
                    Decision::Send => 0,
                    Decision::Abstain => 1,
                    Decision::Hold => 2,
                }
            }
            Self::Responses { labelled_by, .. } => {
                let label = model.manifest().policy.label(p);
                cells.extend([Cell::Number(p.get()), Cell::Text(label.name()), Cell::Text(labelled_by)]);
                cells.extend(tier);
                if let Some(kinds) = kinds(scratch) {
                    cells.extend([Cell::Text(kinds.kind.name()), Cell::Number(kinds.degree)]);
                    cells.extend(kinds.probabilities.iter().map(|(_, p)| Cell::Number(*p)));
                }
                usize::from(label == Label::Refused)
            }
        };
        Judged { p_refusal: p.get(), mark, tier: tiered.tier }
    }
}
