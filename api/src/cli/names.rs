//! Finds names similar to an unknown one, for messages that suggest what was meant.

/// How many names a message lists.
const SHOWN: usize = 5;

/// The names with the smallest edit distance to the wanted one, ignoring case; the nearest first.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    let mut near: Vec<(usize, &str)> =
        names.map(|name| (distance(&wanted, &name.to_lowercase()), name)).collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(SHOWN).map(|(_, name)| name).collect()
}

/// Levenshtein distance. If one name contains the other, as `gpt-4o-mini` contains `gpt-4`, each further
/// character counts only a tenth.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, &of_a) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &of_b) in b.iter().enumerate() {
            let change = diagonal + usize::from(of_a != of_b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    let whole = 10 * row[b.len()];
    let (short, long) = if a.len() < b.len() { (&a, &b) } else { (&b, &a) };
    let held = !short.is_empty() && long.windows(short.len()).any(|window| window == short.as_slice());
    if held { long.len() - short.len() } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_nearly_written_so_come_first() {
        let names = ["llama-2-7b-chat", "gpt-4o-mini", "GPT-4", "claude-3-haiku", "vicuna-7b", "mistral"];
        assert_eq!(nearest("gpt4", names.into_iter())[0], "GPT-4");
        assert_eq!(nearest("llama-2", names.into_iter())[0], "llama-2-7b-chat");
        assert_eq!(nearest("claude-3-hiaku", names.into_iter())[0], "claude-3-haiku");
        assert_eq!(nearest("x", names.into_iter()).len(), 5);
        assert_eq!(nearest("x", std::iter::empty()), Vec::<&str>::new());
        assert_eq!(distance("", "ab"), 20);
    }
}
