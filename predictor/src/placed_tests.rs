//! Files of placed targets: written and read back, refused when anything is wrong, and used by both tiers.

#![allow(clippy::unwrap_used)]

use serde_json::Value;

use super::*;
use crate::{Bundled, Input, Scratch};

fn placed(model: &Model) -> PlacedTarget {
    PlacedTarget {
        format: PLACED_FORMAT,
        polarity: POLARITY.to_owned(),
        written_by: "demur".to_owned(),
        name: "mine".to_owned(),
        model: PlacedIn { name: model.manifest().name.clone(), digest: model.digest().to_owned() },
        line: TargetLine { pivot: -4.0, intercept: 0.5, slope: 1.5 },
        ngrams: vec![(3, 0.25), (70, -1.0)],
        prompts: 20,
        answers: 25,
        refused: 0.25,
        ordinary: 10.0,
        figures: PlacedFigures {
            average_log_loss: 0.7,
            log_loss: 0.5,
            average_accuracy: 0.6,
            accuracy: 0.8,
            majority: 0.7,
        },
        training: Vec::new(),
        learned: None,
        sha256: String::new(),
    }
    .sealed()
    .unwrap()
}

fn model() -> Model {
    Model::bundled(Bundled::Prompt).unwrap()
}

fn written(dir: &Path, placed: &PlacedTarget) -> PathBuf {
    let path = dir.join(format!("{}{PLACED_ENDING}", placed.name));
    fs::write(&path, serde_json::to_string_pretty(placed).unwrap()).unwrap();
    path
}

#[test]
fn a_line_moves_log_odds_and_the_average_line_moves_none() {
    let line = TargetLine { pivot: -4.0, intercept: 0.5, slope: 1.5 };
    assert_eq!(line.log_odds(-4.0), -3.5);
    assert_eq!(line.log_odds(0.0), 2.5);
    let none = TargetLine { pivot: -4.0, intercept: 0.0, slope: 1.0 };
    for p in [0.0, 1e-9, 0.3, 1.0] {
        let p = Probability::new(p).unwrap();
        assert!((none.apply(p).get() - p.get()).abs() < 1e-11, "{p}");
    }
}

#[test]
fn a_file_is_read_back_alone_and_from_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let placed = placed(&model());
    let path = written(dir.path(), &placed);
    assert_eq!(PlacedTarget::load(&path).unwrap(), placed);
    fs::write(dir.path().join("other.json"), "{}").unwrap();
    assert_eq!(PlacedTarget::load_all(dir.path()).unwrap(), [placed]);
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(PlacedTarget::load_all(empty.path()), Err(PlacedError::Empty { .. })));
    assert!(matches!(PlacedTarget::load(&dir.path().join("none")), Err(PlacedError::Io { .. })));
}

#[test]
fn a_file_that_was_changed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let placed = placed(&model());
    let path = written(dir.path(), &placed);
    let text = fs::read_to_string(&path).unwrap();
    let wrong = |text: String| {
        fs::write(&path, text).unwrap();
        PlacedTarget::load(&path).unwrap_err().to_string()
    };
    assert!(wrong(text.replace("1.5", "2.5")).contains("it was changed"));
    assert!(wrong(text[..text.len() / 2].to_owned()).contains("no placed target"));
    assert!(wrong(text.replace("refused=1", "refused=0")).contains("label polarity"));
    assert!(wrong(text.replace("\"format\": 1", "\"format\": 2")).contains("use a newer demur"));
    assert!(wrong(String::new()).contains("no placed target"));
    // Sealed, and wrong all the same.
    let sealed = |change: &dyn Fn(&mut PlacedTarget)| {
        let mut other = placed.clone();
        change(&mut other);
        wrong(serde_json::to_string(&other.sealed().unwrap()).unwrap())
    };
    assert!(sealed(&|placed| placed.line.slope = 0.0).contains("does not rise"));
    assert!(sealed(&|placed| placed.ngrams.reverse()).contains("not in order"));
    assert!(sealed(&|placed| placed.name = " ".to_owned()).contains("name is empty"));
    assert!(sealed(&|placed| placed.name = "n\n".repeat(3)).contains("control characters"));
    let unknown: Value = serde_json::from_str(&text).unwrap();
    let mut unknown = unknown;
    unknown["more"] = Value::from(1);
    assert!(wrong(unknown.to_string()).contains("unknown field"));
}

#[test]
fn a_model_takes_its_own_placed_targets_and_no_others() {
    let target = placed(&model());
    let model = model().with_placed(target.clone()).unwrap();
    assert!(model.knows_target("mine") && model.known_targets().contains(&"mine"));
    let mut scratch = Scratch::default();
    let mut p = |target| {
        let input = Input { target, ..Input::prompt("Tell me how to build a pipe bomb") };
        model.predict_ngrams(&input, &mut scratch).p_refusal
    };
    let (average, mine) = (p(None), p(Some("mine")));
    assert_eq!(mine, target.line.apply(average), "these n-grams do not occur in it");
    assert_ne!(mine, average);
    assert_eq!(model.placed_digest("mine"), Some(target.sha256.as_str()));
    let twice = model.clone().with_placed(target.clone()).unwrap_err();
    assert!(matches!(twice, PlacedError::Known { .. }), "{twice}");
    let response = Model::bundled(Bundled::Response).unwrap();
    let other = response.with_placed(target).unwrap_err().to_string();
    assert!(other.contains("place the target again") && other.contains("bundled-response"), "{other}");
    let response = Model::bundled(Bundled::Response).unwrap();
    assert!(matches!(response.check_place_of("mine"), Err(PlacedError::NotAPredictor)));
}

#[test]
fn ngrams_of_a_placed_target_add_to_its_log_odds_in_proportion() {
    let model = model();
    let input = Input { target: Some("mine"), ..Input::prompt("Tell me how to build a pipe bomb") };
    let features = model.scorer().features(&input, &mut Scratch::default());
    let (feature, value) = features[features.len() / 2];
    let target = PlacedTarget { ngrams: vec![(feature, 2.0)], ..placed(&model) };
    let without = PlacedTarget { ngrams: Vec::new(), ..target.clone() };
    let log_odds = |target: PlacedTarget| {
        let placed = model.clone().with_placed(target.sealed().unwrap()).unwrap();
        finite_log_odds(placed.predict_ngrams(&input, &mut Scratch::default()).p_refusal)
    };
    let added = log_odds(target) - log_odds(without);
    assert!((added - 2.0 * value).abs() < 1e-9, "{added} {value}");
}
