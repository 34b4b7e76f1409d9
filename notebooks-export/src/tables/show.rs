//! A table to look at outside a page: aligned for a terminal, and as Markdown. Both show the table's own
//! cells.

use serde_json::Value;

use crate::tables::table::{Column, Table, plain};
use crate::text::{columns_of, shorten};

/// The most columns of the terminal that a text takes.
const WIDEST: usize = 40;

impl Table {
    /// A value as text on one line. A number that is not a count has four decimals, so that a column of them
    /// is aligned.
    fn shown(value: &Value) -> String {
        let number = value.as_f64().filter(|_| value.is_f64());
        number.map_or_else(|| one_line(&plain(value)), |number| format!("{number:.4}"))
    }

    /// The texts of a column, its title first.
    fn texts(&self, column: &Column) -> Vec<String> {
        let cells = self.rows.iter().map(|row| Self::shown(self.cell(row, &column.key)));
        std::iter::once(one_line(&column.title)).chain(cells).collect()
    }

    /// The table as text in columns, each line indented by two spaces: numbers to the right, long texts cut.
    #[must_use]
    pub fn to_aligned(&self) -> String {
        let columns: Vec<(Vec<String>, bool)> = self
            .columns
            .iter()
            .map(|column| {
                let texts = self.texts(column).iter().map(|text| shorten(text, WIDEST)).collect();
                (texts, self.is_numeric(&column.key))
            })
            .collect();
        let mut out = String::new();
        for line in 0..=self.rows.len() {
            let mut text = String::new();
            for (texts, numeric) in &columns {
                let widest = texts.iter().map(|text| width(text)).max().unwrap_or(0);
                let blank = " ".repeat(widest - width(&texts[line]));
                let cell = &texts[line];
                text += &if *numeric { format!("  {blank}{cell}") } else { format!("  {cell}{blank}") };
            }
            out += text.trim_end();
            out.push('\n');
        }
        out
    }

    /// The table as a pipe table of Markdown, in which no text is markup.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let columns: Vec<Vec<String>> = self.columns.iter().map(|column| self.texts(column)).collect();
        let line = |at: usize| -> String {
            let cells: Vec<String> = columns.iter().map(|texts| escape_markdown(&texts[at])).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule: Vec<&str> = self
            .columns
            .iter()
            .map(|column| if self.is_numeric(&column.key) { "---:" } else { "---" })
            .collect();
        let body: String = (1..=self.rows.len()).map(line).collect();
        format!("{}|{}|\n{body}", line(0), rule.join("|"))
    }
}

/// How many columns of a terminal a text takes.
fn width(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// A text on one line, without characters that move the cursor or turn the direction of writing.
fn one_line(text: &str) -> String {
    let visible = |c: char| if c.is_control() || crate::text::is_unfit(c) { ' ' } else { c };
    text.chars().map(visible).collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text in which Markdown finds nothing to interpret.
#[must_use]
pub fn escape_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\`*_{}[]<>|~#&".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table() -> Table {
        let mut table = Table::new("x", "x", &[("name", "Name"), ("n", "n"), ("rate", "rate")]);
        table.push([json!("a|b_c"), json!(5), json!(0.5)]);
        table.push([json!("日本\nz"), json!(12), Value::Null]);
        table
    }

    #[test]
    fn numbers_stand_right_and_wide_letters_count_twice() {
        assert_eq!(table().to_aligned(), "  Name     n    rate\n  a|b_c    5  0.5000\n  日本 z  12\n");
    }

    #[test]
    fn markdown_holds_no_markup_from_data() {
        assert_eq!(
            table().to_markdown(),
            "| Name | n | rate |\n|---|---:|---:|\n| a\\|b\\_c | 5 | 0.5000 |\n| 日本 z | 12 |  |\n"
        );
    }

    #[test]
    fn a_long_text_is_cut_in_a_terminal_alone() {
        let mut table = Table::new("x", "x", &[("name", "Name")]);
        table.push([json!("y".repeat(200))]);
        assert!(table.to_aligned().lines().all(|line| width(line) <= WIDEST + 2));
        assert!(table.to_markdown().contains(&"y".repeat(200)));
    }
}
