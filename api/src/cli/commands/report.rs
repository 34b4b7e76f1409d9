//! `demur report`: a model and its rows as one page, with tables and figures.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use demur_data::{AtomicDir, AtomicFile, write_rows};
use demur_notebooks_export::{Chart, ReportData, Table};
use demur_predictor::Model;

use crate::cli::args::Report;
use crate::cli::commands::unseen_rows::ScoredRows;
use crate::cli::terminal::{note, waiting};
use crate::engine::claims::{self, OutputPath};

/// The entries of the report's folder.
const PARTS: [&str; 3] = ["report.html", "tables", "figures"];

pub(crate) fn run(args: &Report) -> anyhow::Result<()> {
    let inputs: Vec<PathBuf> = args.data.iter().chain(&args.model.model).cloned().collect();
    let _claim = claims::claim(&[OutputPath::Into(&args.out, &PARTS)], &inputs)?;
    let model = args.model.load_ngrams()?;
    let field = model.manifest().field;
    let scored_rows = if args.data.is_empty() {
        note("no rows (--data FILE): the report holds what the model itself holds");
        ScoredRows::none(field)
    } else {
        ScoredRows::read(&model, &args.data, &args.columns, &args.phrases)?
    };
    write_report(&model, &scored_rows, args.resamples, &args.out)?;
    note(&format!("report.html, tables/ and figures/ are in {}", args.out.display()));
    Ok(())
}

/// Writes the report on a model and its rows into a folder.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write_report(
    model: &Model,
    scored_rows: &ScoredRows,
    resamples: usize,
    out: &Path,
) -> anyhow::Result<()> {
    let terms = scored_rows.terms(model, resamples)?;
    let phrases = scored_rows.phrases(model.manifest().seed)?;
    let rows = scored_rows.rows();
    let data = ReportData {
        model,
        terms: &terms,
        rows: &rows,
        evaluation: scored_rows.evaluation.as_ref(),
        phrases: &phrases,
    };
    let report =
        waiting("writing", || demur_notebooks_export::report(&data)).context("cannot pack the page")?;
    let cannot = || format!("cannot write {}", out.display());
    let [page, tables, figures] = PARTS;
    let unfinished = AtomicDir::create(out).with_context(cannot)?;
    write_tables(&unfinished.path().join(tables), &report.tables)?;
    write_figures(&unfinished.path().join(figures), &report.charts)?;
    write(&unfinished.path().join(page), report.html.as_bytes())?;
    unfinished.commit_into(&[]).with_context(cannot)
}

/// Writes each table as CSV and as Parquet.
pub(crate) fn write_tables(folder: &Path, tables: &[Table]) -> anyhow::Result<()> {
    for table in tables {
        for ending in ["csv", "parquet"] {
            write_rows(&folder.join(format!("{}.{ending}", table.name)), None, &table.rows)?;
        }
    }
    Ok(())
}

/// Writes each figure as SVG and as PNG.
fn write_figures(folder: &Path, charts: &[(&str, Chart)]) -> anyhow::Result<()> {
    for (name, chart) in charts {
        write(&folder.join(format!("{name}.svg")), chart.drawing.to_svg().as_bytes())?;
        let png = chart.drawing.to_png().with_context(|| format!("figure {name} is too large for a PNG"))?;
        write(&folder.join(format!("{name}.png")), &png)?;
    }
    Ok(())
}

/// Writes a file atomically.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || {
        let mut file = AtomicFile::create(path)?;
        file.write_all(bytes)?;
        file.commit()
    };
    write().with_context(|| path.display().to_string())
}
