//! The report as one self-contained HTML file: it makes no requests, opens from disk, prints, and works
//! without its script, which only adds the explorer of n-grams.
//!
//! maud writes the markup and escapes all values; texts from data are wrapped in
//! [`Shown`](crate::text::Shown).

mod figures_part;
pub(crate) mod page_data;
pub(crate) mod report;
mod rows_part;
mod words_part;

use std::io;

use maud::{Markup, PreEscaped, html};

use crate::figures::charts::Chart;
use crate::page::figures_part::{all, cards, figure, folded, method};
use crate::page::page_data::pack;
use crate::page::rows_part::{card, rows_to_look_at};
use crate::page::words_part::{top_terms, words};
use crate::tables::report_data::ReportData;
use crate::tables::table::Table;
use crate::text::Shown;

const STYLE: &str = include_str!("../../web/page.css");
const SCRIPT: &str = include_str!("../../web/page.js");
const EXPLORER: &str = include_str!("../../web/explore.html");
/// Loads nothing and sends nothing.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// A part of a page, with a heading that the page's navigation leads to.
struct Section {
    id: &'static str,
    title: &'static str,
    body: Markup,
}

/// The content of a page: the report, its tables and its figures, both by name.
struct Parts<'a> {
    report: &'a ReportData<'a>,
    tables: &'a [Table],
    charts: &'a [(&'a str, Chart)],
}

impl Parts<'_> {
    fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// A complete table, if it exists.
    fn whole(&self, name: &str) -> Option<Markup> {
        self.table(name).map(all)
    }

    fn figure(&self, name: &str) -> Option<Markup> {
        self.charts.iter().find(|(other, _)| *other == name).map(|(_, chart)| figure(chart))
    }

    /// The sections of the page, without those that have no table.
    fn sections(&self) -> Vec<Section> {
        let report = self.report;
        let section = |id, title, body: Option<Markup>| body.map(|body| Section { id, title, body });
        let of_words = self.table("terms").map(|_| html! { (words(report)) (PreEscaped(EXPLORER)) });
        let sections = [
            section("figures", "How good is it?", self.how_good()),
            section("words", "Which words", of_words),
            section("top", "The strongest n-grams", self.strongest()),
            section("trust", "When to trust it", self.when_to_trust()),
            section("kinds", "By kind of answer", self.by_kind()),
            section("rows", "Rows to look at", self.table("rows").map(|rows| rows_to_look_at(report, rows))),
            section("phrases", "Phrases by kind of answer", self.phrases()),
            section("card", "Model and data", Some(card(report, self.whole("data")))),
            section("limits", "What this does not show", Some(limits())),
        ];
        sections.into_iter().flatten().collect()
    }

    fn how_good(&self) -> Option<Markup> {
        let (figures, methods) = (self.table("figures")?, self.table("methods")?);
        let evaluation = self.report.evaluation?;
        Some(html! {
            (cards(figures, methods))
            p { (Shown(&method(self.report, evaluation))) }
            @if let Some(figure) = self.figure("accuracy") { (figure) }
            (all(figures)) (all(methods))
        })
    }

    fn strongest(&self) -> Option<Markup> {
        let terms = self.table("terms")?;
        Some(html! {
            (top_terms(self.report, terms))
            @if let Some(figure) = self.figure("ngrams") { (figure) }
            @if let Some(stability) = self.whole("stability") { (stability) }
        })
    }

    fn when_to_trust(&self) -> Option<Markup> {
        let pair = [("reliability", self.table("reliability")?), ("coverage", self.table("coverage")?)];
        Some(html! {
            div class="pair" {
                @for (name, table) in pair {
                    div {
                        @if let Some(figure) = self.figure(name) { (figure) }
                        (folded(table))
                    }
                }
            }
        })
    }

    fn by_kind(&self) -> Option<Markup> {
        Some(html! {
            (self.whole("confusion")?)
            p class="note" {
                "A row is right when it is called what it counts as. Rows without a kind are listed by their label."
            }
            @if let Some(by) = self.whole("facets") { (by) }
        })
    }

    fn phrases(&self) -> Option<Markup> {
        Some(html! {
            p {
                "Phrases that occur more often in one kind of answer than in all others, in the first 25 words, in the last \
                 25, and between. z: log-odds over their standard deviation, counted in answers (Monroe et al. 2008)."
            }
            (self.whole("phrases")?)
        })
    }
}

/// The page of a report from its `tables` and `charts`, both by name.
///
/// # Errors
/// Never in memory; the compression has this error type.
pub(crate) fn page(
    report: &ReportData<'_>,
    tables: &[Table],
    charts: &[(&str, Chart)],
) -> io::Result<String> {
    let parts = Parts { report, tables, charts };
    let sections = parts.sections();
    let manifest = report.model.manifest();
    let title = format!("Refusal report: {}", manifest.name);
    let subtitle = match report.terms.rows_in_all {
        0 => "No rows were given: the page shows what the model itself holds.".to_owned(),
        rows => format!("{rows} labelled rows; the positive class is refusal."),
    };
    let packed = match parts.table("terms") {
        Some(terms) => pack(report, terms)?,
        None => String::new(),
    };
    let page = html! {
        (PreEscaped("<!doctype html>\n"))
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (Shown(&title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    div class="top" {
                        div { h1 { (Shown(&title)) } p class="note" { (subtitle) } }
                        button type="button" id="theme" aria-pressed="false" { "Dark" }
                    }
                    nav aria-label="Sections" {
                        @for section in &sections { a href=(format!("#{}", section.id)) { (section.title) } }
                    }
                }
                main { @for section in &sections { (section_of(section)) } }
                footer class="note" {
                    p {
                        "This page holds all that it shows and asks nothing of any server. Written by "
                        (Shown(&manifest.written_by)) "."
                    }
                }
                // Base64 has no character that could end the script element.
                script type="application/octet-stream" id="data" { (PreEscaped(packed)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    Ok(page.into_string())
}

fn section_of(Section { id, title, body }: &Section) -> Markup {
    html! {
        section id=(id) aria-labelledby=(format!("{id}-title")) {
            h2 id=(format!("{id}-title")) { (title) }
            (body)
        }
    }
}

/// The limits of every report of this kind.
fn limits() -> Markup {
    html! {
        ul {
            li { b { "Other models, other times." } " The figures hold for the targets and rows named here." }
            li { b { "Causes." } " An n-gram that goes with refusal need not be what the target refuses." }
            li {
                b { "All of the uncertainty." }
                " Intervals count the chance in drawing rows, and groups where they say so; a doubtful label counts as a \
                 sure one."
            }
            li {
                b { "Many looks." }
                " Of a hundred thousand n-grams some have a high z by chance alone: look at the rows, and at the halves."
            }
            li { b { "Rightness." } " Whether a prompt is harmful, or a refusal right, is not asked here." }
        }
    }
}
