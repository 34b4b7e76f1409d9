//! What a report is made of, as tables: one set of cells for pages, notebooks and files.

pub(crate) mod figure_tables;
pub(crate) mod report_data;
pub(crate) mod report_tables;
pub(crate) mod table;
pub(crate) mod text_table;
pub(crate) mod top_terms;
