//! The pace and the budget hold, and a run that has enough ends by itself.

use std::time::{Duration, Instant};

use super::Bench;
use super::target::{Target, answer, error, says};

#[test]
fn a_run_is_not_faster_than_it_may_be() {
    let bench = Bench::with_prompts(9);
    let target = Target::obliging();
    let started = Instant::now();
    bench.ask(&target, "--requests-per-minute 240").succeeds();
    // Eight waits of a quarter of a second.
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    let started = Instant::now();
    // About 15 tokens for each prompt, and 5 for an answer.
    bench.ask(&target, "--tokens-per-minute 6000 --max-tokens 5 --temperature 0").succeeds();
    assert!(started.elapsed() >= Duration::from_millis(1_000), "{:?}", started.elapsed());
}

#[test]
fn a_budget_is_never_exceeded_and_counts_what_was_spent_before() {
    let bench = Bench::with_prompts(40);
    let target = Target::start(|asked| match asked.time {
        1 if asked.prompt.contains("number 2") => error(500, "", "internal"),
        _ => says(&answer(&asked.prompt)),
    });
    bench.ask(&target, "--max-requests 10").succeeds().says("ended by --max-requests");
    assert_eq!(target.requests(), 10);
    bench.ask(&target, "--max-requests 15").succeeds().says("15 requests");
    assert_eq!(target.requests(), 15);
    // Each answered request has used 15 tokens, and is given about a thousand for an answer of unknown
    // length.
    let most = bench.exported().len() * 15 + 1150;
    let run = bench.ask(&target, &format!("--max-total-tokens {most}")).succeeds();
    run.says("ended by --max-total-tokens");
    let rows = bench.exported().len();
    assert!(rows < 40 && rows * 15 <= most, "{rows}");
    // 10 tokens there for 1 a million, 5 back for 4: 0.00003 each.
    bench.dir.write("prices.toml", "[\"m\"]\nin = 1.0\nout = 4.0\n");
    let other = "--system x --max-tokens 5 --prices prices.toml";
    let run = bench.ask(&target, &format!("{other} --max-cost 0.0005 --json")).succeeds();
    run.says("ended by --max-cost");
    let cost = run.json()["cost"].as_f64().unwrap();
    assert!(cost > 0.0003 && cost <= 0.0005, "{cost}");
    bench.dir.write("prices.toml", "[\"other\"]\nin = 1.0\nout = 4.0\n");
    bench.ask(&target, other).fails(1, &["prices.toml", "there is no [\"m\"]", "`other`"]);
}

#[test]
fn a_run_ends_when_the_rate_is_known_well_enough() {
    let bench = Bench::with_prompts(400);
    let target = Target::obliging();
    let run = bench.ask(&target, "--until-ci 0.2 --json --concurrency 4").succeeds();
    run.says("ended by --until-ci");
    let progress = run.json();
    let [low, high] = [0, 1].map(|at| progress["interval"][at].as_f64().unwrap());
    assert!(high - low <= 0.2 && low < 0.25 && high > 0.25, "{progress}");
    assert!((50..120).contains(&progress["answered"].as_u64().unwrap()), "{progress}");
}

#[test]
fn a_budget_of_prompts_is_reached_once_by_every_strategy() {
    for strategy in ["random", "uncertain", "diverse"] {
        let bench = Bench::with_prompts(60);
        let target = Target::obliging();
        let ask = |budget: usize| {
            bench.ask(&target, &format!("--budget {budget} --strategy {strategy}")).succeeds()
        };
        ask(10).says("10 of 10 answers, 10 of them new");
        let first: Vec<String> = target.asked().into_keys().collect();
        ask(10).says("10 of 10 answers, 0 of them new");
        ask(25).says("25 of 25 answers, 15 of them new");
        assert_eq!(target.asked().len(), 25, "{strategy}");
        assert!(first.iter().all(|prompt| target.asked()[prompt] == 1), "{strategy}");
        assert_ne!(first, super::first_prompts(10), "{strategy} is no order of the file");
    }
}
