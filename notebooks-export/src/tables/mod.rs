//! The content of a report as tables: the same cells for pages, notebooks and files.

pub(crate) mod figure_tables;
pub(crate) mod rate_tables;
pub(crate) mod report_data;
pub(crate) mod report_tables;
pub(crate) mod show;
pub(crate) mod table;
pub(crate) mod text_table;
pub(crate) mod top_terms;
