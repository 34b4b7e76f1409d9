//! Where the rates go, and in which form: one text with everything, or a table a file.

use std::path::{Path, PathBuf};

use demur_data::{Format, is_stdout, write_rows};
use demur_notebooks_export::{
    RateReader, Table, agreement_line, agreement_table, harm_table, paired_lines, paired_table,
    rate_heat_map, rate_table,
};
use demur_training::RateReport;

use crate::cli::args::{Rates, RatesFormat};
use crate::cli::commands::report::write;
use crate::cli::terminal::{self, note};
use crate::engine::Usage;
use crate::engine::claims::{self, Claim, OutputPath};

/// How many groups people are shown.
const SHOWN: usize = 40;

/// The output of a run.
pub(super) struct Destination<'a> {
    path: &'a Path,
    format: RatesFormat,
    top: Option<usize>,
    /// The files beside it: one for each further table, in formats that hold one.
    beside: Vec<(&'static str, PathBuf)>,
}

impl<'a> Destination<'a> {
    pub(super) fn of(args: &'a Rates) -> anyhow::Result<Self> {
        let path = args.out.as_path();
        let format = match args.to {
            Some(format) => format,
            None if is_stdout(path) => RatesFormat::Table,
            None => by_ending(path)?,
        };
        let further = [
            ("paired", args.paired_by.is_some()),
            ("harm", args.harm_column.is_some()),
            ("agreement", args.judge.is_some()),
        ];
        let mut beside = Vec::new();
        for (name, _) in further.into_iter().filter(|(_, wanted)| *wanted && table_format(format).is_some()) {
            if is_stdout(path) {
                return Err(Usage(format!(
                    "this format holds one table, and there is a second (`{name}`); name a file with --out, or take \
                     --to table, markdown or json"
                ))
                .into());
            }
            beside.push((name, named_beside(path, name)));
        }
        if format == RatesFormat::Svg && further.iter().any(|(_, wanted)| *wanted) {
            note("the heat map shows the rates alone; --to table, markdown or json has the rest");
        }
        Ok(Self { path, format, top: args.top.map(|top| top as usize), beside })
    }

    /// Claims the outputs before anything is read.
    pub(super) fn claim(&self, inputs: &[PathBuf]) -> anyhow::Result<Claim> {
        let beside = self.beside.iter().map(|(_, path)| OutputPath::File(path));
        let outputs: Vec<OutputPath<'_>> =
            std::iter::once(OutputPath::File(self.path)).chain(beside).collect();
        claims::claim(&outputs, inputs)
    }

    pub(super) fn write(&self, report: &RateReport) -> anyhow::Result<()> {
        if let Some(format) = table_format(self.format) {
            return self.write_tables(report, format);
        }
        let top = self.top.unwrap_or(SHOWN);
        let text = match self.format {
            RatesFormat::Json => serde_json::to_string_pretty(&self.json(report))? + "\n",
            RatesFormat::Svg => rate_heat_map(report, top, &report.basis()).drawing.to_svg(),
            RatesFormat::Markdown => text(report, top, true),
            _ => text(report, top, false),
        };
        if is_stdout(self.path) { Ok(terminal::data(&text)?) } else { write(self.path, text.as_bytes()) }
    }

    fn json(&self, report: &RateReport) -> serde_json::Value {
        let mut report = report.clone();
        report.groups = report.largest(self.top.unwrap_or(usize::MAX)).into_iter().cloned().collect();
        report.to_json()
    }

    fn write_tables(&self, report: &RateReport, format: Format) -> anyhow::Result<()> {
        let groups = report.largest(self.top.unwrap_or(usize::MAX));
        write_rows(self.path, Some(format), &rate_table(report, &groups, RateReader::Program).rows)?;
        let table = |name: &str| -> Option<Table> {
            match name {
                "paired" => report.paired.as_ref().map(paired_table),
                "harm" => report.harm.as_deref().map(|harm| harm_table(harm, RateReader::Program)),
                _ => report.agreement.as_ref().map(agreement_table),
            }
        };
        for (name, path) in &self.beside {
            if let Some(table) = table(name) {
                write_rows(path, Some(format), &table.rows)?;
            }
        }
        Ok(())
    }
}

/// The format that a file's ending asks for.
fn by_ending(path: &Path) -> Result<RatesFormat, Usage> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    match (ending.as_str(), Format::of_path(path)) {
        ("md" | "markdown", _) => Ok(RatesFormat::Markdown),
        ("svg", _) => Ok(RatesFormat::Svg),
        ("txt", _) => Ok(RatesFormat::Table),
        (_, Some(Format::Json)) if ending == "json" => Ok(RatesFormat::Json),
        (_, Some(Format::Jsonl)) => Ok(RatesFormat::Jsonl),
        (_, Some(Format::Csv)) => Ok(RatesFormat::Csv),
        (_, Some(Format::Tsv)) => Ok(RatesFormat::Tsv),
        (_, Some(Format::Parquet)) => Ok(RatesFormat::Parquet),
        (_, Some(Format::Arrow)) => Ok(RatesFormat::Arrow),
        _ => Err(Usage(format!(
            "--out {}: its ending names no format; use .csv, .tsv, .parquet, .arrow, .jsonl, .json, .md, .svg or .txt, or \
             --to",
            path.display()
        ))),
    }
}

/// The format of rows, for formats that hold one table.
const fn table_format(format: RatesFormat) -> Option<Format> {
    match format {
        RatesFormat::Csv => Some(Format::Csv),
        RatesFormat::Tsv => Some(Format::Tsv),
        RatesFormat::Jsonl => Some(Format::Jsonl),
        RatesFormat::Parquet => Some(Format::Parquet),
        RatesFormat::Arrow => Some(Format::Arrow),
        RatesFormat::Table | RatesFormat::Markdown | RatesFormat::Svg | RatesFormat::Json => None,
    }
}

/// `rates.csv.gz` becomes `rates-paired.csv.gz`.
fn named_beside(path: &Path, table: &str) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // A name that begins with a dot has no ending there.
    let dot = name.char_indices().skip(1).find(|(_, c)| *c == '.').map_or(name.len(), |(at, _)| at);
    path.with_file_name(format!("{}-{table}{}", &name[..dot], &name[dot..]))
}

/// Everything as text: for a terminal, or as Markdown.
fn text(report: &RateReport, top: usize, markdown: bool) -> String {
    let groups = report.largest(top);
    let table = rate_table(report, &groups, RateReader::Person { bars: !markdown });
    let mut parts =
        vec![(table.title.clone(), vec![format!("{}; 95% Wilson intervals", report.basis())], Some(table))];
    if groups.len() < report.groups.len() {
        let shown: usize = groups.iter().map(|group| group.rate.rows()).sum();
        let (more, rows) = (report.groups.len() - groups.len(), report.total.rows() - shown);
        parts[0]
            .1
            .push(format!("{more} more groups with {rows} rows: --top {} shows them", report.groups.len()));
    }
    if let Some(paired) = &report.paired {
        parts.push((paired_table(paired).title, paired_lines(paired), None));
    }
    if let Some(harm) = &report.harm {
        let table = harm_table(harm, RateReader::Person { bars: false });
        parts.push((table.title.clone(), Vec::new(), Some(table)));
    }
    if let Some(agreement) = &report.agreement {
        let table = agreement_table(agreement);
        parts.push((table.title.clone(), vec![agreement_line(agreement)], Some(table)));
    }
    let show = |(title, lines, table): &(String, Vec<String>, Option<Table>)| {
        if markdown {
            let title = demur_notebooks_export::escape_markdown(title);
            let lines: String = lines
                .iter()
                .map(|line| format!("\n{}\n", demur_notebooks_export::escape_markdown(line)))
                .collect();
            let table = table.as_ref().map(|table| format!("\n{}", table.to_markdown())).unwrap_or_default();
            format!("**{title}**\n{lines}{table}")
        } else {
            let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
            let table = table.as_ref().map(Table::to_aligned).unwrap_or_default();
            format!("{title}\n{lines}{table}")
        }
    };
    parts.iter().map(show).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_further_table_is_named_after_the_first() {
        for (path, expected) in [
            ("out/rates.csv", "out/rates-paired.csv"),
            ("rates.v2.csv.gz", "rates-paired.v2.csv.gz"),
            (".rates", ".rates-paired"),
        ] {
            assert_eq!(named_beside(Path::new(path), "paired"), Path::new(expected));
        }
    }

    #[test]
    fn an_ending_names_the_format() {
        let of = |name: &str| by_ending(Path::new(name)).ok();
        assert_eq!(of("a.MD"), Some(RatesFormat::Markdown));
        assert_eq!(of("a.csv.gz"), Some(RatesFormat::Csv));
        assert_eq!(of("a.json"), Some(RatesFormat::Json));
        assert_eq!(of("a.json.gz"), None, "a packed object has no reader here");
        assert_eq!(of("a"), None);
    }
}
