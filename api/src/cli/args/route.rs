//! `route`: which of several targets each prompt of a file should go to.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::score::PromptRows;
use crate::cli::args::{BaseRateArg, CascadeArgs, PredictorArg};
use crate::engine::routing::{Candidate, check_value};

#[derive(Debug, Args)]
pub(crate) struct Route {
    /// Files of prompts, folders of them, patterns (`rows-*.jsonl`), or `-`; text may be packed with gzip or
    /// zstd.
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Where the rows go, each with `route`, the target to send it to, and the ranking; the ending tells the
    /// format.
    #[arg(long, value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// A target that the prompts may go to, and what it costs to ask it, in any unit (default 0); once for
    /// each.
    #[arg(long = "candidate", value_name = "TARGET[=COST]", required = true, value_parser = parse_candidate)]
    pub(crate) candidates: Vec<Candidate>,
    /// What an answer is worth, in the unit of the costs. Utility is VALUE x (1 - P(refusal)) - cost.
    #[arg(long, value_name = "VALUE", default_value_t = 1.0, value_parser = parse_value)]
    pub(crate) value: f64,
    #[command(flatten)]
    pub(crate) model: PredictorArg,
    #[command(flatten)]
    pub(crate) tiers: CascadeArgs,
    #[command(flatten)]
    pub(crate) base_rate: BaseRateArg,
    /// From this P(refusal) up a prompt is held from a target. Default: the model's own.
    #[arg(long, value_name = "P")]
    pub(crate) hold_from: Option<f64>,
    /// Below this P(refusal) the decision is `send`, between the two `abstain`. Default: --hold-from, else
    /// the model's own.
    #[arg(long, value_name = "P")]
    pub(crate) send_below: Option<f64>,
    /// Add why a prompt is held: to each target of the ranking that holds it, and of the one that `p_refusal`
    /// is of.
    #[arg(long)]
    pub(crate) why: bool,
    #[command(flatten)]
    pub(crate) prompts: PromptRows,
}

/// Parses a target with its cost. A name may hold `=`, so only a number behind the last one is a cost.
fn parse_candidate(text: &str) -> Result<Candidate, String> {
    let split = text.rsplit_once('=').and_then(|(target, cost)| Some((target, cost.parse().ok()?)));
    let (target, cost) = split.unwrap_or((text, 0.0));
    Ok(Candidate { target: target.to_owned(), cost })
}

fn parse_value(text: &str) -> Result<f64, String> {
    check_value(text.parse().map_err(|_| "it must be a number".to_owned())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_may_have_a_cost_behind_its_name() {
        let of = |text: &str| parse_candidate(text).map(|found| (found.target, found.cost));
        assert_eq!(of("gpt-4o-mini=0.5"), Ok(("gpt-4o-mini".to_owned(), 0.5)));
        assert_eq!(of("a=b"), Ok(("a=b".to_owned(), 0.0)));
        assert_eq!(of("a=b=1"), Ok(("a=b".to_owned(), 1.0)));
        assert!(parse_value("x").is_err() && parse_value("0").is_err());
    }
}
