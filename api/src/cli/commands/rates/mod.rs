//! `demur rates`: refused of n by any columns, two targets compared, over- and under-refusal, agreement.

mod columns;
mod judged;
mod output;
mod rows;

use std::collections::BTreeMap;

use anyhow::bail;
use demur_data::Labeller;
use demur_training::{Agreement, PairedRates, RateReport, harm_rates};

use crate::cli::args::Rates;
use crate::cli::names::nearest;
use crate::cli::sources;
use crate::cli::terminal::{note, say_read, waiting};
use crate::engine::Usage;

use self::output::Destination;
use self::rows::{Rows, Wanted};

pub(crate) fn run(args: &Rates) -> anyhow::Result<()> {
    let destination = Destination::of(args)?;
    let _claim = destination.claim(&args.files)?;
    let source = sources::files(&args.files, &args.columns)?;
    let corpus = waiting("reading", || source.read(&[], false, true))?;
    say_read("rows", &corpus);
    let wanted = Wanted::of(args, &source, &corpus.records)?;
    let rows = Rows::of(args, corpus.records, &wanted)?;
    let mut report =
        RateReport::of(wanted.by.iter().map(|column| column.name().to_owned()).collect(), &rows.rated);
    report.model = rows.model.clone().filter(|_| report.total.labelled_by.contains_key(&Labeller::Demur));
    if let Some(column) = &args.paired_by {
        report.paired = Some(paired(args, column, &rows)?);
    }
    report.harm = args.harm_column.is_some().then(|| harm_rates(&rows.rated));
    if let Some(column) = &args.judge {
        let both = rows.rated.iter().filter_map(|row| Some((rows::refused(row.outcome)?, row.other?)));
        report.agreement = Some(Agreement::of(column, both));
    }
    rows.say(&report, args);
    destination.write(&report)
}

/// Two targets on the values of a column that both answered.
fn paired(args: &Rates, column: &str, rows: &Rows) -> anyhow::Result<PairedRates> {
    let mut answered: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows.rated {
        if let Some(target) = &row.target {
            *answered.entry(target).or_default() += 1;
        }
    }
    let targets = match args.targets.as_slice() {
        [] => answered.keys().copied().collect(),
        named => named.iter().map(String::as_str).collect::<Vec<_>>(),
    };
    let [first, second] = targets.as_slice() else {
        return Err(Usage(which_targets(&args.targets, &answered)).into());
    };
    if first == second {
        return Err(Usage(format!("--targets: both are `{first}`; name two")).into());
    }
    for target in [first, second] {
        if !answered.contains_key(target) {
            let near = nearest(target, answered.keys().copied()).join(", ");
            bail!(
                "no row is of the target `{target}`; the rows have {} targets, by name nearest to it: {near} \
                 (--target-column names the column)",
                answered.len()
            );
        }
    }
    let sides = rows.rated.iter().zip(&rows.pair_keys).filter_map(|(row, key)| {
        let refused = rows::refused_share(row.outcome)?;
        let side = [first, second].into_iter().position(|target| row.target.as_deref() == Some(*target))?;
        Some((key.as_deref()?, side, refused))
    });
    let paired = PairedRates::of(column, [(*first).to_owned(), (*second).to_owned()], sides);
    if paired.pairs == 0 {
        note(&format!(
            "no value of `{column}` was answered by both {first} and {second}, so nothing is compared"
        ));
    }
    Ok(paired)
}

/// Why it is not known which two targets to compare.
fn which_targets(named: &[String], answered: &BTreeMap<&str, usize>) -> String {
    const SHOWN: usize = 12;
    if !named.is_empty() {
        return format!("--targets {}: name two, separated by a comma", named.join(","));
    }
    if answered.is_empty() {
        return "--paired-by compares two targets, but no row names one (--target-column names the column)"
            .to_owned();
    }
    let mut most: Vec<(&&str, &usize)> = answered.iter().collect();
    most.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    let shown: Vec<String> = most.iter().take(SHOWN).map(|(target, n)| format!("{target} ({n})")).collect();
    let more = if answered.len() > SHOWN { ", ..." } else { "" };
    format!(
        "--paired-by compares two targets, but the rows have {}; say which with --targets A,B: {}{more}",
        answered.len(),
        shown.join(", ")
    )
}
