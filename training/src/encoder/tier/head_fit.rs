//! A head on the embeddings of an unchanged encoder, and one head per fold that has not seen the rows of that
//! fold.

use std::sync::Arc;

use demur_predictor::encoder::{DirectionManifest, Head, Reads};
use rayon::prelude::*;

use crate::encoder::task::EncoderTask;
use crate::encoder::tier::direction::RefusalDirection;
use crate::encoder::tier::head::{HeadRows, by_source, folded, matrix, taught, teacher};
use crate::encoder::tier::loaded::{LoadedEncoder, TrainedEncoder};
use crate::error::TrainingError;
use crate::fit::calibrate::OutOfFold;
use crate::fit::logistic::ClassWeight;
use crate::fit::second_level::LinearModel;

/// The result that connects the n-grams and the second level: an encoder with its head.
pub(crate) struct EncoderFit {
    pub(crate) loaded: Arc<LoadedEncoder>,
    pub(crate) head: Head,
    /// Out-of-fold logits with their row numbers.
    pub(crate) out_of_fold: Vec<(usize, f64)>,
    /// For an encoder that was fitted before: the fold of each of these rows, in which whole files and
    /// sources were held out. Empty otherwise.
    pub(crate) parts: Vec<usize>,
    pub(crate) direction: Vec<f32>,
    pub(crate) described: DirectionManifest,
}

/// Leaves the encoder unchanged and fits a head on its embeddings, and one per fold that has not seen that
/// fold's rows.
pub(crate) fn fit_head(
    cs: &[f64],
    task: &EncoderTask<'_, '_>,
    reads: &Reads,
    trained: &TrainedEncoder,
) -> Result<(EncoderFit, Vec<Head>), TrainingError> {
    let examples = task.examples;
    let width = trained.loaded.config.width();
    let embeddings = trained.loaded.embed(reads, &examples.inputs)?;
    let (own, machine) = taught(examples);
    let mut heads = trained.heads.clone();
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
    // The folds of the n-grams: what these learn from the head of a fold must not have seen that fold's rows
    // either.
    let folds = task.calibrate_on.folds(examples, task.folds, task.seed)?;
    let Chosen { c, logits, lines } = choose(cs, (&rows, &own, &folds), task)?;
    let line = rows.fit(&own, c, task.class_weight)?;
    let labels = examples.labels();
    let (direction, described) = described(&embeddings, width, (&own, &folds, &labels), &logits)?;
    let fit = EncoderFit {
        loaded: Arc::clone(&trained.loaded),
        head: folded(&line, &heads, width),
        out_of_fold: own.into_iter().map(|row| (row, logits[row])).collect(),
        parts: Vec::new(),
        direction,
        described,
    };
    Ok((fit, lines.iter().map(|line| folded(line, &heads, width)).collect()))
}

/// The C with the least loss on rows that its heads have not seen.
struct Chosen {
    c: f64,
    logits: Vec<f64>,
    /// The head of each fold.
    lines: Vec<LinearModel>,
}

fn choose(
    cs: &[f64],
    (rows, own, folds): (&HeadRows<'_>, &[usize], &[usize]),
    task: &EncoderTask<'_, '_>,
) -> Result<Chosen, TrainingError> {
    let mut tried = Vec::with_capacity(cs.len());
    for &c in cs {
        let (logits, lines) = out_of_fold(rows, (own, folds), (c, task.class_weight))?;
        let of = |numbers: &[f64]| own.iter().map(|&row| numbers[row]).collect();
        let scores = OutOfFold {
            logits: of(&logits),
            truth: of(&task.examples.truth),
            weights: of(&task.examples.weights),
            ..OutOfFold::default()
        };
        tried.push((scores.log_loss(&scores.plain()), Chosen { c, logits, lines }));
    }
    tried.sort_by(|a, b| a.0.total_cmp(&b.0));
    // A recipe has at least one C.
    Ok(tried.swap_remove(0).1)
}

/// The logit of each row by a head that has not seen its group, and those heads, one per fold.
fn out_of_fold(
    rows: &HeadRows<'_>,
    (own, folds): (&[usize], &[usize]),
    (c, class_weight): (f64, ClassWeight),
) -> Result<(Vec<f64>, Vec<LinearModel>), TrainingError> {
    let count = folds.iter().max().map_or(0, |last| last + 1);
    let score = |fold| {
        let (test, train): (Vec<usize>, Vec<usize>) = own.iter().partition(|&&row| folds[row] == fold);
        let line = rows.fit(&train, c, class_weight)?;
        let logits: Vec<f64> = test.iter().map(|&row| line.at(rows.x.row(row))).collect();
        Ok((test, logits, line))
    };
    let parts: Vec<(Vec<usize>, Vec<f64>, LinearModel)> =
        (0..count).into_par_iter().map(score).collect::<Result<_, TrainingError>>()?;
    let (mut logits, mut lines) = (vec![0.0; folds.len()], Vec::with_capacity(parts.len()));
    for (test, of_test, line) in parts {
        test.into_iter().zip(of_test).for_each(|(row, logit)| logits[row] = logit);
        lines.push(line);
    }
    Ok((logits, lines))
}

/// The refusal direction of all rows. For its figures, each fold's rows are separated by the direction of the
/// other rows.
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
