//! Which n-grams add nothing to a longer one: "pick a", if all its rows say "pick a lock".

use demur_predictor::{Analyzer, View};
use rustc_hash::FxHashMap;

use super::index::Index;

/// A longer n-gram subsumes a shorter one if it occurs in at least this share of its rows.
const SHARE: f64 = 0.9;

/// For every feature, the longest feature of the same view that contains it and occurs in nearly all of its
/// rows.
pub(crate) fn subsumers(views: &[View], index: &Index) -> Vec<Option<u32>> {
    let mut subsumed: Vec<Option<u32>> = vec![None; index.features()];
    for (view, range) in views.iter().zip(index.views()) {
        let words = view.settings.vectorizer.analyzer != Analyzer::CharWb;
        // Feature numbers are u32 everywhere; a vectorizer cannot be built with more.
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let names: Vec<String> = (0..range.len()).map(|local| view.vectorizer.ngram(number(local))).collect();
        let places: FxHashMap<&str, usize> =
            names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
        // The longest first: if a feature's subsumer is itself subsumed, that is known by then.
        let mut order: Vec<usize> = (0..names.len()).collect();
        let length = |name: &str| if words { name.split(' ').count() } else { name.chars().count() };
        order.sort_by_cached_key(|&at| (std::cmp::Reverse(length(&names[at])), at));
        for at in order {
            let longer = range.start + at;
            for shorter in parts(&names[at], words).into_iter().flatten() {
                let Some(&place) = places.get(shorter) else { continue };
                let short = range.start + place;
                let (rows, of_longer) = (index.rows(short).len(), index.rows(longer).len());
                if rows > 1 && of_longer as f64 >= SHARE * rows as f64 && subsumed[short].is_none() {
                    // The subsumer of the longer one occurs in nearly all of these rows too.
                    let last = subsumed[longer]
                        .filter(|&last| index.rows(last as usize).len() as f64 >= SHARE * rows as f64);
                    subsumed[short] = last.or_else(|| Some(number(longer)));
                }
            }
        }
    }
    subsumed
}

/// An n-gram without its first and without its last symbol.
fn parts(name: &str, words: bool) -> [Option<&str>; 2] {
    if words {
        return [name.split_once(' ').map(|(_, rest)| rest), name.rsplit_once(' ').map(|(rest, _)| rest)];
    }
    let mut ends = name.char_indices();
    let second = ends.nth(1).map(|(at, _)| at);
    let last = name.char_indices().next_back().map(|(at, _)| at).filter(|&at| at > 0);
    [second.map(|at| &name[at..]), last.map(|at| &name[..at])]
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn parts_lack_one_symbol() {
        assert_eq!(parts("pick a lock", true), [Some("a lock"), Some("pick a")]);
        assert_eq!(parts("lock", true), [None, None]);
        assert_eq!(parts("für", false), [Some("ür"), Some("fü")]);
        assert_eq!(parts("ü", false), [None, None]);
    }
}
