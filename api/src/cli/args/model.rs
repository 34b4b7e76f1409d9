//! Which model a command asks, about which target, with which thresholds: the flags that commands share.

use std::path::{Path, PathBuf};

use clap::Args;
use demur_data::{Context, Mode};
use demur_predictor::{Field, Model, Phrases, Policy};

use crate::cli::args::{PlacedArg, TierArgs};
use crate::cli::terminal::note;
use crate::engine::Usage;
use crate::engine::contexts::{not_known, not_read};
use crate::engine::judgement::read_phrases;
use crate::engine::models;
use crate::engine::rules::{knows, unknown_target};

/// The predictor of a command.
#[derive(Debug, Args)]
pub(crate) struct PredictorArg {
    /// The prompt predictor: a directory, or the name of a bundled one. Default: the bundled `prompt`.
    #[arg(long, value_name = "DIR_OR_NAME")]
    pub(crate) model: Option<PathBuf>,
}

impl PredictorArg {
    /// Loads it by the tiers that are asked for.
    ///
    /// # Errors
    /// When it cannot be loaded, or judges responses.
    pub(crate) fn load(&self, tier: TierArgs) -> anyhow::Result<Model> {
        models::of_field(Field::Prompt, self.model.as_deref(), tier.load_options()?)
    }

    /// Loads its n-gram tier alone.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub(crate) fn load_ngrams(&self) -> anyhow::Result<Model> {
        models::of_field(Field::Prompt, self.model.as_deref(), models::ngrams_alone())
    }
}

/// The classifier of a command.
#[derive(Debug, Args)]
pub(crate) struct ClassifierArg {
    /// The response classifier: a directory, or the name of a bundled one. Default: the bundled `response`.
    #[arg(long, value_name = "DIR_OR_NAME")]
    pub(crate) model: Option<PathBuf>,
}

impl ClassifierArg {
    /// Loads it by the tiers that are asked for.
    ///
    /// # Errors
    /// When it cannot be loaded, or judges prompts.
    pub(crate) fn load(&self, tier: TierArgs) -> anyhow::Result<Model> {
        models::of_field(Field::Response, self.model.as_deref(), tier.load_options()?)
    }
}

/// The operator's own phrases.
#[derive(Debug, Clone, Args)]
pub(crate) struct PhrasesArg {
    /// File of your own phrases, as `serve` takes it: answers with one of `guardrail = [..]` are refusals,
    /// those of `allowed = [..]` are not.
    #[arg(long, value_name = "FILE")]
    pub(crate) phrases: Option<PathBuf>,
}

impl PhrasesArg {
    /// Reads the file, where one is named.
    ///
    /// # Errors
    /// When it cannot be read, or is not valid.
    pub(crate) fn read(&self) -> anyhow::Result<Phrases> {
        read_phrases(self.phrases.as_deref())
    }

    /// The same, for a model of this field.
    ///
    /// # Errors
    /// When a file is named and the model does not judge answers, too.
    pub(crate) fn read_for(&self, field: Field) -> anyhow::Result<Phrases> {
        if field == Field::Prompt && self.phrases.is_some() {
            return Err(Usage("--phrases goes with a response classifier".to_owned()).into());
        }
        self.read()
    }
}

/// A model of either field.
#[derive(Debug, Args)]
pub(crate) struct ModelArg {
    /// The model: a directory, or the name of a bundled one. Default: the bundled `prompt`.
    #[arg(long, value_name = "DIR_OR_NAME")]
    pub(crate) model: Option<PathBuf>,
}

impl ModelArg {
    /// Loads its n-gram tier alone.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub(crate) fn load_ngrams(&self) -> anyhow::Result<Model> {
        let name = self.model.as_deref().unwrap_or_else(|| Path::new("prompt"));
        models::load(name, models::ngrams_alone())
    }
}

/// The model that would be sent the prompt.
#[derive(Debug, Args)]
pub(crate) struct TargetArg {
    /// The model that will be asked, as the predictor's data name it.
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) placed: PlacedArg,
}

impl TargetArg {
    /// The target, where it is named.
    pub(crate) fn name(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// The model with the targets that were placed in it.
    ///
    /// # Errors
    /// When a placed target cannot be used, or the model does not know the target; it says which ones it
    /// knows.
    pub(crate) fn place(&self, model: Model) -> anyhow::Result<Model> {
        let model = self.placed.of(model)?;
        self.check(&model)?;
        Ok(model)
    }

    /// Checks that a model knows it.
    ///
    /// # Errors
    /// When the model does not; it says which ones it knows.
    fn check(&self, model: &Model) -> Result<(), Usage> {
        match self.name() {
            Some(target) if !knows(model, target) => {
                let reason = unknown_target(target, std::iter::once(model), "`demur inspect`");
                Err(Usage(format!("--target {target}: {reason}")))
            }
            _ => Ok(()),
        }
    }
}

/// What the prompt will be sent in.
#[derive(Debug, Args, Default)]
pub(crate) struct ContextArg {
    /// The system prompt that the prompt will be sent behind; of a predictor that has learned contexts.
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// The target can call tools; of a predictor that has learned contexts.
    #[arg(long)]
    pub(crate) agent: bool,
}

impl ContextArg {
    /// What the prompt is sent in. Says what of it the model does not read or know.
    pub(crate) fn for_model(&self, model: &Model) -> Context {
        let sent_in = Context::new(self.system.clone(), Mode::of(self.agent));
        for part in not_read(model, &sent_in) {
            let flag = if part == "system" { "--system" } else { "--agent" };
            note(&format!("{flag}: this predictor has not learned it and does not read it"));
        }
        if let Some(what) = not_known(model, &sent_in) {
            note(what);
        }
        sent_in
    }
}

/// The policy of a command: the model's own, or with the thresholds of the flags.
///
/// # Errors
/// When the thresholds are out of range or out of order.
pub(crate) fn policy_of_flags(
    model: &Model,
    send_below: Option<f64>,
    hold_from: Option<f64>,
) -> Result<Policy, Usage> {
    let flag = if hold_from.is_some() { "--hold-from" } else { "--send-below" };
    let policy = model.manifest().policy.with(send_below, hold_from);
    policy.check().map(|()| policy).map_err(|cause| Usage(format!("{flag}: {cause}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::Bundled;

    use super::*;
    use crate::engine::rules::targets;

    #[test]
    fn what_a_flag_may_ask_is_limited_in_the_words_of_the_service() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        let target =
            |name: Option<&str>| TargetArg { target: name.map(str::to_owned), placed: PlacedArg::default() };
        let known = targets(&model).next().unwrap().to_owned();
        assert!(target(Some(&known)).check(&model).is_ok() && target(None).check(&model).is_ok());
        let Err(Usage(reason)) = target(Some("gpt-99")).check(&model) else { panic!("it is not known") };
        assert!(
            reason.starts_with("--target gpt-99: the target is not known; the nearest are `gpt-"),
            "{reason}"
        );
        let Err(Usage(reason)) = policy_of_flags(&model, None, Some(1.5)) else { panic!("it is above 1") };
        assert!(reason.starts_with("--hold-from: "), "{reason}");
    }
}
