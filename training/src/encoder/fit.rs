//! Fitting an encoder tier: embeddings and head, or the encoder itself, then the second level over both tiers.

use std::sync::Arc;

use demur_data::{Record, shuffled};
use demur_predictor::encoder::{
    BaseModel, DirectionManifest, EncoderManifest, EncoderTier, Head, KnownInput, KnownInputs, Learned,
    Reads, unit,
};
use demur_predictor::{Calibration, Field, Input, SeenPrompts, TrainingData, sigmoid};
use rayon::prelude::*;

use crate::encoder::direction::RefusalDirection;
use crate::encoder::distil::{Lesson, texts};
use crate::encoder::head::{HeadRows, by_source, folded, matrix, taught, teacher};
use crate::encoder::intermediate::{Learnt, learn};
use crate::encoder::params::EncoderParams;
use crate::encoder::stack::Levels;
use crate::encoder::tuned::tune;
use crate::encoder::workshop::{Bench, Workshop};
use crate::error::TrainingError;
use crate::examples::{Examples, input};
use crate::fit::calibrate::{CalibrateOn, CalibrationMethod, OutOfFold};
use crate::fit::logistic::ClassWeight;
use crate::fit::second_level::Line;
use crate::train::seen;

/// What the fit of an encoder tier is given by the fit around it.
pub(crate) struct Task<'a, 'e> {
    pub(crate) examples: &'a Examples<'e>,
    /// The column that is judged.
    pub(crate) field: Field,
    pub(crate) folds: usize,
    pub(crate) class_weight: ClassWeight,
    pub(crate) calibration: CalibrationMethod,
    pub(crate) calibrate_on: CalibrateOn,
    pub(crate) calibrate_targets: bool,
    pub(crate) seed: u64,
}

/// A fitted encoder tier.
#[derive(Debug, Clone)]
pub struct FittedEncoder {
    /// What the manifest says of it.
    pub manifest: EncoderManifest,
    /// The tier.
    pub tier: EncoderTier,
    /// Mean log loss of each C of the head in the inner cross-validation; empty where the encoder itself was fitted.
    pub choice: Vec<(f64, f64)>,
    /// The files of the intermediate task.
    pub training: Vec<TrainingData>,
    /// The prompts of the intermediate task.
    pub seen: SeenPrompts,
    bench: Arc<Bench>,
}

impl FittedEncoder {
    /// P(refusal) of inputs of which the n-gram tier's logits and probabilities are known.
    pub(crate) fn probabilities(
        &self,
        inputs: &[Input<'_>],
        ngrams: &[f64],
        mut p: Vec<f64>,
    ) -> Result<Vec<f64>, TrainingError> {
        let manifest = &self.manifest;
        let asked: Vec<usize> = (0..p.len()).filter(|&row| !manifest.cascade.is_cheap(p[row])).collect();
        let texts: Vec<Input<'_>> = asked.iter().map(|&row| inputs[row]).collect();
        let embeddings = self.bench.embed(&manifest.reads, &texts)?;
        for (&row, embedding) in asked.iter().zip(embeddings.chunks_exact(manifest.config.width())) {
            let logit = manifest.stack.logit(ngrams[row], self.tier.learned().head.logit(embedding));
            p[row] = manifest.calibrated(logit, inputs[row].target).get();
        }
        Ok(p)
    }
}

/// A tier but for what it needs the n-grams for.
pub(crate) struct Upper {
    reads: Reads,
    learnt: Arc<Learnt>,
    topped: Topped,
    /// What the n-grams are to learn from it.
    pub(crate) lesson: Option<Lesson>,
}

/// What stands between an encoder and the second level.
pub(crate) struct Topped {
    pub(crate) bench: Arc<Bench>,
    pub(crate) head: Head,
    /// Out-of-fold logits with the numbers of their rows.
    pub(crate) out_of_fold: Vec<(usize, f64)>,
    pub(crate) direction: Vec<f32>,
    pub(crate) described: DirectionManifest,
    pub(crate) choice: Vec<(f64, f64)>,
}

impl EncoderParams {
    /// What the tier reads where the recipe leaves it open.
    pub(crate) fn reads(&self, field: Field) -> Reads {
        self.reads.unwrap_or(match field {
            Field::Prompt => Reads::Prompt { tokens: 128 },
            Field::Response => Reads::Both { tokens: 128, prompt_tokens: 48 },
        })
    }

    /// Fits what needs no n-grams: the encoder, or a head on its embeddings.
    ///
    /// # Errors
    /// [`TrainingError::Encoder`] when there is no such base model or it cannot be run, and those of the fits.
    pub(crate) fn upper(&self, task: &Task<'_, '_>) -> Result<Upper, TrainingError> {
        let base = Workshop::shared().base(&self.base, &self.taps)?;
        let reads = self.reads(task.field);
        fits(&base, &reads)?;
        // What the corpus of this fit holds, in whichever of its parts, must not be seen in other places.
        let corpus = task.examples.corpus.iter().filter_map(|input| input.prompt.or(input.response));
        let unseen = SeenPrompts::of(corpus).union(&self.withheld);
        let elsewhere = (self.folder.as_path(), &unseen);
        let texts = match &self.distil {
            None => None,
            Some(distil) => Some((texts(distil, elsewhere, task.field)?, distil.weight)),
        };
        let learnt = match &self.intermediate {
            None => Arc::new(Learnt::nothing(base)),
            Some(intermediate) => learn(intermediate, elsewhere, &base, &reads, task)?,
        };
        let (topped, of_folds) = match &self.tune {
            Some(params) => (tune(params, task, &reads, &learnt)?, Vec::new()),
            None => self.top(task, &reads, &learnt)?,
        };
        let see = |(texts, weight)| lesson(texts, weight, (&topped.head, &of_folds), (&topped.bench, &reads));
        let lesson = texts.map(see).transpose()?;
        Ok(Upper { reads, learnt, topped, lesson })
    }

    /// Fits the second level over both tiers: on out-of-fold logits of the n-grams, which a calibration makes P(refusal) of.
    ///
    /// # Errors
    /// As for [`Self::upper`].
    pub(crate) fn join(
        &self,
        task: &Task<'_, '_>,
        upper: Upper,
        (ngrams, of_ngrams): (&[f64], &Calibration),
    ) -> Result<FittedEncoder, TrainingError> {
        let Upper { reads, learnt, topped, lesson } = upper;
        let levels = levels(task, ngrams, &topped.out_of_fold)?;
        let stacked = levels.fit(self.stack, task.calibration, task.calibrate_targets)?;
        let known = self.known(task, &reads, &topped.bench)?;
        let manifest = EncoderManifest {
            base: BaseModel {
                name: topped.bench.name.clone(),
                licence: self.licence.clone(),
                sha256: topped.bench.base_sha256.clone(),
            },
            tuned: self.tune.is_some() || self.intermediate.as_ref().is_some_and(|task| task.tune.is_some()),
            config: topped.bench.config.clone(),
            reads,
            stack: stacked.stack,
            calibration: stacked.calibration.clone(),
            target_calibrations: stacked.target_calibrations.clone(),
            calibration_report: stacked.report.clone(),
            cascade: levels.cascade(of_ngrams, self.cheap),
            cascades: levels.cascades(of_ngrams, &stacked),
            direction: topped.described,
            known: known.inputs.len(),
        };
        let learned = Learned { head: topped.head, direction: topped.direction, known };
        let bench = &topped.bench;
        let encoder = (Arc::clone(&bench.encoder), &bench.weights, bench.vocabulary.clone());
        Ok(FittedEncoder {
            tier: EncoderTier::new(&manifest, encoder, learned)?,
            manifest,
            choice: topped.choice,
            training: [learnt.training.as_slice(), lesson.as_ref().map_or(&[], |lesson| &lesson.training)]
                .concat(),
            seen: lesson
                .map_or_else(SeenPrompts::default, |lesson| seen(&lesson.records))
                .union(&learnt.seen),
            bench: Arc::clone(bench),
        })
    }

    /// Leaves the encoder as it is and fits a head on its embeddings; and one for each fold that has not seen its rows.
    fn top(
        &self,
        task: &Task<'_, '_>,
        reads: &Reads,
        learnt: &Learnt,
    ) -> Result<(Topped, Vec<Head>), TrainingError> {
        let examples = task.examples;
        let width = learnt.bench.config.width();
        let embeddings = learnt.bench.embed(reads, &examples.inputs)?;
        let (own, machine) = taught(examples);
        let mut heads = learnt.heads.clone();
        let plain = matrix(&embeddings, width, &[]);
        for rows in by_source(examples, &machine) {
            heads.push(teacher(&plain, examples, &rows)?);
        }
        let scores: Vec<Vec<f64>> = heads
            .iter()
            .map(|head| embeddings.chunks_exact(width).map(|embedding| head.logit(embedding)).collect())
            .collect();
        let x = matrix(&embeddings, width, &scores);
        let rows =
            HeadRows { x: &x, targets: &examples.targets, weights: &examples.weights, scores: scores.len() };
        // Those of the n-grams: what these learn of the head of a fold must not have seen its rows either.
        let folds = task.calibrate_on.folds(examples, task.folds, task.seed)?;
        let mut tried = Vec::with_capacity(self.c.len());
        for &c in &self.c {
            let (logits, lines) = out_of_fold(&rows, (&own, &folds), (c, task.class_weight))?;
            let of = |numbers: &[f64]| own.iter().map(|&row| numbers[row]).collect();
            let scores = OutOfFold {
                logits: of(&logits),
                truth: of(&examples.truth),
                weights: of(&examples.weights),
                ..OutOfFold::default()
            };
            tried.push((c, scores.log_loss(&scores.plain()), logits, lines));
        }
        let choice = tried.iter().map(|&(c, loss, ..)| (c, loss)).collect();
        tried.sort_by(|a, b| a.1.total_cmp(&b.1));
        // A recipe has at least one C.
        let (c, _, logits, lines) = tried.swap_remove(0);
        let line = rows.fit(&own, c, task.class_weight)?;
        let labels = examples.labels();
        let (direction, described) = described(&embeddings, width, (&own, &folds, &labels), &logits)?;
        let topped = Topped {
            bench: Arc::clone(&learnt.bench),
            head: folded(&line, &heads, width),
            out_of_fold: own.into_iter().map(|row| (row, logits[row])).collect(),
            direction,
            described,
            choice,
        };
        Ok((topped, lines.iter().map(|line| folded(line, &heads, width)).collect()))
    }

    /// Inputs of the fit to name in explanations: as many of each class, drawn by the seed.
    fn known(&self, task: &Task<'_, '_>, reads: &Reads, bench: &Bench) -> Result<KnownInputs, TrainingError> {
        let examples = task.examples;
        let labels = examples.labels();
        let (mut of_class, mut chosen) = ([0, 0], Vec::new());
        for row in shuffled(examples.len(), task.seed) {
            let count = &mut of_class[usize::from(labels[row])];
            if examples.weights[row] > 0.0 && *count < self.known.div_ceil(2) && chosen.len() < self.known {
                *count += 1;
                chosen.push(row);
            }
        }
        chosen.sort_unstable();
        let inputs: Vec<Input<'_>> = chosen.iter().map(|&row| examples.inputs[row]).collect();
        let embeddings = bench.embed(reads, &inputs)?;
        let name = |&row: &usize| KnownInput {
            text: task.field.of(&examples.inputs[row]).unwrap_or_default().to_owned(),
            p_refusal: examples.truth[row],
        };
        Ok(KnownInputs {
            inputs: chosen.iter().map(name).collect(),
            embeddings: embeddings.chunks_exact(bench.config.width()).flat_map(unit).collect(),
        })
    }
}

/// Whether the encoder can read so many tokens.
fn fits(bench: &Bench, reads: &Reads) -> Result<(), TrainingError> {
    let (Reads::Prompt { tokens } | Reads::Response { tokens } | Reads::Both { tokens, .. }) = *reads;
    if tokens > bench.config.most_tokens() {
        let (name, value) = ("encoder.reads.tokens", tokens as f64);
        return Err(TrainingError::Parameter { name, value, wanted: "at most what the base model can read" });
    }
    Ok(())
}

/// What the n-grams learn: the texts of a lesson as the heads of all rows and of each fold see them.
fn lesson(
    (records, training): (Vec<Record>, Vec<TrainingData>),
    weight: f64,
    (whole, of_folds): (&Head, &[Head]),
    (bench, reads): (&Bench, &Reads),
) -> Result<Lesson, TrainingError> {
    let inputs: Vec<Input<'_>> = records.iter().map(input).collect();
    let embeddings = bench.embed(reads, &inputs)?;
    let by = |head: &Head| -> Vec<f64> {
        embeddings.chunks_exact(bench.config.width()).map(|row| sigmoid(head.logit(row))).collect()
    };
    let (whole, by_fold) = (by(whole), of_folds.iter().map(by).collect());
    Ok(Lesson { records, weight, whole, by_fold, training })
}

/// The logit of each row by a head that has not seen its group, and those heads, by fold.
fn out_of_fold(
    rows: &HeadRows<'_>,
    (own, folds): (&[usize], &[usize]),
    (c, class_weight): (f64, ClassWeight),
) -> Result<(Vec<f64>, Vec<Line>), TrainingError> {
    let count = folds.iter().max().map_or(0, |last| last + 1);
    let score = |fold| {
        let (test, train): (Vec<usize>, Vec<usize>) = own.iter().partition(|&&row| folds[row] == fold);
        let line = rows.fit(&train, c, class_weight)?;
        let logits: Vec<f64> = test.iter().map(|&row| line.at(rows.x.row(row))).collect();
        Ok((test, logits, line))
    };
    let parts: Vec<(Vec<usize>, Vec<f64>, Line)> =
        (0..count).into_par_iter().map(score).collect::<Result<_, TrainingError>>()?;
    let (mut logits, mut lines) = (vec![0.0; folds.len()], Vec::with_capacity(parts.len()));
    for (test, of_test, line) in parts {
        test.into_iter().zip(of_test).for_each(|(row, logit)| logits[row] = logit);
        lines.push(line);
    }
    Ok((logits, lines))
}

/// The refusal direction of all rows, and how well that of the others tells the rows of each fold.
fn described(
    embeddings: &[f32],
    width: usize,
    (own, folds, labels): (&[usize], &[usize], &[bool]),
    head: &[f64],
) -> Result<(Vec<f32>, DirectionManifest), TrainingError> {
    let of = |rows: &[usize]| RefusalDirection::of(embeddings, width, rows, labels);
    let mut projections = vec![0.0; labels.len()];
    for fold in 0..own.iter().map(|&row| folds[row] + 1).max().unwrap_or_default() {
        let (test, train): (Vec<usize>, Vec<usize>) = own.iter().partition(|&&row| folds[row] == fold);
        let direction = of(&train)?;
        for row in test {
            projections[row] = direction.deviations(&embeddings[row * width..(row + 1) * width]);
        }
    }
    Ok(of(own)?.described(own, (&projections, head), labels))
}

/// The out-of-fold logits of both tiers side by side.
fn levels<'e>(
    task: &Task<'_, 'e>,
    ngrams: &[f64],
    of_encoder: &[(usize, f64)],
) -> Result<Levels<'e>, TrainingError> {
    let rows: Vec<usize> = of_encoder.iter().map(|&(row, _)| row).collect();
    let examples = task.examples.subset(&rows);
    let folds = task.calibrate_on.folds(&examples, task.folds, task.seed)?;
    let scores = task.calibrate_on.scores(&examples, Vec::new(), folds.clone());
    Ok(Levels {
        ngrams: rows.iter().map(|&row| ngrams[row]).collect(),
        encoder: of_encoder.iter().map(|&(_, logit)| logit).collect(),
        clusters: scores.clusters,
        source_folds: scores.source_folds,
        folds,
        targets: examples.inputs.iter().map(|input| input.target).collect(),
        truth: examples.truth,
        weights: examples.weights,
    })
}
