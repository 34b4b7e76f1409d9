//! Demur's reports: the results of a pipeline, for an analyst who opens one file and runs nothing.
//!
//! [`pipeline_report`] turns the figures and the two models of a pipeline into a [`Notebook`] that already
//! holds its outputs. Its code cells work: run in the pipeline's folder, they make the same tables and charts
//! again from the files there. [`report`] turns an analysis of a model on labelled rows into one HTML page,
//! tables and figures. [`rate_table`] and [`rate_heat_map`] show refusal rates. The same input produces the
//! same bytes.

mod figures;
mod notebook;
mod page;
mod tables;
mod text;

pub use figures::charts::Chart;
pub use figures::drawing::Drawing;
pub use figures::heat_map::rate_heat_map;
pub use notebook::comparison::{Comparison, comparison_notebook};
pub use notebook::notebooks::{Export, evaluation_notebook, report_notebook};
pub use notebook::pipeline_report::pipeline_report;
pub use notebook::{Cell, Notebook, Output};
pub use page::report::{Report, report};
pub use tables::rate_tables::{
    RateReader, agreement_line, agreement_table, harm_table, paired_lines, paired_table, rate_table,
};
pub use tables::report_data::{JudgedRow, ReportData};
pub use tables::show::escape_markdown;
pub use tables::table::{Column, Table};
