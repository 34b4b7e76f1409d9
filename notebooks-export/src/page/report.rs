//! The report of a model on rows: tables, charts and the page, from the same report data.

use std::io;

use demur_predictor::Model;
use demur_training::{Evaluation, TermAnalysis, coverage_curve};

use crate::figures::charts::{Bar, Chart, Interval, diverging_bars, intervals, reliability_diagram};
use crate::figures::curves::{Dot, contrast_chart, coverage_chart};
use crate::page::page;
use crate::tables::figure_tables::right_title;
use crate::tables::report_data::{POINTS, ReportData, term_label};
use crate::tables::table::Table;
use crate::tables::top_terms::first_units;

/// Number of n-grams of each side in the bar figure: the same as in the paper.
const BARS: usize = 9;
/// Number of n-grams in the contrast chart.
const DOTS: usize = 3000;
/// Number of labelled dots in it, for each side.
const NAMED: usize = 10;

/// A report before it is written.
#[derive(Debug, Clone)]
pub struct Report {
    /// The page.
    pub html: String,
    /// The tables.
    pub tables: Vec<Table>,
    /// The figures by name.
    pub charts: Vec<(&'static str, Chart)>,
}

/// Builds the report from its data.
///
/// # Errors
/// Never in memory; the compression has this error type.
pub fn report(report: &ReportData<'_>) -> io::Result<Report> {
    let tables = report.tables();
    let mut charts = vec![("ngrams", bars(report.model, report.terms))];
    if report.terms.rows > 0 {
        charts.push(("contrast", contrast(report)));
    }
    if let Some(evaluation) = report.evaluation {
        let (p, labels) = report.judged();
        let curve = coverage_curve(&p, &labels, evaluation.threshold, POINTS);
        charts.extend([
            ("accuracy", accuracy(evaluation)),
            ("reliability", reliability_diagram("Reliability", &evaluation.reliability)),
            ("coverage", coverage_chart(&format!("{} against coverage", right_title(evaluation)), &curve)),
        ]);
    }
    Ok(Report { html: page(report, &tables, &charts)?, tables, charts })
}

/// The paper's figure: the n-grams of words with the strongest weights of both sides, without those that a
/// longer one subsumes.
pub(crate) fn bars(model: &Model, analysis: &TermAnalysis) -> Chart {
    let views = model.scorer().views().len();
    let weight = |term: &demur_training::TermFigures| term.refit.map_or(term.weight, |refit| refit.weight);
    let mut terms: Vec<&demur_training::TermFigures> =
        first_units(analysis).filter(|term| !term.marks.subsumed).collect();
    terms.sort_by(|a, b| weight(b).total_cmp(&weight(a)).then_with(|| a.ngram.cmp(&b.ngram)));
    let refused = terms.iter().take(BARS).filter(|term| weight(term) > 0.0);
    let complied =
        terms.iter().skip(terms.len().saturating_sub(BARS).max(BARS)).filter(|term| weight(term) < 0.0);
    let bar = |term: &&demur_training::TermFigures| Bar {
        label: term_label(term, views),
        value: weight(term),
        interval: term.refit.map(|refit| refit.interval).filter(|(low, _)| low.is_finite()),
    };
    let bars: Vec<Bar> = refused.chain(complied).map(bar).collect();
    let note = match analysis.resamples {
        0 => format!("n = {} n-grams, the {BARS} strongest of each side", analysis.terms.len()),
        samples => format!("refitted on n = {} rows; lines: 95%, {samples} bootstrap samples", analysis.rows),
    };
    diverging_bars("The strongest n-grams", &note, &bars)
}

pub(crate) fn contrast(report: &ReportData<'_>) -> Chart {
    let seen = first_units(report.terms).filter(|term| term.rows() > 0);
    let dots: Vec<Dot> = seen
        .clone()
        .take(DOTS)
        .map(|term| Dot { label: format!("\"{}\"", term.ngram), rows: term.rows(), z: term.log_odds.z })
        .collect();
    let of = (report.terms.rows, seen.count());
    contrast_chart("Frequency against z-score", &dots, NAMED, of)
}

/// The accuracy of the model and of the baselines.
pub(crate) fn accuracy(evaluation: &Evaluation) -> Chart {
    let own = Interval {
        label: "model".to_owned(),
        value: evaluation.decisions.accuracy,
        interval: evaluation.decisions.accuracy_interval,
        strong: true,
    };
    let others = evaluation.baselines.iter().map(|(name, baseline)| Interval {
        label: name.replace('_', " "),
        value: baseline.decisions.accuracy,
        interval: baseline.decisions.accuracy_interval,
        strong: false,
    });
    intervals(right_title(evaluation), evaluation.n, &std::iter::once(own).chain(others).collect::<Vec<_>>())
}
