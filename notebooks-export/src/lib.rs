//! Demur's reports: what a pipeline measured, for an analyst who opens one file and runs nothing.
//!
//! [`pipeline_report`] turns the figures and the two models of a pipeline into a [`Notebook`] that already holds
//! its outputs. Its code cells are real: run in the pipeline's folder, they make the same tables and charts
//! again from the files there. The same input gives the same bytes.

mod notebook;
mod report;
mod svg;
mod table;
mod text;

pub use notebook::{Cell, Notebook, Output};
pub use report::pipeline_report;
pub use svg::{Bar, Chart, Interval, diverging_bars, intervals, reliability_diagram};
pub use table::Table;
