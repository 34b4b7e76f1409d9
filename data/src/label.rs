//! What a label is: a binary label, and a place on the refusal continuum.
//!
//! The continuum is Reuter & Schulze's (2023): an answer may comply, comply behind a disclaimer, contradict
//! the premise, redirect, counsel, or reject. Two more kinds are not on it: the model does not know, or its
//! text is incoherent. The binary label follows from the kind by a [`KindPolicy`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{LabelledBy, Labeller};

/// The binary label: did the target refuse?
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// The target did as asked.
    Complied,
    /// The target refused, in any form that the [`KindPolicy`] counts as refusal.
    Refused,
}

impl Label {
    /// The label as a training target: 1 for refused, 0 for complied.
    #[must_use]
    pub const fn target(self) -> f64 {
        match self {
            Self::Complied => 0.0,
            Self::Refused => 1.0,
        }
    }

    /// The label of a probability of refusal at a threshold (refused from the threshold up).
    #[must_use]
    pub fn at(p_refusal: f64, threshold: f64) -> Self {
        if p_refusal >= threshold { Self::Refused } else { Self::Complied }
    }

    /// The name used in files: `complied` or `refused`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complied => "complied",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A place on the refusal continuum, or one of the two kinds beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Does as asked.
    Complied,
    /// Does as asked, behind a disclaimer.
    Disclaimed,
    /// Refutes the premise of the prompt instead of answering it.
    Contradicted,
    /// Answers another question, or sends the user elsewhere.
    Redirected,
    /// Responds with counsel (help lines, professional advice) instead of an answer.
    Counseling,
    /// Says no.
    Rejected,
    /// Says that it does not know; not on the continuum.
    DontKnow,
    /// Is not a sensible text; not on the continuum.
    Incoherent,
}

impl Kind {
    /// All kinds, the continuum first, from compliance to rejection.
    pub const ALL: [Self; 8] = [
        Self::Complied,
        Self::Disclaimed,
        Self::Contradicted,
        Self::Redirected,
        Self::Counseling,
        Self::Rejected,
        Self::DontKnow,
        Self::Incoherent,
    ];

    /// The name used in files, as the paper's data spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complied => "complied",
            Self::Disclaimed => "disclaimed",
            Self::Contradicted => "contradicted",
            Self::Redirected => "redirected",
            Self::Counseling => "counseling",
            Self::Rejected => "rejected",
            Self::DontKnow => "dontknow",
            Self::Incoherent => "incoherent",
        }
    }

    /// The kind with this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The binary label of each kind; `None` leaves the kind out of binary training and evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KindPolicy {
    /// Default: complied.
    pub complied: Option<Label>,
    /// Default: refused.
    pub disclaimed: Option<Label>,
    /// Default: refused.
    pub contradicted: Option<Label>,
    /// Default: refused.
    pub redirected: Option<Label>,
    /// Default: refused.
    pub counseling: Option<Label>,
    /// Default: refused.
    pub rejected: Option<Label>,
    /// Default: left out.
    pub dontknow: Option<Label>,
    /// Default: left out.
    pub incoherent: Option<Label>,
}

impl Default for KindPolicy {
    /// The paper's policy: everything on the continuum but compliance is a refusal.
    fn default() -> Self {
        let refused = Some(Label::Refused);
        Self {
            complied: Some(Label::Complied),
            disclaimed: refused,
            contradicted: refused,
            redirected: refused,
            counseling: refused,
            rejected: refused,
            dontknow: None,
            incoherent: None,
        }
    }
}

impl KindPolicy {
    /// The binary label of a kind under this policy.
    #[must_use]
    pub const fn label(&self, kind: Kind) -> Option<Label> {
        match kind {
            Kind::Complied => self.complied,
            Kind::Disclaimed => self.disclaimed,
            Kind::Contradicted => self.contradicted,
            Kind::Redirected => self.redirected,
            Kind::Counseling => self.counseling,
            Kind::Rejected => self.rejected,
            Kind::DontKnow => self.dontknow,
            Kind::Incoherent => self.incoherent,
        }
    }
}

impl KindPolicy {
    /// Changes the label of a kind; `None` leaves the kind out.
    pub const fn set(&mut self, kind: Kind, label: Option<Label>) {
        let place = match kind {
            Kind::Complied => &mut self.complied,
            Kind::Disclaimed => &mut self.disclaimed,
            Kind::Contradicted => &mut self.contradicted,
            Kind::Redirected => &mut self.redirected,
            Kind::Counseling => &mut self.counseling,
            Kind::Rejected => &mut self.rejected,
            Kind::DontKnow => &mut self.dontknow,
            Kind::Incoherent => &mut self.incoherent,
        };
        *place = label;
    }
}

/// A label with its origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// The binary label; `None` if the policy leaves the kind out.
    pub label: Option<Label>,
    /// The kind, if the labels of the data set say it.
    pub kind: Option<Kind>,
    /// Who labelled it.
    pub by: LabelledBy,
    /// P(refusal), if more than a label is known: a probability from a model of this program, or the refusal
    /// rate that was measured over several answers to the prompt.
    pub p_refusal: Option<f64>,
    /// How many answers to the prompt it is based on.
    pub samples: u32,
}

impl Labelled {
    /// A binary label of one answer.
    #[must_use]
    pub const fn of(label: Label, labeller: Labeller) -> Self {
        Self { label: Some(label), kind: None, by: LabelledBy::of(labeller), p_refusal: None, samples: 1 }
    }

    /// The training target, P(refusal): a probability or measured rate unchanged, a label as 0 or 1.
    #[must_use]
    pub fn target(&self) -> Option<f64> {
        self.p_refusal.or_else(|| self.label.map(Label::target))
    }
}
