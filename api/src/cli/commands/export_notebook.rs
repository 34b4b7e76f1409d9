//! `demur export-notebook`: a report, an evaluation or a comparison as a notebook, with its Parquet tables.

use std::path::PathBuf;

use anyhow::Context;
use demur_data::{AtomicDir, write_rows};
use demur_notebooks_export::{
    Comparison, Export, ReportData, comparison_notebook, evaluation_notebook, report_notebook,
};
use demur_predictor::Model;
use demur_training::{PhraseFigures, TermAnalysis};

use crate::cli::args::{ExportNotebook, NotebookArg};
use crate::cli::commands::report::write;
use crate::cli::commands::unseen_rows::ScoredRows;
use crate::cli::terminal::note;
use crate::engine::Usage;
use crate::engine::claims::{self, OutputPath};
use crate::engine::models;

pub(crate) fn run(args: &ExportNotebook) -> anyhow::Result<()> {
    let stem = args.out.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if args.out.extension().is_none_or(|ending| ending != "ipynb") || stem.is_empty() {
        return Err(Usage(format!("--out {}: a notebook's name ends in .ipynb", args.out.display())).into());
    }
    if args.against.is_some() != (args.notebook == NotebookArg::Compare) {
        return Err(
            Usage("--against names the second model of `compare`, and belongs to it".to_owned()).into()
        );
    }
    let tables = format!("{stem}-tables");
    let folder = args.out.with_file_name(&tables);
    let inputs: Vec<PathBuf> =
        args.data.iter().chain(&args.model.model).chain(&args.against).cloned().collect();
    let _claim = claims::claim(&[OutputPath::File(&args.out), OutputPath::Folder(&folder)], &inputs)?;
    let model = args.model.load_ngrams()?;
    let export = match &args.against {
        Some(against) => compare(args, &model, &models::load(against, models::ngrams_alone())?, &tables)?,
        None => one(args, &model, &tables)?,
    };
    let cannot = || format!("cannot write {}", folder.display());
    let unfinished = AtomicDir::create(&folder).with_context(cannot)?;
    for table in &export.tables {
        write_rows(&unfinished.path().join(format!("{}.parquet", table.name)), None, &table.rows)?;
    }
    unfinished.commit_into(&[]).with_context(cannot)?;
    write(&args.out, export.notebook.to_string().as_bytes())?;
    note(&format!("{} reads the tables in {}", args.out.display(), folder.display()));
    Ok(())
}

fn one(args: &ExportNotebook, model: &Model, tables: &str) -> anyhow::Result<Export> {
    let scored_rows = ScoredRows::read(model, &args.data, &args.columns, &args.phrases)?;
    let is_report = args.notebook == NotebookArg::Report;
    let terms: TermAnalysis = scored_rows.terms(model, if is_report { args.resamples } else { 0 })?;
    let phrases: Vec<PhraseFigures> =
        if is_report { scored_rows.phrases(model.manifest().seed)? } else { Vec::new() };
    let rows = scored_rows.rows();
    let evaluation = scored_rows.evaluation.as_ref();
    let data = ReportData { model, terms: &terms, rows: &rows, evaluation, phrases: &phrases };
    let export = if is_report { report_notebook } else { evaluation_notebook };
    Ok(export(&data, tables))
}

fn compare(args: &ExportNotebook, first: &Model, second: &Model, tables: &str) -> anyhow::Result<Export> {
    let fields = [first, second].map(|model| model.manifest().field.name());
    if fields[0] != fields[1] {
        let [a, b] = fields;
        return Err(Usage(format!(
            "the first model judges the {a}, the second the {b}; name two of one field"
        ))
        .into());
    }
    let [mut a, mut b] = [
        ScoredRows::read(first, &args.data, &args.columns, &args.phrases)?,
        ScoredRows::read(second, &args.data, &args.columns, &args.phrases)?,
    ];
    // Both count only the rows that both can be scored on, so that the figures compare.
    a.count_with(&mut b)?;
    let rows = [a.rows(), b.rows()];
    let (Some(of_a), Some(of_b)) = (&a.evaluation, &b.evaluation) else {
        anyhow::bail!("there are no figures to compare");
    };
    let comparison =
        Comparison { models: [first, second], rows: [&rows[0], &rows[1]], evaluations: [of_a, of_b] };
    Ok(comparison_notebook(&comparison, tables))
}
