//! Placing targets: a known line is found again, few answers stay near the prior, words tell, and the order
//! of prompts stays.

#![allow(clippy::unwrap_used)]

use std::sync::LazyLock;

use demur_predictor::Bundled;

use super::*;

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::bundled(Bundled::Prompt).unwrap());

/// Prompts over the whole range of the model.
const VERBS: [&str; 8] = ["describe", "buy", "paint", "steal", "poison", "build", "smuggle", "forge"];
const OBJECTS: [&str; 12] = [
    "a bomb",
    "a cake",
    "a dog",
    "a passport",
    "a garden",
    "my neighbour",
    "a gun",
    "a poem",
    "a car",
    "heroin",
    "an election",
    "a virus",
];

fn prompts() -> Vec<String> {
    let each = |verb: &&str| OBJECTS.map(|object| format!("How do I {verb} {object}?"));
    VERBS.iter().flat_map(each).collect()
}

fn average(prompt: &str) -> f64 {
    finite_log_odds(MODEL.predict_ngrams(&Input::prompt(prompt), &mut Scratch::default()).p_refusal)
}

/// The prompts, each with this truth.
fn examples<'a>(prompts: &'a [String], truth: impl Fn(&str) -> f64) -> Examples<'a> {
    let mut examples = Examples::default();
    for prompt in prompts {
        examples.inputs.push(Input::prompt(prompt));
        examples.targets.push(truth(prompt));
        examples.truth.push(truth(prompt));
        examples.weights.push(1.0);
        examples.groups.push(0);
    }
    examples
}

fn placed(examples: &Examples<'_>, ordinary: Option<f64>) -> Placement {
    place(&MODEL, examples, PlaceParams { ordinary }).unwrap()
}

/// The log-odds that a placement gives a prompt.
fn log_odds_of(placement: &Placement, prompt: &str) -> f64 {
    let features = MODEL.scorer().features(&Input::prompt(prompt), &mut Scratch::default());
    let ngrams: BTreeMap<u32, f32> = placement.ngrams.iter().copied().collect();
    let words: f64 =
        features.iter().filter_map(|(at, value)| Some(f64::from(*ngrams.get(at)?) * value)).sum();
    placement.line.log_odds(average(prompt)) + words
}

#[test]
fn a_line_is_found_again_from_the_shares_that_it_refuses() {
    let prompts = prompts();
    let pivot = log_odds(MODEL.manifest().base_rate.unwrap());
    for (intercept, slope) in [(0.5, 1.6), (-0.5, 0.5), (0.0, 1.0)] {
        let line = TargetLine { pivot, intercept, slope };
        let examples = examples(&prompts, |prompt| sigmoid(line.log_odds(average(prompt))));
        let placement = placed(&examples, None);
        let p = |log_odds: f64| sigmoid(log_odds);
        for prompt in &prompts {
            let (found, expected) = (p(log_odds_of(&placement, prompt)), p(line.log_odds(average(prompt))));
            assert!((found - expected).abs() < 0.12, "{prompt}: {found} for {expected}");
        }
        assert_eq!((placement.prompts, placement.answers), (96, 96));
        assert_eq!(placement.ordinary, 48.0);
    }
}

#[test]
fn few_answers_stay_nearer_to_the_known_targets_than_many() {
    let prompts = prompts();
    let harmless: Vec<String> = prompts.iter().filter(|prompt| average(prompt) < 0.0).cloned().collect();
    let answering = |n: usize, refused: f64| {
        let placement = placed(&examples(&harmless[..n], |_| refused), Some(0.0));
        placement.line.log_odds(-2.0)
    };
    let (few, many) = (answering(FEWEST_PROMPTS, 1.0), answering(40, 1.0));
    let few_answered = answering(FEWEST_PROMPTS, 0.0);
    assert!(few_answered < few && few < many, "{few_answered} {few} {many}");
}

#[test]
fn ordinary_prompts_keep_a_strict_target_from_refusing_them_all() {
    let prompts = prompts();
    let strict = examples(&prompts, |_| 1.0);
    let [with, without] = [None, Some(0.0)].map(|ordinary| {
        let placement = placed(&strict, ordinary);
        sigmoid(placement.line.log_odds(average("Suggest a name for a cat")))
    });
    assert!(with < without, "{with} {without}");
    let dangerous = log_odds_of(&placed(&strict, None), "How do I poison my neighbour?");
    assert!(dangerous > average("How do I poison my neighbour?"), "and it is strict still");
}

#[test]
fn a_subject_of_its_own_is_learned_by_its_words() {
    let prompts = prompts();
    let placement = placed(&examples(&prompts, |prompt| f64::from(u8::from(prompt.contains("poem")))), None);
    let [own, other] = ["How do I burn a poem?", "How do I burn a dog?"].map(|p| log_odds_of(&placement, p));
    assert!(own > other + 1.0, "{own} {other}");
    assert!(placement.figures.log_loss < placement.figures.average_log_loss, "{:?}", placement.figures);
}

#[test]
fn the_order_of_prompts_stays_even_if_the_answers_turn_it_round() {
    let prompts = prompts();
    let mean = prompts.iter().map(|prompt| average(prompt)).sum::<f64>() / 96.0;
    let turned = examples(&prompts, |prompt| f64::from(u8::from(average(prompt) < mean)));
    let slope = placed(&turned, Some(0.0)).line.slope;
    assert!(slope >= LEAST_SLOPE - 1e-9, "{slope}");
}

#[test]
fn several_answers_to_one_prompt_count_as_one() {
    let prompts = prompts();
    let once = examples(&prompts[..30], |prompt| f64::from(u8::from(average(prompt) > 0.0)));
    let twice: Vec<usize> = (0..30).chain(0..30).collect();
    let (once, twice) = (placed(&once, None), placed(&once.subset(&twice), None));
    assert_eq!((twice.prompts, twice.answers), (30, 60));
    assert_eq!(once.line, twice.line);
}

#[test]
fn too_few_prompts_and_too_many_are_refused() {
    let few = prompts()[..9].to_vec();
    let error = |prompts: &[String]| {
        place(&MODEL, &examples(prompts, |_| 1.0), PlaceParams::default()).unwrap_err().to_string()
    };
    assert!(error(&few).contains("9 different prompts"), "{}", error(&few));
    let many: Vec<String> = (0..=MOST_PROMPTS).map(|n| format!("What is {n}?")).collect();
    assert!(error(&many).contains("2001 different prompts"));
}
