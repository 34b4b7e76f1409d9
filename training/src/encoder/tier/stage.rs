//! Fitting an encoder tier: first the encoder or a head on its embeddings, then the second level over both
//! tiers.

use std::sync::Arc;

use demur_data::shuffled;
use demur_predictor::encoder::{
    BaseModel, EncoderManifest, EncoderTier, KnownInput, KnownInputs, Learned, Reads, unit,
};
use demur_predictor::{Field, Input, SeenPrompts, TrainingData};

use crate::encoder::distilled::DistilledRows;
use crate::encoder::params::EncoderParams;
use crate::encoder::task::{EncoderTask, NgramLevel};
use crate::encoder::tier::distil::{distilled, texts};
use crate::encoder::tier::fitted::FittedEncoder;
use crate::encoder::tier::head_fit::{EncoderFit, fit_head};
use crate::encoder::tier::head_kept::with_head;
use crate::encoder::tier::intermediate::learn;
use crate::encoder::tier::loaded::{LoadedEncoder, TrainedEncoder};
use crate::encoder::tier::stack::Levels;
use crate::encoder::tier::store::EncoderStore;
use crate::encoder::tier::tuning::tune;
use crate::error::TrainingError;
use crate::rows::seen;

/// An encoder tier without the parts that need the n-grams.
pub(crate) struct EncoderStage {
    reads: Reads,
    trained: Arc<TrainedEncoder>,
    fit: EncoderFit,
    /// What the n-grams will learn from it.
    distilled: Option<DistilledRows>,
    /// The files of these texts.
    distilled_from: Vec<TrainingData>,
}

impl EncoderStage {
    /// Fits what needs no n-grams: the encoder, or a head on its embeddings.
    ///
    /// # Errors
    /// [`TrainingError::Encoder`] when the base model is missing or cannot be run, and the errors of the
    /// fits.
    pub(crate) fn fit(
        params: &EncoderParams,
        task: &EncoderTask<'_, '_>,
        encoders: &EncoderStore,
    ) -> Result<Self, TrainingError> {
        let base = encoders.base(&params.base, &params.taps)?;
        let reads = reads(params, task.field);
        check_length(&base, &reads)?;
        // No text of this fit's corpus, in any of its parts, may be learned from other files.
        let corpus = task.examples.corpus.iter().filter_map(|input| input.prompt.or(input.response));
        let unseen = SeenPrompts::of(corpus).union(&params.withheld);
        let elsewhere = (params.folder.as_path(), &unseen);
        let texts = match &params.distil {
            None => None,
            Some(distil) => Some((texts(distil, elsewhere, task.field)?, distil.weight)),
        };
        let trained = match &params.intermediate {
            None => Arc::new(TrainedEncoder::untrained(base)),
            Some(intermediate) => learn(intermediate, elsewhere, (&reads, &base), task, encoders)?,
        };
        if let (Some(distil), Some(_)) = (&params.distil, &trained.loaded.fitted) {
            let wanted = "left out on an encoder that was fitted before: it needs the heads of folds";
            return Err(TrainingError::Parameter { name: "encoder.distil", value: distil.weight, wanted });
        }
        let (fit, of_folds) = match (&params.tune, &trained.loaded.fitted) {
            (Some(params), _) => (tune(params, task, &reads, &trained.loaded, encoders)?, Vec::new()),
            (None, Some(fitted)) => (with_head(fitted, task, &reads, &trained.loaded)?, Vec::new()),
            (None, None) => fit_head(&params.c, task, &reads, &trained)?,
        };
        let mut stage = Self { reads, trained, fit, distilled: None, distilled_from: Vec::new() };
        if let Some(((records, files), weight)) = texts {
            let heads = (&stage.fit.head, of_folds.as_slice());
            stage.distilled = Some(distilled(records, weight, heads, (&stage.fit.loaded, &stage.reads))?);
            stage.distilled_from = files;
        }
        Ok(stage)
    }

    /// What the n-grams will learn from it.
    pub(crate) const fn distilled(&self) -> Option<&DistilledRows> {
        self.distilled.as_ref()
    }

    /// The rows that a fitted encoder was held out of, with their folds: the n-grams must be judged on the
    /// same ones. Empty for an encoder that this fit makes.
    pub(crate) fn parts(&self) -> Vec<(usize, usize)> {
        self.fit.out_of_fold.iter().zip(&self.fit.parts).map(|(&(row, _), &fold)| (row, fold)).collect()
    }

    /// Fits the second level over both tiers.
    ///
    /// # Errors
    /// As for [`Self::fit`].
    pub(crate) fn join(
        self,
        params: &EncoderParams,
        task: &EncoderTask<'_, '_>,
        ngrams: &NgramLevel<'_>,
    ) -> Result<FittedEncoder, TrainingError> {
        let Self { reads, trained, fit, distilled, distilled_from } = self;
        // Of texts that it will not be asked of, it has nothing to say here either.
        let is_asked =
            |row: usize| reads.knows(&task.examples.inputs[row], params.latin_only, &params.languages);
        let levels = levels(task, ngrams, (&fit.out_of_fold, &fit.parts), is_asked)?;
        let stacked = levels.fit(params.stack, task.calibration, task.calibrate_targets)?;
        let known = known(params.known, task, &reads, &fit.loaded)?;
        let manifest = EncoderManifest {
            base: BaseModel {
                name: fit.loaded.name.clone(),
                licence: params.licence.clone(),
                sha256: fit.loaded.base_sha256.clone(),
            },
            tuned: params.tune.is_some()
                || trained.loaded.fitted.is_some()
                || params.intermediate.as_ref().is_some_and(|task| task.tune.is_some()),
            config: fit.loaded.config.clone(),
            reads,
            latin_only: params.latin_only,
            languages: params.languages.clone(),
            stack: stacked.stack,
            calibration: stacked.calibration.clone(),
            target_calibrations: stacked.target_calibrations.clone(),
            calibration_report: stacked.report.clone(),
            cascade: levels.cascade(ngrams.calibration, params.cheap),
            cascades: levels.cascades(ngrams.calibration, &stacked),
            direction: fit.described,
            known: known.inputs.len(),
        };
        let learned = Learned { head: fit.head, direction: fit.direction, known };
        let loaded = &fit.loaded;
        let encoder = (Arc::clone(&loaded.encoder), &loaded.weights, loaded.vocabulary.clone());
        Ok(FittedEncoder {
            tier: EncoderTier::new(&manifest, encoder, learned)?,
            manifest,
            training: [trained.training.as_slice(), &distilled_from].concat(),
            seen: distilled
                .map_or_else(SeenPrompts::default, |rows| seen(&rows.records))
                .union(&trained.seen),
            loaded: Arc::clone(loaded),
        })
    }
}

/// What the tier reads; the default depends on the field that is classified.
fn reads(params: &EncoderParams, field: Field) -> Reads {
    params.reads.unwrap_or(match field {
        Field::Prompt => Reads::Prompt { tokens: 128 },
        Field::Response => Reads::Both { tokens: 128, prompt_tokens: 48 },
    })
}

/// Inputs of the fit to name in explanations: equally many of each class, drawn with the seed.
fn known(
    count: usize,
    task: &EncoderTask<'_, '_>,
    reads: &Reads,
    encoder: &LoadedEncoder,
) -> Result<KnownInputs, TrainingError> {
    let examples = task.examples;
    let labels = examples.labels();
    let (mut of_class, mut chosen) = ([0, 0], Vec::new());
    for row in shuffled(examples.len(), task.seed) {
        let found = &mut of_class[usize::from(labels[row])];
        if examples.weights[row] > 0.0 && *found < count.div_ceil(2) && chosen.len() < count {
            *found += 1;
            chosen.push(row);
        }
    }
    chosen.sort_unstable();
    let inputs: Vec<Input<'_>> = chosen.iter().map(|&row| examples.inputs[row]).collect();
    let embeddings = encoder.embed(reads, &inputs)?;
    let name = |&row: &usize| KnownInput {
        text: task.field.of(&examples.inputs[row]).unwrap_or_default().to_owned(),
        p_refusal: examples.truth[row],
    };
    Ok(KnownInputs {
        inputs: chosen.iter().map(name).collect(),
        embeddings: embeddings.chunks_exact(encoder.config.width()).flat_map(unit).collect(),
    })
}

/// Checks that the encoder can read that many tokens.
fn check_length(encoder: &LoadedEncoder, reads: &Reads) -> Result<(), TrainingError> {
    let (Reads::Prompt { tokens } | Reads::Response { tokens } | Reads::Both { tokens, .. }) = *reads;
    if tokens > encoder.config.most_tokens() {
        let (name, value) = ("encoder.reads.tokens", tokens as f64);
        return Err(TrainingError::Parameter { name, value, wanted: "at most what the base model can read" });
    }
    Ok(())
}

/// The out-of-fold logits of both tiers side by side, of the rows that the encoder is asked of.
fn levels<'e>(
    task: &EncoderTask<'_, 'e>,
    ngrams: &NgramLevel<'_>,
    (of_encoder, parts): (&[(usize, f64)], &[usize]),
    is_asked: impl Fn(usize) -> bool,
) -> Result<Levels<'e>, TrainingError> {
    let asked: Vec<usize> = (0..of_encoder.len()).filter(|&at| is_asked(of_encoder[at].0)).collect();
    let (rows, of_encoder): (Vec<usize>, Vec<f64>) = asked.iter().map(|&at| of_encoder[at]).unzip();
    let examples = task.examples.subset(&rows);
    let folds = match parts {
        [] => task.calibrate_on.folds(&examples, task.folds, task.seed)?,
        parts => asked.iter().map(|&at| parts[at]).collect(),
    };
    let scores = task.calibrate_on.scores(&examples, Vec::new(), folds.clone());
    let of_level = |&row: &usize| examples.is_of(row, task.level_sources);
    let level_rows = (0..rows.len()).filter(of_level).collect();
    Ok(Levels {
        level_rows,
        by_parts: !parts.is_empty(),
        ngrams: rows.iter().map(|&row| ngrams.logits[row]).collect(),
        encoder: of_encoder,
        clusters: scores.clusters,
        source_folds: scores.source_folds,
        folds,
        sources: task.intervals.sources(&examples),
        spreads: ngrams.spreads.to_vec(),
        targets: examples.inputs.iter().map(|input| input.target).collect(),
        truth: examples.truth.clone(),
        weights: examples.weights.clone(),
        level: task.base_rate.map(|base_rate| (base_rate, examples)),
    })
}
