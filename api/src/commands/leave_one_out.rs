//! `demur evaluate --leave-one-out`: how a recipe does on sources, or targets, that its fit has not seen.

use std::fmt::Write;

use demur_data::Record;
use demur_predictor::Field;
use demur_training::{LeaveOneOut, LeftOut, LeftOutFacet, LeftOutFigures, Recipe, weighed};

use crate::args::Evaluate;
use crate::output::{self, Bars};

pub(crate) fn run(
    args: &Evaluate,
    facet: LeftOutFacet,
    field: Field,
    recipe: &Recipe,
    records: Vec<Record>,
) -> anyhow::Result<()> {
    // As `fit` weighs them: machine labels may teach a prompt predictor, though they judge nothing.
    let records = match field {
        Field::Response => records,
        Field::Prompt => weighed(records, recipe.prompt.machine_weight, recipe.prompt.human_weight),
    };
    let plan = LeaveOneOut { field, facet, seed: recipe.seed };
    let figures = Bars::during(|progress| plan.judge(recipe.plan(field), &records, progress))?;
    if args.json {
        return output::json(&figures.to_json());
    }
    Ok(output::data(&table(&figures)?)?)
}

/// The figures as a person reads them, a line a value.
fn table(figures: &LeftOutFigures) -> Result<String, std::fmt::Error> {
    let LeftOutFigures { field, facet, method, threshold, passed_over, values, mean } = figures;
    let (facet, least) = (facet.name(), LeaveOneOut::MIN_ROWS);
    let head = ["n", "base rate", "accuracy", "95% interval", "balanced", "refused", "complied", "AUROC"];
    let head = [&[facet], head.as_slice(), &["95% interval", "ECE"]].concat();
    let mut lines = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    lines.extend(values.iter().map(cells));
    let none = String::new;
    lines.push(vec![
        format!("mean of {}", mean.values),
        none(),
        none(),
        number(mean.rates.accuracy),
        none(),
        number(mean.rates.balanced_accuracy),
        number(mean.rates.recall_refused),
        number(mean.rates.recall_complied),
        number(mean.rates.auroc),
        none(),
        number(mean.rates.ece),
    ]);
    let mut out = String::new();
    writeln!(out, "{}: {method}", field.name())?;
    writeln!(
        out,
        "  threshold {threshold}; {facet}s passed over, with fewer than {least} rows: {passed_over}"
    )?;
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or_default();
    for line in &lines {
        write!(out, "  {:1$}", line[0], width(0))?;
        for (at, cell) in line.iter().enumerate().skip(1) {
            write!(out, "  {cell:>0$}", width(at))?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "  refused, complied: the share of such rows that are called so; the mean is over {facet}s with both"
    )?;
    Ok(out)
}

fn cells(left_out: &LeftOut) -> Vec<String> {
    vec![
        left_out.value.clone(),
        left_out.n.to_string(),
        number(left_out.base_rate),
        number(left_out.rates.accuracy),
        interval(left_out.accuracy_interval),
        number(left_out.rates.balanced_accuracy),
        number(left_out.rates.recall_refused),
        number(left_out.rates.recall_complied),
        number(left_out.rates.auroc),
        interval(left_out.auroc_interval),
        number(left_out.rates.ece),
    ]
}

/// A figure, or a dash where the rows do not define it.
fn number(figure: f64) -> String {
    if figure.is_finite() { format!("{figure:.3}") } else { "-".to_owned() }
}

fn interval((low, high): (f64, f64)) -> String {
    if low.is_finite() && high.is_finite() { format!("{low:.3} to {high:.3}") } else { "-".to_owned() }
}
