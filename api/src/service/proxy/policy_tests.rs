use super::*;

fn policy(text: &str, has_fallback: bool) -> Result<ProxyPolicy, String> {
    let file: PolicyFile = toml::from_str(text).map_err(|error| error.to_string())?;
    file.resolve(text, has_fallback).map_err(|error| error.0)
}

#[test]
fn a_target_has_its_own_rules_and_the_general_ones_where_it_has_none() {
    let text = "mode = 'enforce'\non-failure = 'closed'\n\
        [prompts]\naction = 'reroute'\nhold-from = 0.6\nsend-below = 0.4\n\
        [answers]\naction = 'fallback'\nhold-chars = 80\nhold-seconds = 1\n\
        [route]\ncandidates = [{ target = 'b', cost = 0.1 }]\nvalue = 2\n\
        [targets.a.prompts]\nhold-from = 0.9\n[targets.a.answers]\njudge = false\n";
    let found = policy(text, true).unwrap();
    let general = found.of(Some("nobody"));
    assert_eq!(general, found.of(None));
    assert_eq!(general.prompts.action, PromptAction::Reroute);
    let thresholds = general.prompts.thresholds.unwrap();
    assert_eq!((thresholds.send_below, thresholds.hold_from), (0.4, 0.6));
    assert_eq!((general.answers.hold_chars, general.answers.hold_for), (80, Duration::from_secs(1)));
    let own = found.of(Some("vendor/a"));
    assert_eq!((own.prompts.action, own.answers.judge), (PromptAction::Reroute, false));
    assert_eq!(own.prompts.thresholds.unwrap().hold_from, 0.9);
    assert!(found.judges_answers() && found.route.unwrap().value == 2.0);
}

#[test]
fn without_a_file_the_flags_say_what_is_done() {
    let none = policy("", false).unwrap();
    let rules = none.of(None);
    assert_eq!((rules.prompts.action, rules.answers.action), (PromptAction::Reject, AnswerAction::Annotate));
    let some = policy("", true).unwrap();
    let rules = some.of(None);
    assert_eq!(
        (rules.prompts.action, rules.answers.action),
        (PromptAction::Fallback, AnswerAction::Fallback)
    );
    assert!(rules.prompts.thresholds.is_none() && rules.answers.thresholds.is_none());
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_field() {
    for (text, said) in [
        ("mode = 'loud'", &["line 1", "loud"][..]),
        ("\nlevel = 1", &["line 2", "`level`"]),
        ("[prompts]\nactions = 'pass'", &["line 2", "`actions`"]),
        ("[answers]\naction = 'reject'", &["line 2", "reject", "fallback"]),
        ("[prompts]\n\nhold-from = 1.5", &["line 3", "hold-from", "from 0 to 1"]),
        ("[answers]\nhold-chars = 0", &["line 2", "hold-chars", "from 1 to 10000"]),
        ("[answers]\nhold-seconds = 61", &["line 2", "hold-seconds", "at most 60"]),
        ("[prompts]\naction = 'fallback'", &["line 2", "prompts.action", "--fallback"]),
        ("[targets.a.answers]\naction = 'fallback'", &["line 2", "targets.\"a\".answers.action"]),
        ("[prompts]\naction = 'reroute'", &["line 2", "prompts.action", "[route]"]),
        ("[prompts]\nhold-from = 0.2\nsend-below = 0.3", &["line 3", "prompts.send-below", "above"]),
        ("[prompts]\nsend-below = 0.3", &["line 2", "prompts.send-below", "hold-from"]),
        ("[route]\ncandidates = []", &["line 2", "route.candidates", "0 candidates"]),
        ("[route]\ncandidates = [{ target = 'a' }, { target = 'a' }]", &["line 2", "candidates[1]", "twice"]),
        ("[route]\ncandidates = [{ target = 'a' }]\nvalue = 0", &["line 3", "route.value", "above 0"]),
    ] {
        let error = policy(text, false).unwrap_err();
        assert!(said.iter().all(|part| error.contains(part)), "{text}: {error}");
    }
}

#[test]
fn the_policy_of_the_document_is_one() {
    let document = include_str!("../../../../docs/proxy.md");
    let (_, rest) = document.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let found = policy(text, true).unwrap();
    assert_eq!(found.of(Some("gpt-5.5")).prompts.action, PromptAction::Reject);
    assert_eq!(found.of(None).prompts.action, PromptAction::Reroute);
    assert_eq!(found.route.unwrap().candidates.len(), 2);
}
