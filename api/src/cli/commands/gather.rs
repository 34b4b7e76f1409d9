//! Asks a target for `learn`: some prompts first, by whose answers the target is placed in the bundled
//! predictor, so that there is something to use at once; then the others. Killed or stopped, the same command
//! goes on.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use demur_predictor::{Field, Model};
use demur_training::{MOST_PROBES, probe_set};

use crate::cli::args::{DataArgs, Learn, Place, PredictorArg};
use crate::cli::collecting::{Asked, check_end, say_survey};
use crate::cli::commands::place::{default_path, placed};
use crate::cli::terminal::{note, waiting};
use crate::collect::{End, Strategy, choose, export, survey};
use crate::engine::Usage;
use crate::engine::batch::{PromptFiles, Reading};
use crate::engine::models;
use crate::store::{Prompt, Store, StorePlace};

/// How many answers place a target.
const FIRST: usize = 50;
/// How many prompts of the probe set are asked, unless a flag says otherwise.
const PROBES: usize = 600;
/// The longest prompt, in characters.
const LONGEST: usize = 1_000_000;

/// Asks the target of an endpoint; returns the file of its answers.
///
/// # Errors
/// When the target is not asked to the end, or something cannot be written.
pub(super) fn gather(args: &Learn, classifier: &Model, answers: &Path) -> anyhow::Result<PathBuf> {
    let (Some(endpoint), Some(name)) = (&args.endpoint, &args.target) else {
        return Err(Usage("--endpoint goes with --target NAME, the model to ask".to_owned()).into());
    };
    let target = args.ask.target(endpoint, name)?;
    let (access, limits) = (args.ask.access()?, args.pace.limits(name, None)?);
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let own = StorePlace::File(args.out.join("answers.db"));
    let mut store = Store::open(args.store.as_ref().unwrap_or(&own))?;
    let settings = store.keep_settings(&target.stored())?;
    store.claim(settings)?;
    let prompts = prompts(args, &mut store, settings)?;
    let asked = Asked { target, access, limits, samples: args.ask.samples, classifier, settings };
    let first = asked.ask(store, &prompts[..FIRST.min(prompts.len())])?;
    store = first.store;
    let mut end = first.end;
    if matches!(end, None | Some(End::Budget(_))) {
        place(args, &mut store, settings, name, answers)?;
    }
    if end.is_none() && prompts.len() > FIRST {
        let rest = asked.ask(store, &prompts)?;
        (store, end) = (rest.store, rest.end);
    }
    check_end(end)?;
    let count = export(&mut store, Some(settings), answers)?;
    ensure!(count > 0, "the target has answered nothing");
    Ok(answers.to_owned())
}

/// The prompts that are asked, in their order: those of files at random, or the most telling of the probe
/// set.
fn prompts(args: &Learn, store: &mut Store, settings: i64) -> anyhow::Result<Vec<i64>> {
    if args.prompts.is_empty() {
        let count = args.budget.unwrap_or(PROBES);
        if !(1..=MOST_PROBES).contains(&count) {
            return Err(
                Usage(format!("--budget {count}: the probe set has 1 to {MOST_PROBES} prompts")).into()
            );
        }
        let probe = |probe: demur_training::Probe| Prompt { text: probe.prompt, row_id: probe.id };
        let probes: Vec<Prompt> = probe_set(count)?.into_iter().map(probe).collect();
        return store.keep_prompts(&probes);
    }
    let DataArgs { format, opening, texts, .. } = &args.columns;
    let (column, messages) = (texts.prompt_column.clone(), texts.messages_column.clone());
    let reading = Reading::Prompt { column, messages, longest: LONGEST };
    let files =
        PromptFiles { inputs: args.prompts.clone(), format: *format, opening: opening.opening(), reading };
    let read = waiting("reading", || survey(store, &files, None))?;
    say_survey(&read)?;
    let budget = args.budget.unwrap_or(read.prompts.len());
    let model = models::of_field(Field::Prompt, None, models::ngrams_alone())?;
    choose(store, &read.prompts, (settings, args.ask.samples), (budget, Strategy::Random), &model)
}

/// Places the target by the answers so far, and says how to use it.
fn place(args: &Learn, store: &mut Store, settings: i64, name: &str, answers: &Path) -> anyhow::Result<()> {
    export(store, Some(settings), answers)?;
    let out = args.out.join(default_path(name));
    let place = Place {
        answers: vec![answers.to_owned()],
        back: None,
        name: Some(name.to_owned()),
        out: Some(out.clone()),
        ordinary: None,
        json: false,
        model: PredictorArg { model: None },
        tier: args.tier,
        phrases: args.phrases.clone(),
        columns: DataArgs::default(),
    };
    match placed(&place) {
        Ok(_) => note(&format!("to be used already: --target {name} --placed {}", out.display())),
        // What the whole run is for does not need it.
        Err(why) => note(&format!("not placed by the first answers: {why:#}")),
    }
    Ok(())
}
