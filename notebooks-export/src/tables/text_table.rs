//! A table of texts, as HTML like that of pandas, and as plain text.

use crate::text::escape;

/// A table with row heads; the corner above the heads is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TextTable {
    /// The heads of the columns.
    pub(crate) columns: Vec<String>,
    /// Each row: its head, then one cell per column.
    pub(crate) rows: Vec<(String, Vec<String>)>,
}

impl TextTable {
    /// The table as HTML without styles or scripts; all texts are escaped.
    #[must_use]
    pub(crate) fn to_html(&self) -> String {
        let cells = |tag: &str, texts: &[String]| -> String {
            texts.iter().map(|text| format!("      <{tag}>{}</{tag}>\n", escape(text))).collect()
        };
        let mut out = String::from("<table border=\"1\" class=\"dataframe\">\n  <thead>\n    <tr>\n");
        out += &format!("      <th></th>\n{}", cells("th", &self.columns));
        out += "    </tr>\n  </thead>\n  <tbody>\n";
        for (head, row) in &self.rows {
            out += &format!("    <tr>\n      <th>{}</th>\n{}    </tr>\n", escape(head), cells("td", row));
        }
        out + "  </tbody>\n</table>"
    }

    /// The table as aligned plain text.
    #[must_use]
    pub(crate) fn to_text(&self) -> String {
        let header = std::iter::once(String::new()).chain(self.columns.iter().cloned()).collect();
        let rows = self.rows.iter().map(|(head, row)| [std::slice::from_ref(head), row].concat());
        let lines: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
        let width = |at: usize| {
            lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..=self.columns.len()).map(width).collect();
        let line = |cells: &Vec<String>| {
            let cells = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
            cells.collect::<Vec<String>>().join("  ").trim_end().to_owned()
        };
        lines.iter().map(line).collect::<Vec<String>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TextTable {
        let row = |head: &str, cell: &str| (head.to_owned(), vec![cell.to_owned()]);
        TextTable { columns: vec!["a <b>".to_owned()], rows: vec![row("n & m", "1"), row("x", "'22'")] }
    }

    #[test]
    fn html_is_escaped() {
        let html = table().to_html();
        assert!(html.contains("<th>a &lt;b&gt;</th>") && html.contains("<th>n &amp; m</th>"), "{html}");
        assert!(html.contains("<td>&#39;22&#39;</td>") && !html.contains("<b>"), "{html}");
    }

    #[test]
    fn text_stands_in_columns() {
        assert_eq!(table().to_text(), "       a <b>\nn & m  1\nx      '22'");
    }
}
