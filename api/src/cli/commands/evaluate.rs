//! `demur evaluate`: figures on rows that the model has not seen, for a person or as JSON.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::bail;
use demur_data::{Labeller, Record, assign_holdout, rejected_path, write_rejected};
use demur_predictor::{Field, Model, Phrases, SeenPrompts};
use demur_training::{
    CrossValidation, Decisions, EvaluatedAnswers, Evaluation, Examples, Grouping, Ranking, Recipe, Scored,
    SourceRows, evaluate_answers, evaluate_model, identity, judge_holdout, may_judge,
};
use serde_json::json;

use crate::cli::args::Evaluate;
use crate::cli::commands::by_facet;
use crate::cli::commands::doubts;
use crate::cli::commands::leave_one_out::{self, figure};
use crate::cli::sources;
use crate::cli::terminal::{self, Bars, note, say_sources, waiting};
use crate::engine::Usage;
use crate::engine::claims::{self, OutputPath};
use crate::engine::models;

/// Rows that are counted apart from the others.
#[derive(Debug, Clone, Copy, Default)]
struct CountedApart {
    /// Rows whose prompts the fit has seen.
    seen: usize,
    /// Whether those are judged all the same.
    judged: bool,
    /// Rows without an answer.
    no_answer: usize,
}

impl CountedApart {
    /// Logs the rows that do not count in the figures, and why.
    fn say(self) {
        let Self { seen, judged, no_answer } = self;
        if seen > 0 {
            let done = if judged { "judged all the same (--allow-overlap)" } else { "left out" };
            note(&format!("overlap: {seen} rows have prompts that the fit has seen; {done}"));
        }
        if no_answer > 0 {
            note(&format!(
                "no answer {no_answer}: an outage, a limit or nothing at all; these rows are not judged"
            ));
        }
    }
}

pub(crate) fn run(args: &Evaluate) -> anyhow::Result<()> {
    let asked = args.field.map(Field::from);
    let model = chosen(args, asked)?.map(|model| args.placed.of(model)).transpose()?;
    let field = match (&model, asked) {
        (Some(model), Some(asked)) if model.manifest().field != asked => {
            let is = model.manifest().field.name();
            return Err(Usage(format!("--field {}: the model judges the {is}", asked.name())).into());
        }
        (Some(model), _) => model.manifest().field,
        // clap requires --field with every method that measures a recipe.
        (None, asked) => asked.ok_or_else(|| Usage("say --field prompt or --field response".to_owned()))?,
    };
    let phrases = args.phrases.read_for(if args.judges_a_recipe() { Field::Prompt } else { field })?;
    let recipe = sources::recipe(&args.recipe)?;
    // Rows whose kind implies no label are kept only if the model or recipe distinguishes kinds.
    let told_apart = match &model {
        Some(model) => model.kinds().is_some(),
        None => recipe.fit_of(field).kinds.is_some(),
    };
    let records = read(args, field, &recipe, told_apart)?;
    if let Some(facet) = args.leave_one_out {
        return leave_one_out::run(args, facet.into(), field, &recipe, records);
    }
    let records = measured(records)?;
    let confounds = args.confounds.then(|| {
        let examples = Examples::of(&records, &vec![0; records.len()]);
        demur_training::confounds(&examples, field)
    });
    let (evaluation, apart) = match &model {
        Some(model) => judge_model((args, &phrases), model, records, recipe.seed)?,
        None => judge_recipe(args, field, &recipe, records)?,
    };
    apart.say();
    let shown = "--leave-one-out source shows it, --confounds what betrays a source";
    warn_of_sources(evaluation.ranking(), shown);
    if args.json {
        let mut json = evaluation.to_json();
        json["overlap"] = json!({ "rows": apart.seen, "judged": apart.judged });
        if field == Field::Response {
            json["no_answer"] = json!(apart.no_answer);
        }
        if let Some(confounds) = &confounds {
            json["confounds"] = json!(confounds);
        }
        return terminal::json(&json);
    }
    let mut out = table(&evaluation)?;
    out += &by_facet::table(&evaluation)?;
    if let Some(confounds) = &confounds {
        out += &doubts::confounds_table(confounds)?;
    }
    Ok(terminal::data(&out)?)
}

/// The model to measure: the named one, or the bundled one if no recipe is measured.
fn chosen(args: &Evaluate, field: Option<Field>) -> anyhow::Result<Option<Model>> {
    if args.judges_a_recipe() && args.tiers.is_given() {
        let why = "--tier, --cheap and --cascade go with a model; a recipe's fits answer by all tiers that it names";
        return Err(Usage(why.to_owned()).into());
    }
    if args.judges_a_recipe() && args.base_rate.is_given() {
        let why = "--base-rate goes with a model; a recipe's fits assume what the recipe says (`base_rate`)";
        return Err(Usage(why.to_owned()).into());
    }
    if args.judges_a_recipe() && !args.placed.placed.is_empty() {
        let why = "--placed goes with a model: a placed target belongs to one";
        return Err(Usage(why.to_owned()).into());
    }
    match (&args.model, field) {
        (Some(name), _) => args.base_rate.of(models::load(name, args.tiers.tier.load_options()?)?).map(Some),
        (None, _) if args.judges_a_recipe() => Ok(None),
        _ if args.grouped => {
            Err(Usage("--grouped goes with --cv or --holdout: a model that is there is not split".to_owned())
                .into())
        }
        (None, Some(field)) => {
            args.base_rate.of(models::bundled(field, args.tiers.tier.load_options()?)?).map(Some)
        }
        (None, None) => Err(Usage(
            "say which bundled model to judge: --field response or --field prompt; or judge another (--model), or a \
             recipe (--cv, --holdout, --test-split, --leave-one-out)"
                .to_owned(),
        )
        .into()),
    }
}

/// Reads the rows that figures may use.
fn read(args: &Evaluate, field: Field, recipe: &Recipe, keep_kinds: bool) -> anyhow::Result<Vec<Record>> {
    let mut sources = sources::labelled(&args.data, &args.columns, recipe, &args.recipe)?;
    let mut claim = None;
    if let Some(path) = &args.rejected {
        sidecar_of(path)?;
        let read = sources.read.iter().flat_map(|source| &source.files).chain(&args.recipe.recipe);
        let read: Vec<_> = read.chain(&args.model).cloned().collect();
        claim = Some(claims::claim(&[OutputPath::File(path)], &read)?);
    }
    sources.read.iter_mut().for_each(|source| source.keep_kinds |= keep_kinds);
    let rows = waiting("reading", || SourceRows::labelled(&sources.read, field))?;
    // A classifier also judges answers that a sign decides; a recipe's fits read texts alone.
    let whole = field == Field::Response && !args.judges_a_recipe();
    let fits = [field];
    say_sources("labelled rows", &rows, if whole { &[] } else { &fits });
    if let Some(path) = &args.rejected {
        write_rejected(&sidecar_of(path)?, &rows.rejected())?;
    }
    drop(claim);
    Ok(if whole { rows.answers() } else { rows.records(field) })
}

/// The flag names the sidecar itself, but its writer derives the name from an output. So this returns that
/// output.
fn sidecar_of(path: &Path) -> Result<PathBuf, Usage> {
    let name = path.to_string_lossy();
    name.strip_suffix(".rejected.jsonl").map(PathBuf::from).ok_or_else(|| {
        let example = rejected_path("rows".as_ref());
        Usage(format!(
            "--rejected {name}: the name must end in .rejected.jsonl, for example {}",
            example.display()
        ))
    })
}

/// Keeps the rows that figures may use.
fn measured(records: Vec<Record>) -> anyhow::Result<Vec<Record>> {
    let (measured, machine): (Vec<Record>, Vec<Record>) = records.into_iter().partition(may_judge);
    if !machine.is_empty() {
        note(&format!(
            "{} rows that demur labelled left out: figures are taken on no guesses",
            machine.len()
        ));
    }
    if measured.is_empty() {
        bail!(
            "no rows are left to judge by: demur labelled all of them ({}), so a figure would say how far it agrees \
             with itself; give rows that others have labelled",
            labelled_by(&machine)
        );
    }
    note_unknown(&measured);
    Ok(measured)
}

/// The names of this program's models that labelled some rows.
pub(crate) fn labelled_by(machine: &[Record]) -> String {
    let by = machine.iter().filter_map(|record| record.label.as_ref()?.by.who.as_deref());
    let names: BTreeSet<&str> = by.collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// Logs how to state who labelled the rows, if some do not say.
pub(crate) fn note_unknown(records: &[Record]) {
    let unknown =
        |record: &&Record| record.label.as_ref().is_some_and(|label| label.by.labeller == Labeller::Unknown);
    let rows = records.iter().filter(unknown).count();
    if rows > 0 {
        note(&format!(
            "{rows} rows do not say who labelled them; say it with --labelled-by person|judge|rule|norm, or with \
             `labelled_by` in the recipe"
        ));
    }
}

/// Drops the records whose prompts the fit has seen, unless `allow` is set.
fn without(
    seen: &SeenPrompts,
    records: Vec<Record>,
    allow: bool,
) -> anyhow::Result<(Vec<Record>, CountedApart)> {
    let is_seen = |record: &Record| seen.contains(identity(record));
    let rows = records.iter().filter(|record| is_seen(record)).count();
    let overlap = CountedApart { seen: rows, judged: allow, no_answer: 0 };
    if allow || rows == 0 {
        return Ok((records, overlap));
    }
    if rows == records.len() {
        bail!(
            "refused: the fit has seen the prompts of all {rows} rows, so figures on them would be too good; \
             give rows that it has not seen, use --cv, or say --allow-overlap"
        );
    }
    Ok((records.into_iter().filter(|record| !is_seen(record)).collect(), overlap))
}

fn judge_model(
    (args, phrases): (&Evaluate, &Phrases),
    model: &Model,
    records: Vec<Record>,
    seed: u64,
) -> anyhow::Result<(Evaluation, CountedApart)> {
    let cascade = args.tiers.of(model)?;
    let (records, overlap) = without(model.seen(), records, args.allow_overlap)?;
    let examples = Examples::of(&records, &vec![0; records.len()]);
    let mut method = format!("model {} ({})", model.manifest().name, &model.digest()[..12]);
    method += &models::tiers_in_words(model, cascade);
    if model.manifest().field == Field::Prompt {
        return Ok((evaluate_model(model, &examples, cascade, method, seed)?, overlap));
    }
    let EvaluatedAnswers { evaluation, no_answer } =
        evaluate_answers(model, &records, (cascade, phrases), method, seed)?;
    Ok((evaluation, CountedApart { no_answer, ..overlap }))
}

fn judge_recipe(
    args: &Evaluate,
    field: Field,
    recipe: &Recipe,
    records: Vec<Record>,
) -> anyhow::Result<(Evaluation, CountedApart)> {
    let encoders = terminal::encoders(args.recipe.settings.resume);
    let (fit, seed) = (recipe.plan(field, &encoders), recipe.seed);
    let grouping = Grouping::of(args.grouped);
    if let Some(folds) = args.cv {
        let examples = Examples::of(&records, &grouping.groups(&records));
        let plan = CrossValidation { field, folds: folds as usize, grouping, seed };
        let (evaluation, p) = Bars::during(|progress| plan.judge_with_scores(fit, &examples, progress))?;
        if let Some(path) = &args.suspects {
            doubts::write_suspects(path, &records, &p)?;
        }
        return Ok((evaluation, CountedApart::default()));
    }
    let scored = |method| Scored { field, method, threshold: fit.params.policy.hold_from, seed };
    if let Some(share) = args.holdout {
        let examples = Examples::of(&records, &grouping.groups(&records));
        let strata: Vec<u32> = examples.labels().into_iter().map(u32::from).collect();
        let held_out = assign_holdout(&strata, Some(&examples.groups), share, seed)?;
        let method =
            format!("{share} of the rows held out, {}, stratified, seed {seed}", grouping.describe());
        return Ok((judge_holdout(fit, &examples, &held_out, scored(method))?.0, CountedApart::default()));
    }
    let name = args.test_split.as_deref().unwrap_or_default();
    let (test, train): (Vec<Record>, Vec<Record>) =
        records.into_iter().partition(|record| record.split.as_deref() == Some(name));
    if test.is_empty() || train.is_empty() {
        let (test, train) = (test.len(), train.len());
        bail!(
            "--test-split {name}: {test} rows in it and {train} outside; look at the split column (--split-column)"
        );
    }
    // Test rows whose prompts are also in the training part would make the figures too good.
    let (test, overlap) = without(&demur_training::seen(&train), test, args.allow_overlap)?;
    let held_out = [vec![false; train.len()], vec![true; test.len()]].concat();
    let all = [train, test].concat();
    let examples = Examples::of(&all, &Grouping::Similar.groups(&all));
    let method = format!("split `{name}` of the file, fitted on the other rows, seed {seed}");
    Ok((judge_holdout(fit, &examples, &held_out, scored(method))?.0, overlap))
}

/// Warns if the ranking mostly reflects which source a row is from; `shown` says how to see that.
pub(crate) fn warn_of_sources(ranking: Ranking, shown: &str) {
    if ranking.tells_sources_apart() == Some(true) {
        let Ranking { pooled, within_sources: within } = ranking;
        note(&format!(
            "warning: the AUROC of {pooled:.3} is mostly telling sources apart: within sources it is {within:.3}. On \
             rows from elsewhere expect the latter; {shown}"
        ));
    }
}

/// The figures, formatted for a person.
pub(crate) fn table(evaluation: &Evaluation) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let Evaluation { decisions, n, base_rate, .. } = evaluation;
    writeln!(out, "{}: {}", evaluation.field.name(), evaluation.method)?;
    writeln!(out, "  n {n}, base rate {base_rate:.3} refused, threshold {}", evaluation.threshold)?;
    if evaluation.prompts < *n {
        let prompts = evaluation.prompts;
        writeln!(out, "  {prompts} different prompts: intervals by a bootstrap of whole prompts")?;
    }
    let rows = evaluation.labelled_by.iter();
    let rows: Vec<String> = rows.map(|(labeller, n)| format!("{n} {}", labeller.in_words())).collect();
    writeln!(out, "  labelled {}; figures are {}", rows.join(", "), evaluation.measures)?;
    let right = if evaluation.is_accuracy() { "accuracy" } else { "agreement" };
    writeln!(out, "  {:16} {right:>9}  {:17} {:>8}", "", "95% interval", "AUROC")?;
    let mut row = |name: &str, decisions: &Decisions, auroc: f64| {
        let (low, high) = decisions.accuracy_interval;
        writeln!(out, "  {name:16} {:9.3}  {low:.3} to {high:.3}    {auroc:8.3}", decisions.accuracy)
    };
    row("model", decisions, evaluation.auroc)?;
    for (name, baseline) in &evaluation.baselines {
        row(&name.replace('_', " "), &baseline.decisions, baseline.auroc)?;
    }
    let (low, high) = evaluation.auroc_interval;
    writeln!(
        out,
        "  AUROC 95% interval {low:.3} to {high:.3}, average precision {:.3}",
        evaluation.average_precision
    )?;
    write!(out, "  refusals found at 1% false alarms {}", figure(evaluation.tpr_at_1_fpr))?;
    writeln!(out, ", AUROC within sources {}", figure(evaluation.auroc_within_sources))?;
    let Decisions { balanced_accuracy, precision, recall, f1, .. } = decisions;
    writeln!(
        out,
        "  balanced {right} {balanced_accuracy:.3}, precision {precision:.3}, recall {recall:.3}, F1 {f1:.3}"
    )?;
    let Evaluation { brier, log_loss, ece, .. } = evaluation;
    writeln!(out, "  Brier {brier:.3}, log loss {log_loss:.3}, ECE {ece:.3}")?;
    let c = decisions.confusion;
    // Whole numbers, except for measured rates.
    let [found, missed, passed, held] =
        [c.true_positive, c.false_negative, c.true_negative, c.false_positive]
            .map(|n| (n * 10.0).round() / 10.0);
    writeln!(
        out,
        "  refused: {found} found, {missed} missed; complied: {passed} found, {held} called refused"
    )?;
    Ok(out)
}
