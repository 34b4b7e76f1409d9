//! Resolves which data to read and how: first the recipe, then the flags, which override it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use demur_data::{Kind, Label, Meaning, Record};
use demur_predictor::Field;
use demur_training::{DataSource, Deduplicate, LeftOutFacet, Recipe, SourceRows};
use serde::Deserialize;

use crate::cli::args::{DataArgs, FacetArg, FieldArg, RecipeArgs};
use crate::cli::terminal::{say_sources, waiting};
use crate::engine::Usage;
use crate::engine::claims;

impl From<FieldArg> for Field {
    fn from(field: FieldArg) -> Self {
        match field {
            FieldArg::Response => Self::Response,
            FieldArg::Prompt => Self::Prompt,
        }
    }
}

impl From<FacetArg> for LeftOutFacet {
    fn from(facet: FacetArg) -> Self {
        match facet {
            FacetArg::Source => Self::Source,
            FacetArg::Target => Self::Target,
        }
    }
}

/// The recipe that the flags name; else the starter recipe, without its sources.
pub(crate) fn recipe(args: &RecipeArgs) -> anyhow::Result<Recipe> {
    let Some(path) = &args.recipe else {
        let path = Path::new("starter.toml");
        let mut recipe = Recipe::parse(demur_training::STARTER_RECIPE, path, &args.settings.set)?;
        recipe.labelled.clear();
        return Ok(recipe);
    };
    let mut recipe = Recipe::load(path, &args.settings.set)?;
    recipe.look_in(&folder(Some(path), args.data_dir.as_deref()));
    Ok(recipe)
}

/// The folder that a recipe's file names are relative to: the given one, or the recipe's own.
pub(crate) fn folder(recipe: Option<&Path>, data_dir: Option<&Path>) -> PathBuf {
    data_dir.or_else(|| recipe?.parent()).unwrap_or_else(|| Path::new("")).to_owned()
}

/// Labelled sources for a command.
pub(crate) struct Labelled {
    /// The sources with paths on this machine.
    pub(crate) read: Vec<DataSource>,
    /// The same for the manifest: without the folders of this machine.
    pub(crate) told: Vec<DataSource>,
}

/// The labelled files of the flags, read like the recipe's source if it has just one; without such files, the
/// recipe's labelled sources. Flags override both.
pub(crate) fn labelled(
    files: &[PathBuf],
    args: &DataArgs,
    recipe: &Recipe,
    recipe_args: &RecipeArgs,
) -> anyhow::Result<Labelled> {
    claims::spare_redirected(files)?;
    if files.is_empty() {
        let told =
            recipe.labelled.iter().map(|from| source(args, from.clone())).collect::<Result<Vec<_>, _>>()?;
        if told.iter().all(|source| source.files.is_empty()) {
            let none =
                "name the labelled rows (evaluate FILE, fit --data FILE), or a recipe that does (--recipe)";
            return Err(Usage(none.to_owned()).into());
        }
        let folder = folder(recipe_args.recipe.as_deref(), recipe_args.data_dir.as_deref());
        return Ok(Labelled { read: told.iter().map(|source| source.within(&folder)).collect(), told });
    }
    let like = match recipe.labelled.as_slice() {
        // The source's reading options apply to these files, but its weights, limits and labeller do not.
        [one] => DataSource {
            name: None,
            limit: None,
            weight: 1.0,
            prompt_weight: None,
            labelled_by: None,
            licence: None,
            ..one.clone()
        },
        _ => DataSource::default(),
    };
    let read = DataSource { files: files.to_vec(), ..source(args, like)? };
    let name = |file: &PathBuf| file.file_name().map_or_else(|| file.clone(), PathBuf::from);
    let told = DataSource { files: files.iter().map(name).collect(), ..read.clone() };
    Ok(Labelled { read: vec![read], told: vec![told] })
}

/// Files that are read without a recipe.
pub(crate) fn files(files: &[PathBuf], args: &DataArgs) -> anyhow::Result<DataSource> {
    claims::spare_redirected(files)?;
    source(args, DataSource::of(files.to_vec()))
}

/// Overrides a source by the flags.
pub(crate) fn source(args: &DataArgs, source: DataSource) -> anyhow::Result<DataSource> {
    let mut source = source;
    let columns = &mut source.columns;
    for (to, from) in [
        (&mut columns.prompt, &args.texts.prompt_column),
        (&mut columns.response, &args.texts.response_column),
        (&mut columns.messages, &args.texts.messages_column),
        (&mut columns.label, &args.label_column),
        (&mut columns.kind, &args.kind_column),
        (&mut columns.target, &args.target_column),
        (&mut columns.system, &args.system_column),
        (&mut columns.category, &args.category_column),
        (&mut columns.split, &args.split_column),
        (&mut columns.group, &args.group_column),
        (&mut columns.weight, &args.weight_column),
    ] {
        if from.is_some() {
            to.clone_from(from);
        }
    }
    source.format = args.format.or(source.format);
    args.opening.override_in(&mut source.opening);
    source.labelled_by = args.labelled_by.or(source.labelled_by);
    if args.deduplicate {
        source.deduplicate = Deduplicate::Prompt;
    }
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
    // The value may contain `=`, but the meaning cannot.
    pair.rsplit_once('=').ok_or_else(|| Usage(format!("{flag} {pair}: write it as VALUE=MEANING")))
}

/// The content of an `--unseen` file: sources that no fit may use.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unseen {
    unseen: Vec<DataSource>,
}

/// Reads the rows that no fit may see.
///
/// # Errors
/// When the file is not valid, or its rows cannot be read.
pub(crate) fn unseen(path: &Path, data_dir: Option<&Path>, field: Field) -> anyhow::Result<Vec<Record>> {
    let name = || format!("--unseen {}", path.display());
    let text = fs::read_to_string(path).with_context(name)?;
    let Unseen { unseen } = toml::from_str(&text).with_context(name)?;
    let folder = folder(Some(path), data_dir);
    let sources: Vec<DataSource> = unseen.iter().map(|source| source.within(&folder)).collect();
    sources.iter().try_for_each(DataSource::check).with_context(name)?;
    let rows = waiting("reading", || SourceRows::labelled(&sources, field)).with_context(name)?;
    say_sources("unseen rows", &rows, &[field]);
    Ok(rows.records(field))
}
