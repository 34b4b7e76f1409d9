//! Charts: what is drawn, and the same drawing as SVG and as PNG.

pub(crate) mod charts;
pub(crate) mod curves;
pub(crate) mod drawing;
pub(crate) mod raster;
