//! `demur proxy --policy`: what is done with held prompts, for each target, and what a wrong file is answered
//! with.

use serde_json::json;

use crate::server::Server;
use crate::support::Dir;
use crate::upstream::{CHAT, HELD, Upstream, chat, completion};

fn proxy(upstream: &Upstream, policy: &str) -> Server {
    let dir = Dir::new();
    dir.write("policy.toml", policy);
    Server::of_command(upstream.command(&dir, "--policy policy.toml"))
}

#[test]
fn a_held_prompt_is_sent_for_the_target_that_is_least_likely_to_refuse_at_its_cost() {
    let upstream = Upstream::start();
    let proxy = proxy(
        &upstream,
        "mode = 'enforce'\n[prompts]\naction = 'reroute'\n\
         [route]\ncandidates = [{ target = 'dear', cost = 0.5 }, { target = 'strict' }, { target = 'mild', cost = 0.1 }]\n\
         [targets.strict.prompts]\nhold-from = 0\n",
    );
    let body =
        json!({"model": "strict", "messages": [{"role": "user", "content": "hello"}], "x": 1.50}).to_string();
    upstream.answers("200 OK", "{}");
    let reply = proxy.post(CHAT, &body);
    assert_eq!((reply.status, reply.headers["x-demur-model"].as_str()), (200, "mild"));
    assert!(upstream.asked().ends_with(&body.replace("strict", "mild")));
    // What is held from all of them is answered.
    let held = proxy.post(CHAT, chat(HELD));
    assert_eq!((held.status, &held.json()["error"]["code"]), (403, &json!("hold")));
    assert!(upstream.asked.try_recv().is_err());
    let metrics = proxy.get("/metrics").text();
    for action in ["reroute", "reject"] {
        let line = format!("demur_proxy_actions_total{{action=\"{action}\",done=\"true\",of=\"prompt\"}} 1");
        assert!(metrics.contains(&line), "{metrics}");
    }
}

#[test]
fn each_target_has_its_own_rules() {
    let upstream = Upstream::start();
    let proxy = proxy(
        &upstream,
        "mode = 'enforce'\n[prompts]\naction = 'reject'\n[targets.said.prompts]\naction = 'annotate'\n\
         [targets.quiet.prompts]\naction = 'pass'\n[targets.off.prompts]\njudge = false\n[targets.off.answers]\njudge = false\n",
    );
    let of = |model: &str| chat(HELD).replace("gpt-4o-mini", model);
    assert_eq!(proxy.post(CHAT, of("any")).status, 403);
    for (model, decision, answer) in [
        ("said", Some("hold"), Some("complied")),
        ("vendor/quiet", None, Some("complied")),
        ("off", None, None),
    ] {
        let whole = completion("Paris is the capital of France.");
        upstream.answers("200 OK\r\ncontent-type: application/json", &whole);
        let reply = proxy.post(CHAT, of(model));
        assert_eq!((reply.status, reply.text()), (200, whole), "{model}");
        let header = |name: &str| reply.headers.get(name).map(String::as_str);
        assert_eq!((header("x-demur-decision"), header("x-demur-answer")), (decision, answer), "{model}");
        upstream.asked();
    }
    let metrics = proxy.get("/metrics").text();
    assert!(metrics.contains("demur_decisions_total{decision=\"hold\",model=\"prompt\"} 3"), "{metrics}");
}

#[test]
fn a_flag_wins_over_the_policy_and_a_wrong_policy_is_refused_with_its_line() {
    let (upstream, dir) = (Upstream::start(), Dir::new());
    dir.write("policy.toml", "mode = 'enforce'\non-failure = 'open'\n");
    let flags = "--policy policy.toml --mode observe --fail-closed --max-chars 40";
    let proxy = Server::of_command(upstream.command(&dir, flags));
    upstream.answers("200 OK", "{}");
    assert_eq!(proxy.post(CHAT, chat(HELD)).headers["x-demur-decision"], "hold");
    assert_eq!(proxy.post(CHAT, chat(&HELD.repeat(2))).status, 422);
    dir.write("wrong.toml", "[prompts]\naction = 'annotate'\nhold_from = 0.3\n");
    dir.demur("proxy --upstream http://a --policy wrong.toml")
        .fails(1, &["wrong.toml", "line 3", "`hold_from`"]);
    dir.write("wrong.toml", "[answers]\naction = 'fallback'\n");
    let said = ["wrong.toml", "line 2", "answers.action", "--fallback"];
    dir.demur("proxy --upstream http://a --policy wrong.toml").fails(2, &said);
    dir.demur("proxy --upstream http://a --policy none.toml").fails(1, &["none.toml"]);
    dir.demur("proxy --upstream http://a --fallback b=http://c").fails(2, &["--fallback", "NAME=URL,MODEL"]);
}
