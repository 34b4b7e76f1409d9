//! Dropping the n-grams that a model can do without.

use demur_predictor::{Vectorizer, View};

use crate::error::TrainingError;

/// The views with at most `keep` n-grams in total: those with the largest absolute weights, ties by position.
/// If all of them are kept, the views are unchanged.
pub(crate) fn strongest(views: Vec<View>, weights: &[f64], keep: usize) -> Result<Vec<View>, TrainingError> {
    let features: usize = views.iter().map(|view| view.vectorizer.len()).sum();
    if keep >= features {
        return Ok(views);
    }
    let mut order: Vec<usize> = (0..features).collect();
    order.sort_by(|&a, &b| weights[b].abs().total_cmp(&weights[a].abs()).then(a.cmp(&b)));
    order.truncate(keep);
    order.sort_unstable();
    let mut kept = order.into_iter().peekable();
    let mut start = 0;
    let mut pruned = Vec::with_capacity(views.len());
    for View { settings, vectorizer } in views {
        let end = start + vectorizer.len();
        let (mut ngrams, mut idf) = (Vec::new(), Vec::new());
        while let Some(feature) = kept.next_if(|&feature| feature < end) {
            let local = feature - start;
            // A vectorizer has fewer than 2^32 features.
            ngrams.push(vectorizer.ngram(u32::try_from(local).unwrap_or(u32::MAX)));
            idf.push(vectorizer.idf()[local]);
        }
        start = end;
        pruned.push(View { settings, vectorizer: Vectorizer::new(*vectorizer.settings(), &ngrams, idf)? });
    }
    Ok(pruned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use demur_predictor::{Field, Part, VectorizerSettings, ViewSettings};

    use super::*;

    fn view(ngrams: &[&str]) -> View {
        let vectorizer = VectorizerSettings::default();
        let settings = ViewSettings { field: Field::Prompt.into(), part: Part::Whole, vectorizer };
        let idf = (1..=ngrams.len()).map(|at| at as f32).collect();
        View { settings, vectorizer: Vectorizer::new(vectorizer, ngrams, idf).unwrap() }
    }

    #[test]
    fn the_strongest_are_kept_with_their_idf() {
        let views = || vec![view(&["aa", "bb", "cc"]), view(&["dd", "ee"])];
        let weights = [0.1, -3.0, 0.2, 0.0, 0.2];
        let pruned = strongest(views(), &weights, 3).unwrap();
        let ngrams: Vec<Vec<String>> = pruned
            .iter()
            .map(|view| (0..view.vectorizer.len()).map(|at| view.vectorizer.ngram(at as u32)).collect())
            .collect();
        assert_eq!(ngrams, [vec!["bb", "cc"], vec!["ee"]]);
        assert_eq!(pruned[0].vectorizer.idf(), [2.0, 3.0]);
        assert_eq!(strongest(views(), &weights, 9).unwrap()[0].vectorizer.len(), 3);
        assert!(strongest(views(), &weights, 1).unwrap()[1].vectorizer.is_empty());
    }
}
