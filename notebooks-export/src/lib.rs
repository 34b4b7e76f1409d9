//! Demur's reports: what a pipeline measured, for an analyst who opens one file and runs nothing.
//!
//! [`pipeline_report`] turns the figures and the two models of a pipeline into a [`Notebook`] that already holds
//! its outputs. Its code cells are real: run in the pipeline's folder, they make the same tables and charts
//! again from the files there. [`rows_report`] turns what is known of a model on labelled rows into one HTML page, tables
//! and figures. The same input gives the same bytes.

mod comparison;
mod curves;
mod drawing;
mod exports;
mod figure_sheets;
mod findings;
mod notebook;
mod packed;
mod page;
mod raster;
mod report;
mod rows_report;
mod sheet;
mod svg;
mod table;
mod text;
mod top_terms;

pub use comparison::{Comparison, comparison_notebook};
pub use curves::{Dot, agreement_chart, contrast_chart, coverage_chart};
pub use drawing::Drawing;
pub use exports::{Export, evaluation_notebook, report_notebook};
pub use findings::{Findings, JudgedRow};
pub use notebook::{Cell, Notebook, Output};
pub use report::pipeline_report;
pub use rows_report::{Report, rows_report};
pub use sheet::{Column, Sheet};
pub use svg::{Bar, Chart, Interval, diverging_bars, intervals, reliability_diagram};
pub use table::Table;
