//! The names of some values in request and response bodies, for the `OpenAPI` document. Each list is made
//! from the values themselves, so the document cannot list wrong names.

use demur_data::{Kind, Label};
use demur_predictor::{Decision, Doubt, Field, Form, Outcome, ShareKind, Tier};
use serde::Serialize;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// A schema whose values are these, as serde writes them.
fn names_of(description: &str, values: &[impl Serialize]) -> RefOr<Schema> {
    // All of them are unit variants, which serde writes as strings.
    let names = values.iter().filter_map(|value| serde_json::to_value(value).ok());
    let schema = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    schema.enum_values(Some(names)).build().into()
}

/// Types that only name a schema.
macro_rules! names {
    ($($name:ident = $values:expr, $description:literal;)*) => {$(
        #[doc = $description]
        #[derive(Debug)]
        pub(crate) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                names_of($description, &$values)
            }
        }

        impl ToSchema for $name {}
    )*};
}

names! {
    DecisionName = Decision::ALL,
        "`send` the prompt, `hold` it, or `abstain`: not sure enough either way.";
    DoubtName = Doubt::ALL,
        "Why nothing is decided on a prompt: it has no letters, or they are of a script that the model does not know, or hardly\n\
         any of its words are known.";
    FieldName = [Field::Prompt, Field::Response],
        "What a model judges: `prompt` for a predictor, `response` for a classifier.";
    FormName = Form::ALL,
        "How an answer was recognised: by its `text`, by one `passage` of it, or by a sign beside it.";
    KindName = Kind::ALL,
        "The kinds of answers, from compliance to rejection; apart from these dontknow and incoherent.";
    LabelName = [Label::Refused, Label::Complied],
        "The two labels.";
    OutcomeName = Outcome::ALL,
        "What became of a request: an answer is a refusal or not, or none came.";
    ShareKindName = ShareKind::ALL,
        "The kinds of shares. Words and measures of style come first, the strongest first; `others` are those beyond `top`,\n\
         `function_words` those that only join others; a `context` is what the prompt is sent in; the `prior` is the intercept, the `calibration` what lies between the\n\
         logit and the log-odds of the answer.";
    TierName = Tier::ALL,
        "The tiers: `ngram` in microseconds, `encoder` above it.";
}
