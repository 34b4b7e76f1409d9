//! The rows of a page to look at first, and the model and data behind it.

use maud::{Markup, html};

use crate::page::page_data::one_line;
use crate::tables::report_data::ReportData;
use crate::tables::table::{Table, label, plain};
use crate::text::{Shown, shorten};

/// Number of rows shown as the riskiest, and as the most wrong of each side.
const SHOWN: usize = 12;
/// Maximum number of characters of a row's text in a table.
const CHARACTERS: usize = 300;

/// The riskiest rows, and those that the model is most wrong about.
pub(crate) fn rows_to_look_at(report: &ReportData<'_>, rows: &Table) -> Markup {
    let by_p = |wanted: &dyn Fn(bool) -> bool, highest: bool| -> Vec<usize> {
        let mut order: Vec<usize> = (0..report.rows.len())
            .filter(|&at| report.rows[at].judged && wanted(report.rows[at].refused))
            .collect();
        order.sort_by(|&a, &b| {
            let ascending = report.rows[a].p_refusal.total_cmp(&report.rows[b].p_refusal);
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
    let lists = [
        ("The riskiest rows: highest P(refusal)", by_p(&|_| true, true)),
        ("Most wrong: answered, and thought refused", by_p(&|refused| !refused, true)),
        ("Most wrong: refused, and thought answered", by_p(&|refused| refused, false)),
    ];
    html! {
        @for (title, rows) in lists {
            h3 { (title) }
            (short.to_html(&format!("{} of {} rows", rows.len(), short.rows.len()), &keys, &rows))
        }
    }
}

/// A description of the model, and the table of its training data.
pub(crate) fn card(report: &ReportData<'_>, data: Option<Markup>) -> Markup {
    let manifest = report.model.manifest();
    let targets = match manifest.targets.len() {
        0 => "not stated by the data".to_owned(),
        n if n > 12 => format!("{} and {} more", manifest.targets[..12].join(", "), n - 12),
        _ => manifest.targets.join(", "),
    };
    let facts = [
        ("Name", manifest.name.clone()),
        ("Digest", report.model.digest().to_owned()),
        ("Judges", manifest.field.name().to_owned()),
        ("Targets", targets),
        ("N-grams", report.terms.terms.len().to_string()),
        ("Decides", format!("{} from P(refusal) {}", label(true), manifest.policy.hold_from)),
        ("Seed", manifest.seed.to_string()),
    ];
    html! {
        div class="scroll" tabindex="0" role="group" aria-label="The model" {
            table {
                caption { "The model" }
                tbody {
                    @for (name, value) in &facts { tr { th scope="row" { (name) } td { (Shown(value)) } } }
                }
            }
        }
        @if let Some(data) = data { (data) }
    }
}
