//! The playground: one page with its script and style, built into the binary so that it works offline.

/// The page.
pub(crate) const HTML: &str = include_str!("../../web/index.html");
/// Its script.
pub(crate) const SCRIPT: &str = include_str!("../../web/playground.js");
/// Its style.
pub(crate) const STYLE: &str = include_str!("../../web/playground.css");
/// What the page may load and where it may send: this server alone.
pub(crate) const CONTENT_POLICY: &str =
    "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'";
