//! The n-grams of a page: the meaning of their columns, and the strongest of both sides.

use maud::{Markup, html};

use crate::tables::report_data::{ReportData, describe_view};
use crate::tables::table::Table;
use crate::tables::top_terms::{TopTerms, has_pieces_alone};
use crate::text::Shown;

/// What the explorer of n-grams shows, and the number of rows behind it.
pub(crate) fn words(report: &ReportData<'_>) -> Markup {
    let analysis = report.terms;
    if analysis.rows_in_all == 0 {
        return html! {
            p {
                "Each n-gram of the model by its weight. Counts, refusal rates, intervals, stability and effects within \
                 templates were not computed: no labelled rows were given (" code { "--data FILE" } ")."
            }
            (columns(&[]))
        };
    }
    let rows = if analysis.rows < analysis.rows_in_all {
        format!("a sample of {} of {} rows", analysis.rows, analysis.rows_in_all)
    } else {
        format!("{} rows, {} of them refused", analysis.rows, analysis.refused)
    };
    let refits = match analysis.resamples {
        0 => "There were no refits, so weights have no intervals.".to_owned(),
        n => format!(
            "Refitted weights: the same n-grams fitted on these rows at C = {}; their intervals are from {n} bootstrap samples of whole groups.",
            analysis.c
        ),
    };
    let views: Vec<String> =
        report.model.scorer().views().iter().map(|view| describe_view(&view.settings)).collect();
    html! {
        p {
            "Each n-gram of the model, counted on " (Shown(&rows)) ". z: log-odds of a row having it, refused against \
             answered, over their standard deviation, with a flat Dirichlet prior (Monroe et al. 2008); where labels say \
             nothing, z is about standard normal. " (Shown(&refits))
        }
        (columns(&views))
    }
}

/// The meaning of the columns and marks of n-grams, and what each view reads.
fn columns(views: &[String]) -> Markup {
    html! {
        details {
            summary { "What the columns and marks mean" }
            ul {
                li { b { "Weight" } ": the model's, logit per unit of TF-IDF value; above 0 it speaks for refusal." }
                li { b { "Refusal rate" } ": of the rows that contain the n-gram, with its 95% Wilson interval." }
                li { b { "Same sign" } ": share of five folds without which the refitted weight keeps its sign." }
                li {
                    b { "Within groups" }
                    ": refusal rate with the n-gram less that without it, within templates (Mantel-Haenszel), with its 95% \
                     interval."
                }
                li {
                    b { "unstable" }
                    ": a top term that is not among the top in each of five random halves, or a weight that changes its \
                     sign without a fold. Only the top was looked for in halves; without refits no other n-gram was tested."
                }
                li { b { "between groups" } ": no effect is left within templates; it tells templates apart." }
                li { b { "subsumed" } ": a longer n-gram is in at least nine of ten of its rows." }
                li {
                    b { "duplicate" }
                    ": another n-gram of the model has the same text (in another view, or as a run of characters), and is \
                     shown for both."
                }
                @for (at, view) in views.iter().enumerate() { li { "View " (at) ": " (Shown(view)) } }
            }
        }
    }
}

/// The top terms of both sides as plain tables, for print and for readers without scripts. Words first,
/// pieces collapsed.
pub(crate) fn top_terms(report: &ReportData<'_>, terms: &Table) -> Markup {
    let pieces_alone = has_pieces_alone(report.terms);
    let first = if pieces_alone { "pieces of words" } else { "words and phrases" };
    html! {
        (top_of(report, terms, first, pieces_alone))
        @if !pieces_alone && report.terms.terms.iter().any(|term| term.is_piece) {
            details {
                summary { "Pieces of words" }
                (top_of(report, terms, "pieces of words", true))
            }
        }
    }
}

fn top_of(report: &ReportData<'_>, terms: &Table, what: &str, pieces: bool) -> Markup {
    const SEEN: [&str; 10] = [
        "rank",
        "ngram",
        "z",
        "refused",
        "complied",
        "refusal_rate",
        "rate_low",
        "rate_high",
        "weight",
        "marks",
    ];
    let analysis = report.terms;
    let (keys, by): (&[&str], _) =
        if analysis.rows > 0 { (&SEEN, "by z") } else { (&["rank", "ngram", "weight"], "by weight") };
    let top = TopTerms::of(analysis, pieces);
    let stable = if top.stable_only() { "stable " } else { "" };
    let table = |adjective: &str, name: &str, rows: &[usize]| {
        if rows.is_empty() {
            return html! { p class="note" { "No " (adjective) (what) " speak for " (name) "." } };
        }
        let caption = format!("The {} {adjective}{what} that speak most for {name}, {by}", rows.len());
        terms.to_html(&caption, keys, rows)
    };
    let sides = [(true, "refusal"), (false, "compliance")];
    html! {
        p { (Shown(&top.describe(analysis, what))) }
        @for (refused, name) in sides { (table(stable, name, &top.shown(analysis, refused))) }
        @if top.stable_only() {
            details {
                summary { "The unstable ones" }
                @for (refused, name) in sides { (table("unstable ", name, &top.left_out(analysis, refused))) }
            }
        }
    }
}
