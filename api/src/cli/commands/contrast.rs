//! `demur contrast`: compares predictions when one thing changes: a slot of a template, the group of people
//! in prompts, or the target.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use demur_predictor::{Field, Input, Model, Scratch};
use demur_training::{
    FillerFigures, SourceRows, SwapAudit, SwapList, TargetContrast, Template, contrast_targets,
};
use serde_json::json;

use crate::cli::args::{AskedArgs, Contrast, ContrastSwap, ContrastTargets, ContrastTemplate, ContrastWhat};
use crate::cli::commands::predict::unknown;
use crate::cli::names::nearest;
use crate::cli::sources;
use crate::cli::terminal::{self, note, say_read, say_sources, waiting};
use crate::engine::Usage;

pub(crate) fn run(args: &Contrast) -> anyhow::Result<()> {
    match &args.what {
        ContrastWhat::Template(args) => template(args),
        ContrastWhat::Swap(args) => swap(args),
        ContrastWhat::Targets(args) => targets(args),
    }
}

/// Loads the predictor; logs a note if it does not know the target.
fn asked(args: &AskedArgs) -> anyhow::Result<Model> {
    let model = args.target.placed.of(args.model.load_ngrams()?)?;
    if let Some(target) = args.target.name().filter(|target| !model.knows_target(target)) {
        note(&unknown(target, &model));
    }
    Ok(model)
}

fn identity(model: &Model) -> serde_json::Value {
    json!({ "name": model.manifest().name, "digest": model.digest() })
}

fn template(args: &ContrastTemplate) -> anyhow::Result<()> {
    let template =
        Template::parse(&args.template).map_err(|error| Usage(format!("the template: {error}")))?;
    let mut fillers = BTreeMap::new();
    for pair in &args.fill {
        let (slot, given) = pair
            .split_once('=')
            .ok_or_else(|| Usage(format!("--fill {pair}: write it as SLOT=FILE_OR_LIST")))?;
        if !template.slots().contains(&slot) {
            let slots = template.slots().join(", ");
            return Err(
                Usage(format!("--fill {pair}: the template has no slot `{slot}`, only {slots}")).into()
            );
        }
        fillers.insert(slot.to_owned(), list(given)?);
    }
    if let Some(slot) = template.slots().into_iter().find(|slot| !fillers.contains_key(*slot)) {
        return Err(Usage(format!("nothing fills the slot `{slot}`; add --fill {slot}=FILE_OR_LIST")).into());
    }
    let model = asked(&args.asked)?;
    let figures = template.figures(&model, args.asked.target.name(), &fillers, model.manifest().seed)?;
    if args.asked.json {
        let json = json!({
            "template": args.template,
            "target": args.asked.target.name(),
            "fillers": figures,
            "model": identity(&model),
        });
        return terminal::json(&json);
    }
    Ok(terminal::data(&filler_table(&figures)?)?)
}

/// Parses fillers: from a file, one on each line, or from a list with commas.
fn list(given: &str) -> anyhow::Result<Vec<String>> {
    let path = Path::new(given);
    let text = if path.is_file() {
        fs::read_to_string(path).with_context(|| format!("cannot read {given}"))?
    } else {
        given.replace(',', "\n")
    };
    let mut fillers: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if !fillers.iter().any(|other| other == line) {
            fillers.push(line.to_owned());
        }
    }
    if fillers.is_empty() {
        bail!("{given}: there are no fillers in it");
    }
    Ok(fillers)
}

fn filler_table(figures: &[FillerFigures]) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    for of_slot in figures.chunk_by(|a, b| a.slot == b.slot) {
        writeln!(out, "{{{}}}", of_slot[0].slot)?;
        writeln!(
            out,
            "  {:>6}  {:>6} {:>6} {:>6} {:>6}  {:>11}  filler",
            "mean P", "lowest", "25%", "75%", "highest", "held"
        )?;
        for of in of_slot {
            let [lowest, lower, _, upper, highest] = of.spread;
            let held = format!("{} of {}", of.held, of.n);
            writeln!(
                out,
                "  {:6.3}  {lowest:6.3} {lower:6.3} {upper:6.3} {highest:7.3}  {held:>11}  {}",
                of.mean, of.filler
            )?;
        }
    }
    Ok(out)
}

fn swap(args: &ContrastSwap) -> anyhow::Result<()> {
    let names: Vec<&str> = if args.list.is_empty() {
        SwapList::names().to_vec()
    } else {
        args.list.iter().map(String::as_str).collect()
    };
    let lists = names.into_iter().map(swap_list).collect::<anyhow::Result<Vec<SwapList>>>()?;
    let model = asked(&args.asked)?;
    let mut prompts = args.prompts.clone();
    if !args.data.is_empty() {
        let source = sources::files(&args.data, &args.columns)?;
        let corpus = waiting("reading", || source.read(&[Field::Prompt], false, false))?;
        say_read("prompts", &corpus);
        prompts.extend(corpus.records.into_iter().filter_map(|record| record.prompt));
    }
    if prompts.is_empty() {
        return Err(Usage("name the prompts, or files of them (--data FILE)".to_owned()).into());
    }
    let prompts: Vec<&str> = prompts.iter().map(String::as_str).collect();
    let target = args.asked.target.name();
    let audits: Vec<SwapAudit> = lists.iter().map(|list| list.audit(&model, target, &prompts)).collect();
    if args.asked.json {
        let json = json!({
            "prompts": prompts.len(),
            "target": args.asked.target.name(),
            "lists": audits,
            "model": identity(&model),
        });
        return terminal::json(&json);
    }
    Ok(terminal::data(&audit_table(&audits, prompts.len())?)?)
}

/// A bundled list, or one from a file.
fn swap_list(name: &str) -> anyhow::Result<SwapList> {
    let path = Path::new(name);
    if SwapList::names().contains(&name) || !path.is_file() {
        return SwapList::named(name).map_err(|error| Usage(error.to_string()).into());
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let title = path.file_stem().map_or_else(|| name.to_owned(), |stem| stem.to_string_lossy().into_owned());
    Ok(SwapList::parse(&title, &text)?)
}

fn audit_table(audits: &[SwapAudit], prompts: usize) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    for audit in audits {
        let SwapAudit { list, prompts: with, mean_range, .. } = audit;
        if *with == 0 {
            writeln!(out, "{list}: none of the {prompts} prompts has a term of it")?;
            continue;
        }
        writeln!(
            out,
            "{list}: {with} of {prompts} prompts have a term of it; mean range of P {mean_range:.3}"
        )?;
        writeln!(
            out,
            "  {:>6}  {:>10}  {:18} {:>6}  group",
            "mean P", "difference", "95% interval", "flips"
        )?;
        for group in &audit.groups {
            let (low, high) = group.interval;
            // One prompt has a difference but no spread.
            let interval =
                if low.is_finite() { format!("{low:+.4} to {high:+.4}") } else { "not defined".to_owned() };
            writeln!(
                out,
                "  {:6.3}  {:>+10.4}  {interval:18} {:>6}  {}",
                group.mean, group.difference, group.flips, group.group
            )?;
        }
    }
    Ok(out)
}

fn targets(args: &ContrastTargets) -> anyhow::Result<()> {
    if args.first == args.second {
        return Err(Usage(format!("both targets are `{}`; name two", args.first)).into());
    }
    let model = args.model.load_ngrams()?;
    if args.data.is_empty() {
        return both(args, &model);
    }
    let source = sources::files(&args.data, &args.columns)?;
    let rows = waiting("reading", || SourceRows::labelled(&[source], Field::Prompt))?;
    say_sources("labelled rows", &rows, &[Field::Prompt]);
    let records = rows.records(Field::Prompt);
    let contrast = contrast_targets(&model, &records, [&args.first, &args.second])?;
    for (target, rows) in contrast.targets.iter().zip(contrast.rows) {
        if rows == 0 {
            let mut others: Vec<&str> =
                records.iter().filter_map(|record| record.target.as_deref()).collect();
            others.sort_unstable();
            others.dedup();
            if others.is_empty() {
                bail!("no row names the target that it asked (--target-column names the column)");
            }
            let near = nearest(target, others.iter().copied());
            bail!(
                "no row asked `{target}`; the rows have {} targets, by name nearest to it: {} (--target-column names the \
                 column)",
                others.len(),
                near.join(", ")
            );
        }
    }
    if args.json {
        let mut json = serde_json::to_value(&contrast)?;
        json["model"] = identity(&model);
        return terminal::json(&json);
    }
    Ok(terminal::data(&target_table(&contrast, &model)?)?)
}

/// Message that the predictor does not know a target, with the most similar names that it knows.
fn not_known(target: &str, model: &Model) -> String {
    let near = nearest(target, model.known_targets().into_iter());
    let near = if near.is_empty() {
        "it knows none by name".to_owned()
    } else {
        format!("nearest by name: {}", near.join(", "))
    };
    format!("the predictor does not know the target `{target}`; {near}")
}

/// P(refusal) of each prompt for both targets.
fn both(args: &ContrastTargets, model: &Model) -> anyhow::Result<()> {
    let names = [args.first.as_str(), args.second.as_str()];
    if let Some(target) = names.into_iter().find(|target| !model.knows_target(target)) {
        return Err(Usage(format!(
            "{}; with --data two targets of labelled rows are compared",
            not_known(target, model)
        ))
        .into());
    }
    let mut scratch = Scratch::default();
    let score = |prompt: &str, target, scratch: &mut Scratch| {
        model.predict_ngrams(&Input { target: Some(target), ..Input::prompt(prompt) }, scratch)
    };
    let mut rows = Vec::new();
    let mut out = format!("{:>6} {:>6} {:>7}  prompt\n", "first", "second", "differ");
    for prompt in &args.prompts {
        let scored = names.map(|target| score(prompt, target, &mut scratch));
        let doubt = model.doubt(&Input::prompt(prompt), &scored[0], &mut scratch);
        let [first, second] = scored.map(|scored| scored.p_refusal);
        let decisions = [first, second].map(|p| model.decide(p).unless(doubt));
        let difference = first.get() - second.get();
        writeln!(out, "{first:6.3} {second:6.3} {difference:>+7.3}  {prompt}")?;
        rows.push(json!({
            "prompt": prompt,
            "p_refusal": [first, second],
            "decision": decisions,
        }));
    }
    if args.json {
        return terminal::json(&json!({ "targets": names, "prompts": rows, "model": identity(model) }));
    }
    Ok(terminal::data(&out)?)
}

fn target_table(contrast: &TargetContrast, model: &Model) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let [first, second] = &contrast.targets;
    let rows = contrast.labelled_by.iter();
    let rows: Vec<String> = rows.map(|(labeller, n)| format!("{n} {}", labeller.in_words())).collect();
    writeln!(out, "in the rows, labelled {}", rows.join(", "))?;
    for (side, target) in contrast.targets.iter().enumerate() {
        let (refused, rows) = (contrast.refused[side], contrast.rows[side]);
        if let Some((rate, (low, high))) = contrast.rates[side] {
            writeln!(out, "  {rate:.3} ({low:.3} to {high:.3}) refused, {refused} of {rows}  {target}")?;
        }
    }
    let [both, only_first, only_second, neither] = contrast.shared;
    writeln!(
        out,
        "  of {} prompts that both were asked: {both} refused by both, {only_first} by the first alone, {only_second} by \
         the second alone, {neither} by neither",
        contrast.shared.iter().sum::<usize>()
    )?;
    writeln!(out, "by the predictor, on {} prompts", contrast.prompts)?;
    if let (Some(difference), Some((low, high))) = (contrast.difference, contrast.interval) {
        writeln!(
            out,
            "  P(refusal) differs by {difference:+.4} ({low:+.4} to {high:+.4}), first less second; {} decisions differ",
            contrast.flips
        )?;
    }
    for (target, known) in contrast.targets.iter().zip(contrast.known) {
        if !known {
            writeln!(out, "  not asked: {}", not_known(target, model))?;
        }
    }
    writeln!(out, "words, of {}\n  {:>7}  {:>6} {:>6}  n-gram", contrast.compared, "z", "first", "second")?;
    for term in &contrast.terms {
        let [of_first, of_second] = term.rows;
        writeln!(out, "  {:>+7.2}  {of_first:>6} {of_second:>6}  \"{}\"", term.z, term.ngram)?;
    }
    writeln!(out, "above 0: {first}; below 0: {second}")?;
    Ok(out)
}
