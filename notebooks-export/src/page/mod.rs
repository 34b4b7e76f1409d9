//! The report as one HTML file that holds all that it shows: no request leaves it, it opens from disk, prints, and can be read
//! without its script, which only adds the explorer of n-grams.

pub(crate) mod page_data;
pub(crate) mod report;

use std::io;

use demur_training::Evaluation;

use crate::figures::charts::Chart;
use crate::page::page_data::{one_line, pack, texts};
use crate::tables::report_data::{Findings, describe_view, label};
use crate::tables::table::{Sheet, plain};
use crate::tables::top_terms::{TopTerms, has_pieces_alone};
use crate::text::{escape, shorten};

const PAGE: &str = include_str!("../../web/page.html");
const STYLE: &str = include_str!("../../web/page.css");
const SCRIPT: &str = include_str!("../../web/page.js");
const EXPLORER: &str = include_str!("../../web/explore.html");
/// Rows shown as the riskiest, and as the most wrong of each side.
const SHOWN: usize = 12;
/// Characters of a row's text that a table shows.
const CHARACTERS: usize = 300;

/// The parts of a page, each with a heading that the page's navigation leads to.
struct Sections {
    body: String,
    nav: String,
}

impl Sections {
    fn add(&mut self, id: &str, title: &str, html: &str) {
        self.nav += &format!("<a href=\"#{id}\">{title}</a>");
        self.body += &format!(
            "<section id=\"{id}\" aria-labelledby=\"{id}-title\">\n<h2 id=\"{id}-title\">{title}</h2>\n{html}</section>\n"
        );
    }
}

/// The page of a report: its tables are `sheets`, its figures `charts`, both by name.
///
/// # Errors
/// Never in memory; the type is that of the packing.
pub(crate) fn page(
    findings: &Findings<'_>,
    sheets: &[Sheet],
    charts: &[(&str, Chart)],
) -> io::Result<String> {
    let sheet = |name: &str| sheets.iter().find(|sheet| sheet.name == name);
    let figure_of = |name: &str| {
        charts.iter().find(|(other, _)| *other == name).map_or_else(String::new, |(_, chart)| figure(chart))
    };
    let mut sections = Sections { body: String::new(), nav: String::new() };
    if let (Some(evaluation), Some(figures), Some(methods)) =
        (findings.evaluation, sheet("figures"), sheet("methods"))
    {
        let html = cards(figures, methods)
            + &format!("<p>{}</p>\n", escape(&method(findings, evaluation)))
            + &figure_of("accuracy")
            + &all(figures)
            + &all(methods);
        sections.add("figures", "How good is it?", &html);
    }
    if let Some(terms) = sheet("terms") {
        sections.add("words", "Which words", &(words(findings) + EXPLORER));
        let html = top_terms(findings, terms)
            + &figure_of("ngrams")
            + &sheet("stability").map_or_else(String::new, all);
        sections.add("top", "The strongest n-grams", &html);
    }
    if let (Some(reliability), Some(coverage)) = (sheet("reliability"), sheet("coverage")) {
        let html = format!(
            "<div class=\"pair\"><div>{}{}</div><div>{}{}</div></div>\n",
            figure_of("reliability"),
            folded(reliability),
            figure_of("coverage"),
            folded(coverage)
        );
        sections.add("trust", "When to trust it", &html);
    }
    if let Some(confusion) = sheet("confusion") {
        let note = "<p class=\"note\">A row is right when it is called what it counts as. Rows without a kind stand under their label.</p>\n";
        let by = sheet("facets").map_or_else(String::new, all);
        sections.add("kinds", "By kind of answer", &(all(confusion) + note + &by));
    }
    if let Some(rows) = sheet("rows") {
        sections.add("rows", "Rows to look at", &rows_to_look_at(findings, rows));
    }
    if let Some(phrases) = sheet("phrases") {
        let note = "<p>Phrases that stand more often in one kind of answer than in all others, in the first 25 words, in the last 25, and between. z: log-odds over their standard deviation, counted in answers (Monroe et al. 2008).</p>\n";
        sections.add("phrases", "Phrases by kind of answer", &(note.to_owned() + &all(phrases)));
    }
    sections.add("card", "Model and data", &card(findings, sheet("data")));
    sections.add("limits", "What this does not show", LIMITS);
    let manifest = findings.model.manifest();
    let title = format!("Refusal report: {}", manifest.name);
    let rows = findings.terms.rows_in_all;
    let subtitle = if rows == 0 {
        "No rows were given: the page shows what the model itself holds.".to_owned()
    } else {
        format!("{rows} labelled rows; the positive class is refusal.")
    };
    let packed = match sheet("terms") {
        Some(terms) => pack(findings, terms)?,
        None => String::new(),
    };
    Ok(fill(
        PAGE,
        &[
            ("title", &escape(&title)),
            ("subtitle", &escape(&subtitle)),
            ("style", STYLE),
            ("nav", &sections.nav),
            ("body", &sections.body),
            ("written_by", &escape(&format!("Written by {}.", manifest.written_by))),
            ("data", &packed),
            ("script", SCRIPT),
        ],
    ))
}

/// The template with each `{{name}}` replaced by its content, in which nothing is replaced again.
fn fill(template: &str, contents: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        out += before;
        let (name, after) = behind.split_once("}}").unwrap_or((behind, ""));
        out += contents.iter().find(|(known, _)| *known == name).map_or("", |(_, content)| content);
        rest = after;
    }
    out + rest
}

fn all(sheet: &Sheet) -> String {
    let keys: Vec<&str> = sheet.columns.iter().map(|column| column.key).collect();
    sheet.to_html(&sheet.title, &keys, &(0..sheet.rows.len()).collect::<Vec<_>>())
}

fn folded(sheet: &Sheet) -> String {
    format!("<details><summary>The numbers</summary>\n{}</details>\n", all(sheet))
}

fn figure(chart: &Chart) -> String {
    format!(
        "<figure><div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{}\">\n{}</div><details><summary>The same as text</summary><pre>{}</pre></details></figure>\n",
        escape(&chart.title),
        chart.drawing.to_svg(),
        escape(&chart.text)
    )
}

/// The headline figures, each with its interval and what it must beat.
fn cards(figures: &Sheet, methods: &Sheet) -> String {
    let names = texts(figures, "figure");
    let at = |name: &str| names.iter().position(|found| found == name);
    let cell = |name: &str, key: &str| {
        at(name).map_or_else(String::new, |row| plain(figures.cell(&figures.rows[row], key)))
    };
    let baseline = |name: &str, key: &str| {
        let row = texts(methods, "method").iter().position(|found| found == name);
        row.map_or_else(String::new, |row| plain(methods.cell(&methods.rows[row], key)))
    };
    let range = |name: &str| format!("{} to {}", cell(name, "low"), cell(name, "high"));
    let card = |title: &str, value: String, note: &str| {
        let value = if value.is_empty() { "not defined".to_owned() } else { value };
        format!(
            "<li>{title}<strong>{}</strong><span class=\"note\">{}</span></li>\n",
            escape(&value),
            escape(note)
        )
    };
    let right = if at("accuracy").is_some() { "accuracy" } else { "agreement" };
    let accuracy = format!(
        "95%: {}; majority guess {}, phrase list {}",
        range(right),
        baseline("majority", "accuracy"),
        baseline("phrase list", "accuracy")
    );
    let title = if right == "accuracy" { "Accuracy" } else { "Agreement with the labels" };
    let auroc = format!("95%: {}; chance 0.5", range("AUROC"));
    let base = format!("95%: {}; n = {} rows", range("base rate of refusals"), cell(right, "n"));
    let ece = "mean distance of P(refusal) from the refusal rate, ten bins".to_owned();
    format!(
        "<ul class=\"cards\">\n{}{}{}{}</ul>\n",
        card(title, cell(right, "value"), &accuracy),
        card("AUROC", cell("AUROC", "value"), &auroc),
        card("Refused rows", cell("base rate of refusals", "value"), &base),
        card("Calibration error", cell("expected calibration error", "value"), &ece),
    )
}

fn method(findings: &Findings<'_>, evaluation: &Evaluation) -> String {
    let left = findings.rows.iter().filter(|row| !row.judged).count();
    let seen = match left {
        0 => String::new(),
        left => format!(" {left} rows that the fit has seen are in the tables and not in the figures."),
    };
    format!(
        "{}. How the rows were kept apart from the fit: {}.{seen}",
        crate::tables::figure_tables::labelled(evaluation),
        evaluation.method
    )
}

fn words(findings: &Findings<'_>) -> String {
    let analysis = findings.terms;
    let rows = if analysis.rows < analysis.rows_in_all {
        format!("a sample of {} of {} rows", analysis.rows, analysis.rows_in_all)
    } else {
        format!("{} rows, {} of them refused", analysis.rows, analysis.refused)
    };
    if analysis.rows_in_all == 0 {
        return format!(
            "<p>Each n-gram of the model by its weight. Counts, refusal rates, intervals, stability and effects within templates were not computed: no labelled rows were given (<code>--data FILE</code>).</p>\n<details><summary>What the columns and marks mean</summary>\n<ul>\n{COLUMNS}</ul></details>\n"
        );
    }
    let refits = match analysis.resamples {
        0 => "There were no refits, so weights have no intervals.".to_owned(),
        n => format!(
            "Refitted weights: the same n-grams fitted on these rows at C = {}; their intervals stand on {n} bootstrap samples of whole groups.",
            analysis.c
        ),
    };
    let views: Vec<String> = findings
        .model
        .scorer()
        .views()
        .iter()
        .enumerate()
        .map(|(at, view)| format!("<li>View {at}: {}</li>", escape(&describe_view(&view.settings))))
        .collect();
    format!(
        "<p>Each n-gram of the model, counted on {}. z: log-odds of a row having it, refused against answered, over their standard deviation, with a flat Dirichlet prior (Monroe et al. 2008); where labels say nothing, z is about standard normal. {}</p>\n<details><summary>What the columns and marks mean</summary>\n<ul>\n{}\n{}</ul></details>\n",
        escape(&rows),
        escape(&refits),
        COLUMNS,
        views.concat()
    )
}

const COLUMNS: &str = "\
<li><b>Weight</b>: the model's, logit per unit of TF-IDF value; above 0 it speaks for refusal.</li>
<li><b>Refusal rate</b>: of the rows that contain the n-gram, with its 95% Wilson interval.</li>
<li><b>Same sign</b>: share of five folds without which the refitted weight keeps its sign.</li>
<li><b>Within groups</b>: refusal rate with the n-gram less that without it, within templates (Mantel-Haenszel), with its 95% interval.</li>
<li><b>unstable</b>: a top term that is not among the top in each of five random halves, or a weight that changes its sign without a fold. Only the top was looked for in halves; without refits no other n-gram was tested.</li>
<li><b>between groups</b>: no effect is left within templates; it tells templates apart.</li>
<li><b>subsumed</b>: a longer n-gram stands in at least nine of ten of its rows.</li>
<li><b>duplicate</b>: another n-gram of the model has the same text (in another view, or as a run of characters), and is shown for both.</li>";

/// The top terms of both sides as plain tables: for print, and where no script runs. Words first, pieces on demand.
fn top_terms(findings: &Findings<'_>, terms: &Sheet) -> String {
    let analysis = findings.terms;
    let pieces_alone = has_pieces_alone(analysis);
    let first = if pieces_alone { "pieces of words" } else { "words and phrases" };
    let mut out = top_of(findings, terms, first, pieces_alone);
    if !pieces_alone && analysis.terms.iter().any(|term| term.is_piece) {
        let pieces = top_of(findings, terms, "pieces of words", true);
        out += &format!("<details><summary>Pieces of words</summary>\n{pieces}</details>\n");
    }
    out
}

fn top_of(findings: &Findings<'_>, terms: &Sheet, what: &str, pieces: bool) -> String {
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
    let analysis = findings.terms;
    let seen = analysis.rows > 0;
    let keys: &[&str] = if seen { &SEEN } else { &["rank", "ngram", "weight"] };
    let by = if seen { "by z" } else { "by weight" };
    let top = TopTerms::of(analysis, pieces);
    let stable = if top.stable_only() { "stable " } else { "" };
    let table = |adjective: &str, name: &str, rows: &[usize]| {
        if rows.is_empty() {
            return format!("<p class=\"note\">No {adjective}{what} speak for {name}.</p>\n");
        }
        let caption = format!("The {} {adjective}{what} that speak most for {name}, {by}", rows.len());
        terms.to_html(&caption, keys, rows)
    };
    let sides = [(true, "refusal"), (false, "compliance")];
    let mut out = format!("<p>{}</p>\n", escape(&top.describe(analysis, what)));
    for (refused, name) in sides {
        out += &table(stable, name, &top.shown(analysis, refused));
    }
    if top.stable_only() {
        let others =
            sides.map(|(refused, name)| table("unstable ", name, &top.left_out(analysis, refused))).concat();
        out += &format!("<details><summary>The unstable ones</summary>\n{others}</details>\n");
    }
    out
}

fn rows_to_look_at(findings: &Findings<'_>, rows: &Sheet) -> String {
    let by_p = |wanted: &dyn Fn(bool) -> bool, highest: bool| -> Vec<usize> {
        let mut order: Vec<usize> = (0..findings.rows.len())
            .filter(|&at| findings.rows[at].judged && wanted(findings.rows[at].refused))
            .collect();
        order.sort_by(|&a, &b| {
            let ascending = findings.rows[a].p_refusal.total_cmp(&findings.rows[b].p_refusal);
            (if highest { ascending.reverse() } else { ascending }).then(a.cmp(&b))
        });
        order.truncate(SHOWN);
        order
    };
    let mut short = rows.clone();
    for row in &mut short.rows {
        if let Some(text) = row.get_mut("text") {
            *text = shorten(&one_line(&plain(text)), CHARACTERS).into();
        }
    }
    let keys = ["row", "p_refusal", "label", "kind", "target", "text"];
    let keys: Vec<&str> =
        keys.into_iter().filter(|key| short.rows.iter().any(|row| !short.cell(row, key).is_null())).collect();
    let table = |title: &str, rows: Vec<usize>| {
        format!(
            "<h3>{title}</h3>\n{}",
            short.to_html(&format!("{} of {} rows", rows.len(), short.rows.len()), &keys, &rows)
        )
    };
    table("The riskiest rows: highest P(refusal)", by_p(&|_| true, true))
        + &table("Most wrong: answered, and thought refused", by_p(&|refused| !refused, true))
        + &table("Most wrong: refused, and thought answered", by_p(&|refused| refused, false))
}

fn card(findings: &Findings<'_>, data: Option<&Sheet>) -> String {
    let manifest = findings.model.manifest();
    let targets = match manifest.targets.len() {
        0 => "not stated by the data".to_owned(),
        n if n > 12 => format!("{} and {} more", manifest.targets[..12].join(", "), n - 12),
        _ => manifest.targets.join(", "),
    };
    let policy = manifest.policy;
    let facts = [
        ("Name", manifest.name.clone()),
        ("Digest", findings.model.digest().to_owned()),
        ("Judges", manifest.field.name().to_owned()),
        ("Targets", targets),
        ("N-grams", findings.terms.terms.len().to_string()),
        ("Decides", format!("{} from P(refusal) {}", label(true), policy.hold_from)),
        ("Seed", manifest.seed.to_string()),
    ];
    let facts: String = facts
        .iter()
        .map(|(name, value)| format!("<tr><th scope=\"row\">{name}</th><td>{}</td></tr>\n", escape(value)))
        .collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"The model\"><table>\n<caption>The model</caption>\n<tbody>\n{facts}</tbody></table></div>\n{}",
        data.map_or_else(String::new, all)
    )
}

/// What no report of this kind can show.
const LIMITS: &str = "\
<ul>
<li><b>Other models, other times.</b> The figures hold for the targets and rows named here.</li>
<li><b>Causes.</b> An n-gram that goes with refusal need not be what the target refuses.</li>
<li><b>All of the uncertainty.</b> Intervals count the chance in drawing rows, and groups where they say so; a doubtful label counts as a sure one.</li>
<li><b>Many looks.</b> Of a hundred thousand n-grams some have a high z by chance alone: look at the rows, and at the halves.</li>
<li><b>Rightness.</b> Whether a prompt is harmful, or a refusal right, is not asked here.</li>
</ul>
";

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn placeholders_in_contents_stay_text() {
        let filled = fill("<{{a}}|{{b}}|{{a}}>", &[("a", "{{b}}"), ("b", "x {{a}}")]);
        assert_eq!(filled, "<{{b}}|x {{a}}|{{b}}>");
        assert_eq!(fill("no {{such}} name", &[]), "no  name");
    }
}
