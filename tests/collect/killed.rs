//! A run that is killed or interrupted loses nothing that was finished, and asks nothing twice but what was
//! under way.

use std::process::Child;
use std::time::{Duration, Instant};

use super::target::{Asked, Target, answer, error, says};
use super::{Bench, Reply};
use crate::support::Run;

/// How many requests are under way at once.
const CONCURRENCY: usize = 8;

/// Takes some time, and fails now and then.
fn slow(asked: &Asked) -> Reply {
    let wait = Duration::from_millis(4 + asked.prompt.len() as u64 % 5);
    let reply = match asked.time {
        1 if asked.prompt.ends_with("7?") => error(500, "", "internal"),
        _ => says(&answer(&asked.prompt)),
    };
    Reply::After(wait, Box::new(reply))
}

fn killed_times(kills: usize, prompts: usize) {
    let bench = Bench::with_prompts(prompts);
    let target = Target::start(slow);
    let arguments = format!("--concurrency {CONCURRENCY}");
    let mut before = 0;
    for number in 0..kills {
        let mut child: Child = bench.ask(&target, &arguments).start();
        // It is at work when it has asked something; then at a moment that differs each time.
        let started = Instant::now();
        while target.requests() == before && child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < Duration::from_secs(60), "it does not start");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis((number as u64 * 37) % 90));
        child.kill().unwrap();
        child.wait().unwrap();
        before = target.requests();
        is_whole(&bench);
    }
    bench
        .ask(&target, &format!("{arguments} --export killed.jsonl"))
        .succeeds()
        .says(&format!("{prompts} of {prompts} answers"));
    is_whole(&bench);
    let calm = Bench::with_prompts(prompts);
    calm.ask(&Target::start(slow), "--export calm.jsonl").succeeds();
    assert_eq!(bench.dir.text("killed.jsonl"), calm.dir.text("calm.jsonl"), "nothing lost, nothing invented");
    let failing = (0..prompts).filter(|n| n % 10 == 7).count();
    let most = prompts + failing + kills * CONCURRENCY;
    assert!(target.requests() <= most, "{} requests, {most} at most", target.requests());
    assert_eq!(target.asked().len(), prompts);
}

/// Asserts that the file of a store is whole.
fn is_whole(bench: &Bench) {
    if bench.is_file() {
        let store = rusqlite::Connection::open(bench.dir.path("answers.db")).unwrap();
        let found: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(found, "ok");
    }
}

#[test]
fn a_run_that_is_killed_goes_on_as_if_it_had_not_been() {
    killed_times(4, 150);
}

#[test]
#[ignore = "takes a minute; the same four times is in every run"]
fn a_run_that_is_killed_twenty_times_goes_on_as_if_it_had_not_been() {
    killed_times(20, 1000);
}

#[test]
fn an_interrupted_run_keeps_what_was_under_way() {
    let bench = Bench::with_prompts(300);
    let target = Target::start(|asked| {
        Reply::After(Duration::from_millis(150), Box::new(says(&answer(&asked.prompt))))
    });
    let child = bench.ask(&target, "--concurrency 4").start();
    let started = Instant::now();
    while target.requests() < 8 {
        assert!(started.elapsed() < Duration::from_secs(60), "it does not start");
        std::thread::sleep(Duration::from_millis(5));
    }
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let run = Run::of(child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(130), "{}", run.stderr);
    run.says("ending: waiting for the answers that are under way").says("the same command goes on from here");
    let asked = target.requests();
    assert!(asked < 300);
    assert_eq!(bench.exported().len(), asked, "every request that was sent has its answer in the store");
    bench.ask(&target, "--concurrency 64").succeeds().says("300 of 300 answers");
    assert_eq!(target.requests(), 300, "none was asked twice");
}

#[test]
fn two_runs_do_not_ask_the_same() {
    let bench = Bench::with_prompts(40);
    let target = Target::start(|asked| {
        Reply::After(Duration::from_millis(300), Box::new(says(&answer(&asked.prompt))))
    });
    let mut first = bench.ask(&target, "--concurrency 2").start();
    while target.requests() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = bench.ask(&target, "--concurrency 2").run();
    assert_eq!(second.code, Some(1), "{}", second.stderr);
    second.says("another run");
    first.kill().unwrap();
    first.wait().unwrap();
}
