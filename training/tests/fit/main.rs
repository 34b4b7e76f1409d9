//! Fits, from the solver to the pipeline, on small corpora built here.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod model;
mod pipeline;
mod solver;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use demur_data::{Kind, Label, Labelled, Labeller, Place, Record};
use demur_predictor::{Field, Model, SeenPrompts};
use demur_training::{EncoderStore, Provenance, Recipe, ViewParams, train};

fn record(line: usize, prompt: &str, response: &str, refused: bool) -> Record {
    let kind = if refused { Kind::Rejected } else { Kind::Complied };
    let label = if refused { Label::Refused } else { Label::Complied };
    Record {
        id: None,
        prompt: Some(prompt.to_owned()),
        response: Some(response.to_owned()),
        signs: None,
        context: Vec::new(),
        sent_in: demur_data::Context::default(),
        target: Some("a model".to_owned()),
        source: None,
        category: None,
        split: None,
        group: None,
        label: Some(Labelled { kind: Some(kind), ..Labelled::of(label, Labeller::Person) }),
        weight: 1.0,
        place: Place { file: Arc::from("rows"), line },
        row: None,
    }
}

/// Prompts that ask for a thing, half of them for a forbidden one, with matching answers.
fn corpus(things: std::ops::Range<usize>) -> Vec<Record> {
    let row = |thing: usize| {
        let refused = thing.is_multiple_of(2);
        let verb = if refused { "steal" } else { "paint" };
        let answer = if refused { "No, that is wrong." } else { "Take a brush first." };
        let (prompt, answer) =
            (format!("how do i {verb} number{thing} today"), format!("{answer} thing{thing}"));
        // Without groups of their own, all of these would be one template.
        Record { group: Some(thing.to_string()), ..record(thing + 1, &prompt, &answer, refused) }
    };
    things.map(row).collect()
}

fn recipe() -> Recipe {
    let settings =
        ["response.c=[1.0, 10.0]", "evaluation.grouped=false", "response.inner_folds=3"].map(str::to_owned);
    let mut recipe =
        Recipe::parse(demur_training::STARTER_RECIPE, Path::new("starter.toml"), &settings).unwrap();
    recipe.response.views = vec![ViewParams::new(Field::Response)];
    recipe.prompt.fit.views = vec![ViewParams::new(Field::Prompt)];
    recipe
}

fn provenance() -> Provenance {
    Provenance {
        recipe: recipe(),
        training: Vec::new(),
        figures: BTreeMap::new(),
        teacher: SeenPrompts::default(),
    }
}

fn classifier() -> Model {
    train(Field::Response, &corpus(0..40), provenance(), &EncoderStore::default()).unwrap().0
}
