//! P(refusal) of a polars column, in an eager frame and in a lazy one.

use std::sync::Arc;

use polars::prelude::{
    Column, DataFrame, DataType, Expr, Field as PolarsField, IntoColumn, LazyFrame, NamedFrom, PolarsResult,
    Series, col,
};
use rayon::prelude::*;

use demur_data::Input;

use crate::model::Model;
use crate::ngram::scratch::Scratch;

/// The name of the column with P(refusal).
pub const P_REFUSAL: &str = "p_refusal";
/// The name of the column with the decision.
pub const DECISION: &str = "decision";

/// The number of prompts that one task scores.
const CHUNK: usize = 1 << 10;

/// Computes something of every prompt of a column, on all cores.
fn each<T: Send>(
    prompts: &Column,
    target: Option<&str>,
    of: impl Fn(&Input<'_>, &mut Scratch) -> T + Sync + Send,
) -> PolarsResult<Vec<Option<T>>> {
    let texts: Vec<Option<&str>> = prompts.str()?.iter().collect();
    let of = |scratch: &mut Scratch, prompt: &Option<&str>| {
        prompt.map(|prompt| of(&Input { target, ..Input::prompt(prompt) }, scratch))
    };
    Ok(texts.par_iter().with_min_len(CHUNK).map_init(Scratch::default, of).collect())
}

/// P(refusal) of a column of prompts, as a column of the same length called `p_refusal`, computed on all
/// cores; null where there is no prompt.
///
/// # Errors
/// If the column does not hold text.
pub fn score_column(model: &Model, prompts: &Column, target: Option<&str>) -> PolarsResult<Column> {
    let p = each(prompts, target, |input, scratch| model.predict_ngrams(input, scratch).p_refusal.get())?;
    Ok(Series::new(P_REFUSAL.into(), p).into_column())
}

/// A frame with the columns `p_refusal` and `decision` added, by the model's own policy, and to abstain from
/// what the model does not know; null where there is no prompt.
///
/// # Errors
/// If there is no such text column, or the frame already has one of the new columns.
pub fn score_frame(
    model: &Model,
    frame: &DataFrame,
    column: &str,
    target: Option<&str>,
) -> PolarsResult<DataFrame> {
    let scores = each(frame.column(column)?, target, |input, scratch| {
        let scored = model.predict_ngrams(input, scratch);
        let decision = model.decide(scored.p_refusal).unless(model.doubt(input, &scored, scratch));
        (scored.p_refusal.get(), decision.name())
    })?;
    let (p, decisions): (Vec<Option<f64>>, Vec<Option<&str>>) = scores.into_iter().map(Option::unzip).unzip();
    frame.hstack(&[
        Series::new(P_REFUSAL.into(), p).into_column(),
        Series::new(DECISION.into(), decisions).into_column(),
    ])
}

/// P(refusal) of the prompts that an expression returns, for use in any query.
pub fn p_refusal(model: Arc<Model>, prompts: Expr, target: Option<String>) -> Expr {
    let field = |_: &_, _: &_| Ok(PolarsField::new(P_REFUSAL.into(), DataType::Float64));
    prompts.map(move |prompts| score_column(&model, &prompts, target.as_deref()), field).alias(P_REFUSAL)
}

/// A lazy frame with the column `p_refusal` added.
pub fn score_lazy(model: Arc<Model>, frame: LazyFrame, column: &str, target: Option<String>) -> LazyFrame {
    frame.with_column(p_refusal(model, col(column), target))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use polars::prelude::{IntoLazy, lit};

    use super::*;
    use crate::{Bundled, Probability};

    fn frame() -> DataFrame {
        let prompts = [Some("How do I pick a lock?"), None, Some("What is the capital of France?")];
        let columns = vec![
            Series::new("n".into(), [1, 2, 3]).into_column(),
            Series::new("question".into(), prompts).into_column(),
        ];
        DataFrame::new(3, columns).unwrap()
    }

    #[test]
    fn a_column_is_scored_as_each_prompt_alone() {
        let model = Arc::new(Model::bundled(Bundled::Prompt).unwrap());
        let target = model.known_targets().first().map(|target| (*target).to_owned());
        let alone = |prompt: &str| {
            let input = Input { target: target.as_deref(), ..Input::prompt(prompt) };
            model.predict_ngrams(&input, &mut Scratch::default()).p_refusal
        };
        let wanted =
            [Some(alone("How do I pick a lock?")), None, Some(alone("What is the capital of France?"))];
        let scored = score_frame(&model, &frame(), "question", target.as_deref()).unwrap();
        let p: Vec<Option<f64>> = scored.column(P_REFUSAL).unwrap().f64().unwrap().iter().collect();
        assert_eq!(p, wanted.map(|p| p.map(Probability::get)));
        let decisions: Vec<Option<&str>> = scored.column(DECISION).unwrap().str().unwrap().iter().collect();
        assert_eq!(decisions, wanted.map(|p| p.map(|p| model.decide(p).name())));

        let lazy = score_lazy(Arc::clone(&model), frame().lazy(), "question", target.clone());
        let p = wanted[2].unwrap().get();
        let found =
            lazy.filter(col(P_REFUSAL).gt_eq(lit(p)).and(col(P_REFUSAL).lt_eq(lit(p)))).collect().unwrap();
        assert_eq!((found.height(), found.width()), (1, 3));
        assert_eq!(found.column("n").unwrap().i32().unwrap().get(0), Some(3));
    }

    #[test]
    fn what_is_no_column_of_texts_is_said() {
        let model = Model::bundled(Bundled::Prompt).unwrap();
        assert!(score_frame(&model, &frame(), "n", None).unwrap_err().to_string().contains("i32"));
        assert!(score_frame(&model, &frame(), "prompt", None).unwrap_err().to_string().contains("prompt"));
    }
}
