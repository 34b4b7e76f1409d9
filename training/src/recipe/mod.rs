//! The recipe: one TOML file that describes a whole experiment and is stored in full in every model it makes.
//!
//! File names in a recipe are relative to the folder of the recipe, or to the folder that `--data-dir` names.

pub(crate) mod source;
pub(crate) mod source_rows;
pub(crate) mod values;

use std::fs;
use std::path::Path;

use demur_predictor::{Field, SeenPrompts};
use serde::{Deserialize, Serialize};

use crate::encoder::{EncoderParams, EncoderStore, SharedEncoder};
use crate::error::TrainingError;
use crate::fit::params::NgramParams;
use crate::fit::teacher::{FitPlan, Teacher};
use crate::recipe::source::{DataSource, one_or_several};

/// The starter recipe, which also has the defaults of `fit` and `evaluate --cv`.
pub const STARTER_RECIPE: &str = include_str!("../../recipes/starter.toml");

/// The human-labelled part of the starter corpus, JSON Lines.
pub const STARTER_LABELLED: &str = include_str!("../../../data/starter/labelled.jsonl");

/// The part of the starter corpus without labels, JSON Lines.
pub const STARTER_UNLABELLED: &str = include_str!("../../../data/starter/unlabelled.jsonl");

/// Prompts that any assistant answers, JSON Lines: what keeps a target's predictor from taking all prompts
/// for those that its log is of.
pub const EVERYDAY: &str = include_str!("../../../data/corpus/everyday.jsonl");

/// A whole experiment: the data, the fits on it, and their evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// A short name that identifies its models.
    pub name: String,
    /// Seed of everything random. Default: 0.
    #[serde(default)]
    pub seed: u64,
    /// Responses with labels, from one source or several: the response classifier is fitted on them, and the
    /// prompt predictor on their prompts.
    #[serde(deserialize_with = "one_or_several")]
    pub labelled: Vec<DataSource>,
    /// Prompts with responses, without labels, from one source or several: the classifier labels them.
    #[serde(deserialize_with = "one_or_several")]
    pub unlabelled: Vec<DataSource>,
    /// How the prompt predictor is evaluated.
    #[serde(default)]
    pub evaluation: EvaluationPlan,
    /// An encoder for both models, which `fit encoder` fits. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<SharedEncoder>,
    /// The response classifier.
    pub response: NgramParams,
    /// The prompt predictor.
    pub prompt: PromptParams,
}

/// The prompt predictor of a recipe: its fit, and the weights of its two kinds of labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptParams {
    /// Weight of a machine label, against 1 for a human one. 0 leaves them out. Default: 1.
    #[serde(default = "one")]
    pub machine_weight: f64,
    /// Weight of a human label. 0 leaves them out. Default: 1.
    #[serde(default = "one")]
    pub human_weight: f64,
    /// The share of a human label that is replaced by a response classifier's score of the row's response
    /// (see [`Teacher`]), from 0 to 1. Default: 0.
    #[serde(default)]
    pub teacher_share: f64,
    /// The target that a machine label becomes. Default: soft.
    #[serde(default, skip_serializing_if = "MachineLabels::is_soft")]
    pub machine_labels: MachineLabels,
    /// The fit.
    pub fit: NgramParams,
}

/// The target that a machine label becomes in the fit of a prompt predictor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MachineLabels {
    /// The machine's P(refusal).
    #[default]
    Soft,
    /// The label at the classifier's threshold, 0 or 1, as in the paper.
    Hard,
}

impl MachineLabels {
    const fn is_soft(&self) -> bool {
        matches!(self, Self::Soft)
    }
}

const fn one() -> f64 {
    1.0
}

/// How the models of a pipeline are evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationPlan {
    /// Prompts with human labels; empty means the labelled rows.
    pub data: DataSource,
    /// Folds of the cross-fit. Default: 5.
    pub folds: usize,
    /// Keep templates and near-duplicates in the same fold. Default: true.
    pub grouped: bool,
}

impl Default for EvaluationPlan {
    fn default() -> Self {
        Self { data: DataSource::default(), folds: 5, grouped: true }
    }
}

impl Recipe {
    /// The starter recipe.
    ///
    /// # Errors
    /// Never, unless this build's own recipe is invalid (a test checks that).
    pub fn starter() -> Result<Self, TrainingError> {
        Self::parse(STARTER_RECIPE, Path::new("starter.toml"), &[])
    }

    /// Reads a recipe and applies `key=value` settings to it. File names are not resolved.
    ///
    /// # Errors
    /// [`TrainingError::Recipe`] with the line, [`TrainingError::Set`].
    pub fn load(path: &Path, settings: &[String]) -> Result<Self, TrainingError> {
        let text = fs::read_to_string(path).map_err(|source| TrainingError::Recipe {
            path: path.to_owned(),
            reason: format!("{source}; give the path of a recipe (TOML), see training/recipes/"),
        })?;
        Self::parse(&text, path, settings)
    }

    /// Parses a recipe from text; `path` is used only in errors.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(text: &str, path: &Path, settings: &[String]) -> Result<Self, TrainingError> {
        let bad = |reason: String| TrainingError::Recipe { path: path.to_owned(), reason };
        // Parse without the settings first, because an error here has a line number.
        let recipe: Self = toml::from_str(text).map_err(|source| bad(source.to_string()))?;
        let recipe = if settings.is_empty() {
            recipe
        } else {
            let mut table: toml::Table = toml::from_str(text).map_err(|source| bad(source.to_string()))?;
            for setting in settings {
                set(&mut table, setting)?;
            }
            let with = |source: toml::de::Error| TrainingError::Set {
                setting: settings.join(" --set "),
                reason: source.message().to_owned(),
            };
            toml::Value::Table(table).try_into().map_err(with)?
        };
        recipe.check()?;
        Ok(recipe)
    }

    /// Checks everything that can be checked without rows.
    ///
    /// # Errors
    /// [`TrainingError::Parameter`], [`TrainingError::Settings`], [`TrainingError::Source`].
    pub fn check(&self) -> Result<(), TrainingError> {
        let mut sources = self.labelled.iter().chain(&self.unlabelled).chain([&self.evaluation.data]);
        sources.try_for_each(DataSource::check)?;
        self.encoder.iter().try_for_each(SharedEncoder::check)?;
        self.response.check()?;
        self.prompt.fit.check()?;
        for (name, value) in [
            ("prompt.machine_weight", self.prompt.machine_weight),
            ("prompt.human_weight", self.prompt.human_weight),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(TrainingError::Parameter {
                    name,
                    value,
                    wanted: "a finite number of at least 0",
                });
            }
        }
        if self.prompt.machine_weight + self.prompt.human_weight <= 0.0 {
            let wanted = "above 0, or else human_weight";
            return Err(TrainingError::Parameter { name: "prompt.machine_weight", value: 0.0, wanted });
        }
        let share = self.prompt.teacher_share;
        if !(0.0..=1.0).contains(&share) {
            let wanted = "from 0 to 1";
            return Err(TrainingError::Parameter { name: "prompt.teacher_share", value: share, wanted });
        }
        if self.evaluation.folds < 2 {
            let (name, value) = ("evaluation.folds", self.evaluation.folds as f64);
            return Err(TrainingError::Parameter { name, value, wanted: "2 or more" });
        }
        Ok(())
    }

    /// Makes the file names of the recipe relative to a folder.
    pub fn resolve(&mut self, folder: &Path) {
        let sources = self.labelled.iter_mut().chain(&mut self.unlabelled);
        for source in sources.chain([&mut self.evaluation.data]) {
            *source = source.within(folder);
        }
        self.look_in(folder);
    }

    /// Excludes some prompts from what encoders learn elsewhere: those that the fits will be evaluated on.
    pub(crate) fn withhold(&mut self, prompts: &SeenPrompts) {
        for encoder in self.encoders() {
            encoder.withheld = encoder.withheld.union(prompts);
        }
    }

    /// Sets the folder in which the fits of encoders look for their own files; the file names stay unchanged.
    pub fn look_in(&mut self, folder: &Path) {
        self.encoders().for_each(|encoder| folder.clone_into(&mut encoder.folder));
    }

    fn encoders(&mut self) -> impl Iterator<Item = &mut EncoderParams> {
        [&mut self.response, &mut self.prompt.fit].into_iter().filter_map(|fit| fit.encoder.as_mut())
    }

    /// The fit of one of the two models.
    #[must_use]
    pub const fn fit_of(&self, field: Field) -> &NgramParams {
        match field {
            Field::Response => &self.response,
            Field::Prompt => &self.prompt.fit,
        }
    }

    /// The fit of one of the two models with its teacher, and the encoders that it may use.
    #[must_use]
    pub fn plan<'a>(&'a self, field: Field, encoders: &'a EncoderStore) -> FitPlan<'a> {
        let taught = field == Field::Prompt && self.prompt.teacher_share > 0.0;
        let teacher = Teacher { params: &self.response, share: self.prompt.teacher_share };
        FitPlan { params: self.fit_of(field), teacher: taught.then_some(teacher), encoders }
    }

    /// The recipe as JSON, for manifests.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        // A recipe was parsed from TOML, so JSON can represent it.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Sets one `a.b.0.c=value` in a table; a value that is not valid TOML is a string.
fn set(table: &mut toml::Table, setting: &str) -> Result<(), TrainingError> {
    let bad = |reason: String| TrainingError::Set { setting: setting.to_owned(), reason };
    let (key, value) = setting.split_once('=').ok_or_else(|| bad("write it as key=value".to_owned()))?;
    let value = value.trim();
    let value = toml::from_str::<toml::Table>(&format!("value = {value}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut names: Vec<&str> = key.trim().split('.').collect();
    let last =
        names.pop().filter(|name| !name.is_empty()).ok_or_else(|| bad("the key is empty".to_owned()))?;
    let mut at: Option<&mut toml::Value> = None;
    for name in names {
        let next = match at {
            None => table.get_mut(name),
            Some(toml::Value::Array(items)) => {
                name.parse().ok().and_then(|index: usize| items.get_mut(index))
            }
            Some(other) => other.get_mut(name),
        };
        at = Some(next.ok_or_else(|| bad(format!("the recipe has no `{name}`")))?);
    }
    match at {
        None => table.insert(last.to_owned(), value),
        Some(toml::Value::Table(inner)) => inner.insert(last.to_owned(), value),
        Some(toml::Value::Array(items)) => {
            let index = last.parse().ok().filter(|&index: &usize| index < items.len());
            let index = index.ok_or_else(|| bad(format!("`{last}` is no index of the list")))?;
            Some(std::mem::replace(&mut items[index], value))
        }
        Some(_) => return Err(bad(format!("`{last}` is not in a table"))),
    };
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn starter_with(settings: &[&str]) -> Result<Recipe, TrainingError> {
        let settings: Vec<String> = settings.iter().map(|&s| s.to_owned()).collect();
        Recipe::parse(STARTER_RECIPE, Path::new("starter.toml"), &settings)
    }

    #[test]
    fn the_starter_recipe_is_one() {
        let recipe = Recipe::starter().unwrap();
        assert_eq!(recipe.name, "starter");
        assert!(recipe.prompt.fit.views.iter().all(|view| view.field == Field::Prompt));
    }

    #[test]
    fn settings_reach_every_depth() {
        let recipe =
            starter_with(&["seed=9", "response.c=[2.5]", "response.views.0.min_df=3", "name=mine"]).unwrap();
        assert_eq!((recipe.seed, recipe.response.c, recipe.name.as_str()), (9, vec![2.5], "mine"));
        assert_eq!(starter_with(&["response.c=3"]).unwrap().response.c, [3.0], "one number is a list of one");
        assert_eq!(recipe.response.views[0].min_df, crate::DocumentFrequency::Count(3));
    }

    #[test]
    fn wrong_settings_say_what_is_wrong() {
        for (setting, expected) in [
            ("seed", "key=value"),
            ("=1", "empty"),
            ("nothing.c=1", "no `nothing`"),
            ("response.views.99.min_df=1", "no `99`"),
            ("response.views.99=1", "no index"),
            ("name.x=1", "is not in a table"),
            ("response.colour=1", "unknown field"),
        ] {
            let error = starter_with(&[setting]).unwrap_err();
            assert!(matches!(error, TrainingError::Set { .. }), "{setting}");
            assert!(error.to_string().contains(expected), "{setting}: {error}");
        }
    }

    #[test]
    fn wrong_values_are_refused() {
        for setting in [
            "response.c=[]",
            "response.c=[-1.0]",
            "response.views=[]",
            "response.inner_folds=1",
            "prompt.machine_weight=-1.0",
            "prompt.teacher_share=1.5",
            "evaluation.folds=1",
        ] {
            let error = starter_with(&[setting]).unwrap_err();
            assert!(matches!(error, TrainingError::Parameter { .. }), "{setting}: {error}");
        }
        let error = starter_with(&["prompt.machine_weight=0.0", "prompt.human_weight=0.0"]).unwrap_err();
        assert!(error.to_string().contains("machine_weight"), "{error}");
    }

    #[test]
    fn a_broken_recipe_is_located() {
        let error = Recipe::parse("name = \"x\"\nseed = [", Path::new("my.toml"), &[]).unwrap_err();
        assert!(matches!(error, TrainingError::Recipe { .. }));
        assert!(error.to_string().contains("my.toml") && error.to_string().contains("line 2"), "{error}");
    }
}
