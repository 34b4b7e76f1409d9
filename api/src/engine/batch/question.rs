//! The question that a run asks about each row, and what is known of a row once it is answered.

use demur_data::stream::RowInput;
use demur_data::{Kind, Label};
use demur_predictor::{
    Answer, Decision, Doubt, Familiarity, Form, Input, Judged, KindDistribution, Model, Policy, Probability,
    Tier, Tiered,
};

use crate::engine::judgement::Judge;
use crate::engine::routing::{Ranked, Router};
use crate::engine::tiered_model::TieredModel;
use crate::engine::why::Why;

/// The question that a run asks about each row.
pub(crate) enum RowQuestion<'a> {
    /// Will this prompt be refused?
    Prompts(PromptQuestion<'a>),
    /// Is this answer a refusal?
    Responses {
        judge: Judge<'a>,
        /// The labeller that the rows name.
        labelled_by: &'a str,
        /// Only this many tokens of each answer are read, as if the rest had not arrived yet.
        prefix: Option<usize>,
    },
}

/// The question about prompts: by what they are scored, and what is added beside P(refusal) and decision.
#[derive(Clone)]
pub(crate) struct PromptQuestion<'a> {
    pub(crate) tiered: TieredModel<'a>,
    pub(crate) policy: Policy,
    pub(crate) target: Option<String>,
    /// Whether to add the kind of refusal.
    pub(crate) kinds: bool,
    /// Whether to add the interval of P(refusal).
    pub(crate) interval: bool,
    /// Whether to add what the model knows of each prompt.
    pub(crate) coverage: bool,
    /// How many of the strongest words to add.
    pub(crate) ngrams: usize,
    /// Whether to add why a prompt is held.
    pub(crate) why: bool,
    /// The targets that each prompt may go to, if it is asked which.
    pub(crate) router: Option<&'a Router>,
}

impl<'a> PromptQuestion<'a> {
    /// Asks for P(refusal) and decision for the average target, and for nothing else.
    pub(crate) const fn new(tiered: TieredModel<'a>, policy: Policy) -> Self {
        let (kinds, interval, coverage, why) = (false, false, false, false);
        Self { tiered, policy, target: None, kinds, interval, coverage, ngrams: 0, why, router: None }
    }
}

/// The outcomes that a summary counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcomes {
    /// Their title in the summary.
    pub(crate) title: &'static str,
    /// Their names; [`RowScore::outcome`] is an index into these.
    pub(crate) names: &'static [&'static str],
    /// The name of what is counted apart from them: rows without a probability.
    pub(crate) none: Option<&'static str>,
}

/// What the summary and the sort need of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RowScore {
    /// `None` if there was no answer to classify.
    pub(crate) p_refusal: Option<f64>,
    /// Index of the decision or label in [`Outcomes::names`]; `None` together with the probability.
    pub(crate) outcome: Option<usize>,
    /// The tier that scored the text; `None` if no text was scored.
    pub(crate) tier: Option<Tier>,
    /// How an answer was recognised.
    pub(crate) form: Option<Form>,
}

/// A row as the columns' functions get it.
pub(crate) struct Row<'r, 'm> {
    pub(crate) question: &'r RowQuestion<'m>,
    pub(crate) input: &'r Input<'r>,
    pub(crate) p_refusal: Option<Probability>,
    /// The score of a prompt.
    pub(crate) scored: Option<&'r Tiered>,
    pub(crate) tier: Option<Tier>,
    /// Index of the decision or label.
    pub(crate) outcome: Option<usize>,
    pub(crate) kind: Option<Kind>,
    /// What the model knows of a prompt; filled only if a column needs it.
    pub(crate) familiarity: Option<Familiarity>,
    /// Why a prompt is held; filled only if a column needs it.
    pub(crate) why: Option<Why>,
    /// Filled only if a column needs them.
    pub(crate) kinds: Option<KindDistribution>,
    /// How an answer was recognised.
    pub(crate) form: Option<Form>,
    /// Whether reasoning was cut off before an answer was read.
    pub(crate) reasoning: Option<bool>,
    /// The targets that the prompt may go to, ranked.
    pub(crate) ranked: &'r [Ranked],
}

impl<'a> RowQuestion<'a> {
    pub(crate) const fn tiered(&self) -> &TieredModel<'a> {
        match self {
            Self::Prompts(question) => &question.tiered,
            Self::Responses { judge, .. } => &judge.tiered,
        }
    }

    /// The decisions or labels that are counted.
    pub(crate) const fn outcomes(&self) -> Outcomes {
        match self {
            Self::Prompts(_) => {
                Outcomes { title: "decisions", names: &["send", "abstain", "hold"], none: None }
            }
            Self::Responses { .. } => {
                Outcomes { title: "labels", names: &["complied", "refused"], none: Some("no answer") }
            }
        }
    }

    /// The texts of a row with the target of the question.
    pub(crate) fn input<'i>(&'i self, row: &RowInput<'i>) -> Input<'i> {
        match self {
            Self::Prompts(question) => Input { target: question.target.as_deref(), ..row.texts },
            Self::Responses { .. } => row.texts,
        }
    }

    /// The answer of a row, as far as it is to be read.
    pub(crate) const fn answer<'i>(row: &RowInput<'i>, prefix: Option<usize>) -> Answer<'i> {
        Answer { prompt: row.texts.prompt, response: row.texts.response, signs: row.signs, prefix }
    }
}

impl<'r, 'm> Row<'r, 'm> {
    /// A scored prompt.
    pub(crate) fn prompt(
        question: &'r RowQuestion<'m>,
        policy: &Policy,
        (input, scored): (&'r Input<'r>, &'r Tiered),
        (familiarity, doubt): (Option<Familiarity>, Option<Doubt>),
        kinds: Option<KindDistribution>,
    ) -> Self {
        // Decisions are numbered in the order of their names in `outcomes`.
        let decision = policy.decide(scored.p_refusal).unless(doubt) as usize;
        Self {
            question,
            input,
            p_refusal: Some(scored.p_refusal),
            scored: Some(scored),
            tier: Some(scored.tier),
            outcome: Some(decision),
            kind: kinds.as_ref().map(|kinds| kinds.kind),
            familiarity,
            why: None,
            kinds,
            form: None,
            reasoning: None,
            ranked: &[],
        }
    }

    /// A classified answer.
    pub(crate) fn answer(question: &'r RowQuestion<'m>, input: &'r Input<'r>, judged: Judged) -> Self {
        let Judged { verdict, tier } = judged;
        Self {
            question,
            input,
            p_refusal: verdict.p_refusal,
            scored: None,
            tier,
            outcome: verdict.label.map(|label| usize::from(label == Label::Refused)),
            kind: verdict.kind,
            familiarity: None,
            why: None,
            kinds: verdict.kinds,
            form: Some(verdict.form),
            reasoning: Some(verdict.reasoning),
            ranked: &[],
        }
    }

    pub(crate) const fn model(&self) -> &'m Model {
        self.question.tiered().model
    }

    /// Name of the decision or label.
    pub(crate) fn outcome(&self) -> Option<&'static str> {
        self.outcome.map(|outcome| self.question.outcomes().names[outcome])
    }

    /// Whether the policy holds a prompt.
    pub(crate) fn is_held(&self) -> bool {
        self.outcome == Some(Decision::Hold as usize)
    }

    /// What the summary and the sort need.
    pub(crate) fn score(&self) -> RowScore {
        let p_refusal = self.p_refusal.map(f64::from);
        RowScore { p_refusal, outcome: self.outcome, tier: self.tier, form: self.form }
    }
}
