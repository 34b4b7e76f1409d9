//! Tests the queue with a stand-in for the encoder.

use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use demur_predictor::encoder::EncoderError;

use super::*;
use crate::service::metrics::Metrics;
use crate::service::options::Options;

/// Batches, each as the prompts in it.
type Seen = Arc<Mutex<Vec<Vec<String>>>>;

/// A stand-in: a token for each word, the number of characters for a logit, and a gate that each batch waits at.
struct StandIn {
    seen: Seen,
    gate: mpsc::Receiver<()>,
}

impl Work for StandIn {
    fn count(&mut self, input: &InputBuf) -> usize {
        input.as_input().prompt.unwrap_or_default().split(' ').count()
    }

    fn answer(&mut self, requests: &[EncoderRequest]) -> Result<Vec<EncoderReply>, EncoderError> {
        let prompts: Vec<String> =
            requests.iter().map(|request| request.input.as_input().prompt.unwrap().to_owned()).collect();
        self.seen.lock().unwrap().push(prompts.clone());
        // A dropped gate counts as open.
        let _ = self.gate.recv();
        if prompts.iter().any(|prompt| prompt == "panic") {
            panic!("as it was asked to");
        }
        if prompts.iter().any(|prompt| prompt == "fail") {
            return Err(EncoderError::NotBuilt);
        }
        Ok(prompts
            .iter()
            .map(|prompt| EncoderReply { logit: prompt.len() as f64, direction: None })
            .collect())
    }
}

struct Fixture {
    queue: EncoderQueue,
    seen: Seen,
    gate: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

fn start(tokens: usize, wait: Duration, most: usize) -> Fixture {
    let (gate, at_gate) = mpsc::channel();
    let seen = Seen::default();
    let work = StandIn { seen: Arc::clone(&seen), gate: at_gate };
    let settings = Options::default().resolve().unwrap();
    let metrics = Metrics::new(&settings).unwrap().of_encoder("m");
    let (queue, thread) = EncoderQueue::start(work, Batching { tokens, wait, most }, metrics).unwrap();
    Fixture { queue, seen, gate, thread }
}

fn requests(prompts: &[&str]) -> Vec<EncoderRequest> {
    let request =
        |prompt: &&str| EncoderRequest { input: InputBuf::from(&Input::prompt(prompt)), nearest: None };
    prompts.iter().map(request).collect()
}

/// Runs on a runtime of its own.
fn run<T>(future: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(future)
}

/// Asks in the background.
fn spawn(
    queue: &EncoderQueue,
    prompts: &[&str],
) -> actix_web::rt::task::JoinHandle<Result<Vec<f64>, Unanswered>> {
    let (queue, requests) = (queue.clone(), requests(prompts));
    actix_web::rt::spawn(async move {
        let answers = queue.ask(requests).await?;
        Ok(answers.into_iter().map(|answer| answer.logit).collect())
    })
}

/// Waits until a condition holds.
async fn until(what: impl Fn() -> bool) {
    let started = Instant::now();
    while !what() {
        assert!(started.elapsed() < Duration::from_secs(10), "it does not come");
        actix_web::rt::time::sleep(Duration::from_millis(1)).await;
    }
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_batch_takes_what_waits_up_to_the_budget_in_order() {
    run(async {
        let Fixture { queue, seen, gate, .. } = start(4, Duration::ZERO, 100);
        let first = spawn(&queue, &["a"]);
        until(|| seen.lock().unwrap().len() == 1).await;
        // More requests arrive while that one is at work.
        let others = [
            spawn(&queue, &["b b", "c"]),
            spawn(&queue, &["d d"]),
            spawn(&queue, &["e e e e e e"]),
            spawn(&queue, &["f"]),
        ];
        until(|| queue.depth() == 5).await;
        drop(gate);
        assert_eq!(first.await.unwrap(), Ok(vec![1.0]));
        let [b, d, e, f] = others;
        assert_eq!(b.await.unwrap(), Ok(vec![3.0, 1.0]));
        assert_eq!(d.await.unwrap(), Ok(vec![3.0]));
        assert_eq!(e.await.unwrap(), Ok(vec![11.0]));
        assert_eq!(f.await.unwrap(), Ok(vec![1.0]));
        let batches: Vec<String> = seen.lock().unwrap().iter().map(|batch| batch.join("|")).collect();
        assert_eq!(batches, ["a", "b b|c", "d d", "e e e e e e", "f"]);
        assert_eq!(queue.depth(), 0);
    });
}

#[test]
fn a_batch_that_is_not_full_waits_for_company_and_a_full_one_does_not() {
    run(async {
        let Fixture { queue, seen, gate, .. } = start(3, LONG, 100);
        drop(gate);
        let first = spawn(&queue, &["a"]);
        actix_web::rt::time::sleep(Duration::from_millis(30)).await;
        assert_eq!((seen.lock().unwrap().len(), queue.depth()), (0, 1), "it waits");
        let second = spawn(&queue, &["b b"]);
        assert_eq!(first.await.unwrap(), Ok(vec![1.0]));
        assert_eq!(second.await.unwrap(), Ok(vec![3.0]));
        assert_eq!(*seen.lock().unwrap(), [["a", "b b"]]);
        let Fixture { queue, gate, .. } = start(100, Duration::from_millis(20), 100);
        drop(gate);
        let started = Instant::now();
        assert_eq!(spawn(&queue, &["a"]).await.unwrap(), Ok(vec![1.0]));
        assert!(started.elapsed() >= Duration::from_millis(20), "it waits no longer, and no less");
    });
}

#[test]
fn a_full_queue_refuses_a_request_whole_and_at_once() {
    run(async {
        let Fixture { queue, seen, gate, .. } = start(100, Duration::ZERO, 3);
        let first = spawn(&queue, &["a"]);
        until(|| seen.lock().unwrap().len() == 1).await;
        let second = spawn(&queue, &["b", "c"]);
        until(|| queue.depth() == 2).await;
        assert_eq!(spawn(&queue, &["d", "e"]).await.unwrap(), Err(Unanswered::Full));
        let third = spawn(&queue, &["f"]);
        until(|| queue.depth() == 3).await;
        assert_eq!(spawn(&queue, &["g"]).await.unwrap(), Err(Unanswered::Full));
        drop(gate);
        for answered in [first, second, third] {
            assert!(answered.await.unwrap().is_ok());
        }
        assert_eq!(
            *seen.lock().unwrap(),
            [vec!["a"], vec!["b", "c", "f"]],
            "nothing of the refused was asked"
        );
        // A request with more inputs than the queue holds is let in when the queue is empty; else it could
        // never run.
        assert_eq!(spawn(&queue, &["a"; 9]).await.unwrap(), Ok(vec![1.0; 9]));
    });
}

#[test]
fn what_nobody_waits_for_any_more_costs_no_batch() {
    run(async {
        let Fixture { queue, seen, gate, .. } = start(100, Duration::ZERO, 100);
        let first = spawn(&queue, &["a"]);
        until(|| seen.lock().unwrap().len() == 1).await;
        let gone = spawn(&queue, &["b", "c"]);
        let stays = spawn(&queue, &["d"]);
        until(|| queue.depth() == 3).await;
        gone.abort();
        assert!(gone.await.is_err());
        drop(gate);
        assert!(first.await.unwrap().is_ok() && stays.await.unwrap().is_ok());
        assert_eq!(*seen.lock().unwrap(), [["a"], ["d"]]);
        assert_eq!(queue.depth(), 0);
    });
}

#[test]
fn a_failure_is_that_of_its_batch_alone() {
    run(async {
        let Fixture { queue, gate, .. } = start(1, Duration::ZERO, 100);
        drop(gate);
        for wrong in ["fail", "panic"] {
            assert_eq!(spawn(&queue, &[wrong]).await.unwrap(), Err(Unanswered::Failed));
            assert_eq!(spawn(&queue, &["a"]).await.unwrap(), Ok(vec![1.0]));
        }
        assert_eq!(spawn(&queue, &["a", "fail"]).await.unwrap(), Err(Unanswered::Failed));
    });
}

#[test]
fn a_queue_that_is_let_go_of_answers_what_waits_and_ends() {
    run(async {
        // Each waiting request holds a handle of the queue, so the last batch waits for its full time.
        let Fixture { queue, seen, gate, thread } = start(2, Duration::from_secs(2), 100);
        let asked: Vec<_> = (0..5).map(|_| spawn(&queue, &["a"])).collect();
        until(|| seen.lock().unwrap().len() == 1 && queue.depth() == 3).await;
        drop(queue);
        drop(gate);
        for answered in asked {
            assert_eq!(answered.await.unwrap(), Ok(vec![1.0]));
        }
        // The thread does not wait for inputs that cannot arrive any more.
        until(|| thread.is_finished()).await;
        assert_eq!(seen.lock().unwrap().len(), 3);
    });
}
