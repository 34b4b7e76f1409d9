//! Charts: the shapes of a drawing, and its rendering as SVG and as PNG.

pub(crate) mod charts;
pub(crate) mod curves;
pub(crate) mod drawing;
pub(crate) mod heat_map;
pub(crate) mod raster;
