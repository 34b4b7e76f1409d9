//! From flags to what is read and how: recipe first, flags on top.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use demur_data::{Kind, Label, Meaning};
use demur_predictor::Field;
use demur_training::{DataSource, Recipe};

use crate::args::{DataArgs, FieldArg, RecipeArgs};
use crate::error::Usage;

impl From<FieldArg> for Field {
    fn from(field: FieldArg) -> Self {
        match field {
            FieldArg::Response => Self::Response,
            FieldArg::Prompt => Self::Prompt,
        }
    }
}

/// The recipe that the flags name, its files relative to its folder; else the starter recipe, which then has
/// no say in columns.
pub(crate) fn recipe(args: &RecipeArgs) -> anyhow::Result<Recipe> {
    let Some(path) = &args.recipe else {
        let path = Path::new("starter.toml");
        let mut recipe = Recipe::parse(demur_training::STARTER_RECIPE, path, &args.settings.set)?;
        recipe.labelled = DataSource::default();
        return Ok(recipe);
    };
    let mut recipe = Recipe::load(path, &args.settings.set)?;
    recipe.resolve(path.parent().unwrap_or_else(|| Path::new("")));
    Ok(recipe)
}

/// Which files are read and how: those of the flags, with the recipe's source for all that they leave open.
pub(crate) fn source(files: &[PathBuf], args: &DataArgs, recipe: DataSource) -> anyhow::Result<DataSource> {
    let mut source = recipe;
    if !files.is_empty() {
        source.files = files.to_vec();
    }
    let columns = &mut source.columns;
    for (to, from) in [
        (&mut columns.prompt, &args.prompt_column),
        (&mut columns.response, &args.response_column),
        (&mut columns.messages, &args.messages_column),
        (&mut columns.label, &args.label_column),
        (&mut columns.kind, &args.kind_column),
        (&mut columns.target, &args.target_column),
        (&mut columns.split, &args.split_column),
        (&mut columns.group, &args.group_column),
        (&mut columns.weight, &args.weight_column),
    ] {
        if from.is_some() {
            to.clone_from(from);
        }
    }
    source.format = args.format.or(source.format);
    source.deduplicate |= args.deduplicate;
    let mut table = BTreeMap::new();
    for pair in &args.label_map {
        let (value, meaning) = parse_pair("--label-map", pair)?;
        table.insert(value.to_owned(), meaning.parse::<Meaning>().map_err(Usage)?);
    }
    source.labels = source.labels.with(table);
    for pair in &args.kind_policy {
        let (kind, label) = parse_pair("--kind-policy", pair)?;
        let kind = Kind::from_name(kind).ok_or_else(|| {
            let kinds = Kind::ALL.map(Kind::name).join(", ");
            Usage(format!("--kind-policy {pair}: no kind is called `{kind}`; use one of {kinds}"))
        })?;
        let label = match label {
            "refused" => Some(Label::Refused),
            "complied" => Some(Label::Complied),
            "drop" => None,
            _ => return Err(Usage(format!("--kind-policy {pair}: use refused, complied or drop")).into()),
        };
        source.policy.set(kind, label);
    }
    Ok(source)
}

fn parse_pair<'a>(flag: &str, pair: &'a str) -> Result<(&'a str, &'a str), Usage> {
    // The value may hold a `=`, the meaning cannot.
    pair.rsplit_once('=').ok_or_else(|| Usage(format!("{flag} {pair}: write it as VALUE=MEANING")))
}
