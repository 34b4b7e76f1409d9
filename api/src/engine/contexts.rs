//! What a predictor knows of what a prompt is sent in: said alike by commands and service.

use demur_data::{Context, Mode};
use demur_predictor::Model;

/// What a model does not know of a context, in a sentence; `None` where it knows it, or reads none.
pub(crate) fn not_known(model: &Model, sent_in: &Context) -> Option<&'static str> {
    let system = sent_in.system.as_deref().filter(|_| model.reads_system())?;
    let why =
        "the system prompt is not known to the predictor; what it shares with known ones stands in for it";
    (!model.knows_system(system)).then_some(why)
}

/// The parts of a context that a model does not read, by the names of `system` and `tools`.
pub(crate) fn not_read(model: &Model, sent_in: &Context) -> Vec<&'static str> {
    let system = sent_in.system.is_some() && !model.reads_system();
    let tools = sent_in.mode == Mode::Agent && !model.reads_mode();
    [("system", system), ("tools", tools)]
        .into_iter()
        .filter_map(|(name, is_not)| is_not.then_some(name))
        .collect()
}
