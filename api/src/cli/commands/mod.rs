//! The commands, one file for each.

mod batch;
mod bootstrap;
mod by_facet;
mod collect;
mod config;
mod contrast;
mod doubts;
mod drift;
mod evaluate;
mod explain;
mod export_notebook;
mod fit;
mod fit_encoder;
mod gather;
mod health;
mod inspect;
mod key;
mod label;
mod layouts;
mod learn;
mod learn_figures;
mod leave_one_out;
mod pipeline;
mod place;
mod predict;
mod probes;
mod rates;
mod report;
mod reproduce;
mod review;
mod route;
mod score;
mod serve;
mod shell;
mod unseen_rows;

use crate::cli::args::Command;

/// Runs a command.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Pipeline(args) => pipeline::run(&args),
        Command::Fit(args) => match args.model.field() {
            Some(field) => fit::run(&args, field),
            None => fit_encoder::run(&args),
        },
        Command::Learn(args) => learn::run(&args),
        Command::Collect(args) => collect::run(&args),
        Command::Layouts(args) => layouts::run(&args),
        Command::Label(args) => label::run(args),
        Command::Bootstrap(args) => bootstrap::run(&args),
        Command::Place(args) => place::run(&args),
        Command::Probes(args) => probes::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Contrast(args) => contrast::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Rates(args) => rates::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::ExportNotebook(args) => export_notebook::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Score(args) => score::run(args),
        Command::Route(args) => route::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Drift(args) => drift::run(&args),
        Command::Review(args) => review::run(&args),
        Command::Proxy(args) => serve::proxy(args),
        Command::Key(args) => key::run(&args),
        Command::Config(args) => config::run(args),
        Command::Health(args) => health::run(args),
        Command::Shell(args) => shell::run(&args),
    }
}
