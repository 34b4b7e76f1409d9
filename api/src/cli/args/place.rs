//! Targets that are put in later: `place`, `probes`, and the flag that names their files.

use std::path::PathBuf;

use clap::Args;
use demur_predictor::Model;

use crate::cli::args::{DataArgs, PhrasesArg, PredictorArg, TierArgs};
use crate::engine::placed::with_placed;

/// The files of placed targets, as flags name them.
#[derive(Debug, Default, Args)]
pub(crate) struct PlacedArg {
    /// A target that `demur place` put in: its file, or a folder of such files; may be repeated.
    #[arg(long, value_name = "FILE_OR_DIR")]
    pub(crate) placed: Vec<PathBuf>,
}

impl PlacedArg {
    /// The model with these targets.
    ///
    /// # Errors
    /// When a file cannot be read, or belongs to another model.
    pub(crate) fn of(&self, model: Model) -> anyhow::Result<Model> {
        with_placed(model, &self.placed)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Answers of the target: rows with a prompt, and a label or a response, which the bundled classifier
    /// then judges.
    #[arg(required_unless_present = "back", value_name = "ANSWERS")]
    pub(crate) answers: Vec<PathBuf>,
    /// Place nothing, but go back to the line before the one that `serve --learn-online DIR` has in force for --name; a
    /// running service takes it up within seconds, and learns from later feedback alone.
    #[arg(long, value_name = "DIR", requires = "name", conflicts_with_all = ["answers", "out", "ordinary"])]
    pub(crate) back: Option<PathBuf>,
    /// The name by which --target asks for it. Default: the one target that the rows name.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Where the placed target goes. Default: NAME.target.json.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// How many ordinary prompts, which targets answer, are assumed beside the rows; 0 if the rows are the
    /// target's traffic as it comes. Default: half as many as prompts, where the model's base rate is one of
    /// ordinary traffic, else 0.
    #[arg(long, value_name = "N", value_parser = ordinary)]
    pub(crate) ordinary: Option<f64>,
    /// What was placed, as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) model: PredictorArg,
    #[command(flatten)]
    pub(crate) tier: TierArgs,
    #[command(flatten)]
    pub(crate) phrases: PhrasesArg,
    #[command(flatten)]
    pub(crate) columns: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Probes {
    /// How many prompts, 1000 at most.
    pub(crate) n: usize,
    /// Choose from these files of prompts, not from the probe set that comes with demur; may be repeated.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) from: Vec<PathBuf>,
    /// Where they go, as JSON Lines. Default: standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) model: PredictorArg,
    #[command(flatten)]
    pub(crate) columns: DataArgs,
}

/// Parses a number of prompts.
fn ordinary(text: &str) -> Result<f64, String> {
    let number: u32 = text.parse().map_err(|_| "it must be a whole number from 0 up".to_owned())?;
    Ok(f64::from(number))
}
