//! What is loaded: the models by name, the keys, and the operator's phrases. A reload replaces all of it as
//! one value, so a request sees either the old or the new state.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, anyhow, bail, ensure};
use demur_predictor::encoder::Cascade;
use demur_predictor::{Bundled, Field, LoadOptions, Model, Phrases, PlacedTarget};

use crate::engine::base_rate;
use crate::engine::cascade::settle;
use crate::engine::judgement::phrases_of;
use crate::engine::lines;
use crate::engine::model_ref::ModelRef;
use crate::engine::models;
use crate::engine::placed;
use crate::engine::rules;
use crate::service::encoder_queue::EncoderQueue;
use crate::service::error::{ApiError, ErrorType};
use crate::service::keys::{Keys, read_text};
use crate::service::metrics::{Metrics, ModelMetrics};
use crate::service::settings::Settings;

/// A model that is served.
#[derive(Clone)]
pub(crate) struct Served {
    /// The name that requests choose it by.
    pub(crate) name: String,
    /// The model.
    pub(crate) model: Arc<Model>,
    /// What answers say of it.
    pub(crate) described: ModelRef,
    /// Its counters.
    pub(crate) metrics: ModelMetrics,
    /// When its n-gram tier answers alone, if the operator set that.
    pub(crate) cascade: Option<Cascade>,
    /// The queue of its encoder, if it has one.
    pub(crate) queue: Option<EncoderQueue>,
}

impl From<&Served> for ModelRef {
    fn from(served: &Served) -> Self {
        served.described.clone()
    }
}

/// The models of the settings under their names, and the bundled ones of the fields that none of these scores.
///
/// # Errors
/// When one cannot be loaded, or two have one name.
fn named(settings: &Settings) -> anyhow::Result<Vec<(String, Model)>> {
    let mut models: Vec<(String, Model)> = Vec::new();
    for spec in &settings.models {
        let (name, model) = load_model(spec, settings.load)?;
        ensure!(
            models.iter().all(|(other, _)| *other != name),
            "two models are called `{name}`; give one another name: --model NAME={spec}"
        );
        models.push((name, model));
    }
    for bundled in Bundled::ALL {
        if models.iter().all(|(_, model)| model.manifest().field != bundled.field()) {
            let name = bundled.name().to_owned();
            ensure!(
                models.iter().all(|(other, _)| *other != name),
                "the model `{name}` has the name of the bundled {}, which does something else; give it another",
                bundled.name()
            );
            models.push((name, models::bundled(bundled.field(), settings.load)?));
        }
    }
    Ok(models)
}

/// All that is loaded.
pub(crate) struct Registry {
    /// The models; the first of a field is its default.
    pub(crate) models: Vec<Served>,
    /// The keys; `None` if no key is required.
    pub(crate) keys: Option<Arc<Keys>>,
    /// The operator's phrases.
    pub(crate) phrases: Phrases,
    /// The learned lines that were found, by target and digest, whether or not they fit a model.
    pub(crate) lines: Vec<(String, String)>,
    /// The threads of the encoders.
    pub(crate) threads: Vec<JoinHandle<()>>,
}

impl Registry {
    /// Loads everything that the settings name.
    ///
    /// # Errors
    /// When any of it cannot be loaded.
    pub(crate) fn load(settings: &Settings, metrics: &Metrics) -> anyhow::Result<Self> {
        let mut models = named(settings)?;
        if let Some(rate) = settings.base_rate {
            let moved = |(name, model): (String, Model)| {
                let model =
                    if model.manifest().field == Field::Prompt { base_rate::at(model, rate)? } else { model };
                Ok((name, model))
            };
            models = models.into_iter().map(moved).collect::<anyhow::Result<_>>()?;
        }
        let models = placed::among(models, &settings.placed)?;
        let (models, lines) = learned(models, settings.learn_online.as_deref())?;
        let keys = settings.keys.as_deref().map(|path| Keys::read(path, settings.limits.rate));
        let read_phrases = |path: &Path| phrases_of(&read_text(path)?, path);
        let phrases = settings.phrases.as_deref().map(read_phrases).transpose();
        let phrases = phrases.context("cannot load the phrases")?.unwrap_or_default();
        let keys = keys.transpose().context("cannot load the keys")?;
        let cascades = cascades(settings, &models)?;
        // Now, for the first request would wait for it.
        for (name, model) in &models {
            let prepared = model.encoder().map_or(Ok(()), |(_, encoder)| encoder.prepare());
            prepared.with_context(|| format!("cannot load the encoder of `{name}`"))?;
        }
        // This comes last of the steps that can fail, because it starts threads.
        let (mut served, mut threads) = (Vec::new(), Vec::new());
        for ((name, model), cascade) in models.into_iter().zip(cascades) {
            let (model, mut queue) = (Arc::new(model), None);
            if model.encoder().is_some() {
                let of_encoder = metrics.of_encoder(&name);
                let started = EncoderQueue::start(Arc::clone(&model), settings.batching, of_encoder);
                let (started, thread) = started.context("cannot start the thread of an encoder")?;
                queue = Some(started);
                threads.push(thread);
            }
            let metrics = metrics.of_model(&name, model.manifest().field, queue.is_some());
            let described = ModelRef::named(name.clone(), &model);
            served.push(Served { name, model, described, metrics, cascade, queue });
        }
        let registry = Self { models: served, keys: keys.map(Arc::new), phrases, lines, threads };
        metrics.set_models(registry.loaded());
        Ok(registry)
    }

    /// The same with these learned lines in place of all others.
    pub(crate) fn with_lines(&self, lines: &[PlacedTarget]) -> Self {
        let with = |served: &Served| match served.model.manifest().field {
            Field::Prompt => Served { model: Arc::new(served.model.with_learned(lines)), ..served.clone() },
            Field::Response => served.clone(),
        };
        Self {
            models: self.models.iter().map(with).collect(),
            keys: self.keys.clone(),
            phrases: self.phrases.clone(),
            lines: lines::digests(lines),
            threads: Vec::new(),
        }
    }

    /// A registry with nothing in it.
    pub(crate) fn empty() -> Self {
        let (lines, threads) = (Vec::new(), Vec::new());
        Self { models: Vec::new(), keys: None, phrases: Phrases::default(), lines, threads }
    }

    /// The models by their names.
    pub(crate) fn loaded(&self) -> impl Iterator<Item = (&str, &Model)> {
        self.models.iter().map(|served| (served.name.as_str(), &*served.model))
    }

    /// How many inputs wait for the encoder of each model that has one.
    pub(crate) fn depths(&self) -> impl Iterator<Item = (&str, usize)> {
        self.models.iter().filter_map(|served| Some((served.name.as_str(), served.queue.as_ref()?.depth())))
    }

    /// The models of a field.
    pub(crate) fn of(&self, field: Field) -> impl Iterator<Item = &Served> {
        self.models.iter().filter(move |served| served.model.manifest().field == field)
    }

    /// The model with this name.
    pub(crate) fn named(&self, name: &str) -> Result<&Served, ApiError> {
        let found = self.models.iter().find(|served| served.name == name);
        found.ok_or_else(|| {
            ApiError::new(ErrorType::NotFound, "there is no such model; GET /v1/models lists them")
        })
    }

    /// The model that a request asks for: by name, or the first of the field that knows the target.
    ///
    /// # Errors
    /// When there is no such model; the error lists those that exist.
    pub(crate) fn choose(
        &self,
        field: Field,
        name: Option<&str>,
        target: Option<&str>,
    ) -> Result<&Served, ApiError> {
        let mut served =
            self.of(field).filter(|served| name.is_none_or(|name| served.name == name)).peekable();
        let Some(first) = served.peek().copied() else {
            let names = list(self.of(field).map(|served| served.name.as_str()));
            return Err(ApiError::invalid(
                "model",
                format!("there is no such {} model; there are {names}", field.name()),
            ));
        };
        let Some(target) = target else { return Ok(first) };
        served.find(|served| rules::knows(&served.model, target)).ok_or_else(|| {
            let served = self.of(field).filter(|served| name.is_none_or(|name| served.name == name));
            let models = served.map(|served| &*served.model);
            ApiError::invalid("target", rules::unknown_target(target, models, "GET /v1/models"))
        })
    }
}

/// Models with their names.
type Named = Vec<(String, Model)>;

/// Models with the lines that were learned for them in this folder, and the digests of these.
fn learned(models: Named, folder: Option<&Path>) -> anyhow::Result<(Named, Vec<(String, String)>)> {
    let Some(folder) = folder else { return Ok((models, Vec::new())) };
    let lines = lines::read(folder)?;
    for line in lines.iter().filter(|line| models.iter().all(|(_, model)| !model.fits(line))) {
        let (of, model) = (&line.name, &line.model.name);
        tracing::warn!(
            target: "demur", of, model,
            "a learned line is not used: its model, base rate or placed target is not the one that is served"
        );
    }
    let with = |(name, model): (String, Model)| match model.manifest().field {
        Field::Prompt => (name, model.with_learned(&lines)),
        Field::Response => (name, model),
    };
    Ok((models.into_iter().map(with).collect(), lines::digests(&lines)))
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Loads `[NAME=]DIR_OR_NAME`.
fn load_model(spec: &str, options: LoadOptions) -> anyhow::Result<(String, Model)> {
    // A path may contain `=`, so only a first part that does not look like a path is a name.
    let (name, place) = match spec.split_once('=') {
        Some((name, place)) if !name.contains(['/', '\\']) => (Some(name), place),
        _ => (None, spec),
    };
    let name = match name {
        Some("") => bail!("--model {spec}: the name before `=` is empty"),
        Some(name) => name.to_owned(),
        None => Path::new(place)
            .file_name()
            .map_or_else(|| place.to_owned(), |name| name.to_string_lossy().into_owned()),
    };
    let model = models::load(Path::new(place), options).with_context(|| format!("model `{name}`"))?;
    Ok((name, model))
}

/// The cascade of each model as the operator set it. If it is set, at least one model must have an encoder.
fn cascades(settings: &Settings, models: &[(String, Model)]) -> anyhow::Result<Vec<Option<Cascade>>> {
    if settings.cheap.is_some() || settings.cascade.is_some() {
        let any = models.iter().any(|(_, model)| model.encoder().is_some());
        ensure!(any, "--cheap and --cascade are about encoders, and no model has one that is loaded");
    }
    let of = |(name, model): &(String, Model)| {
        if model.encoder().is_none() {
            return Ok(None);
        }
        settle(model, settings.cheap, settings.cascade)
            .map_err(|(flag, reason)| anyhow!("--{flag}: model `{name}`: {reason}"))
    };
    models.iter().map(of).collect()
}
