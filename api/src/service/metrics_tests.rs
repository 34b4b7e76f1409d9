//! The text of the metrics has what was counted.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::service::options::Options;

/// Settings without adapters.
fn settings() -> Settings {
    let options =
        Options { adapters: vec!["none".to_owned()], max_concurrent: Some(7), ..Options::default() };
    options.resolve().unwrap()
}

#[test]
fn counts_are_in_the_text() {
    let metrics = Metrics::new(&settings()).unwrap();
    metrics.answered(0, StatusCode::OK, Duration::from_millis(3));
    metrics.answered(0, StatusCode::BAD_REQUEST, Duration::from_micros(1));
    let model = metrics.of_model("m", Field::Prompt, true);
    model.answered_by(Some(Tier::Encoder));
    model.answered_by(None);
    let encoder = metrics.of_encoder("m");
    encoder.taken([Duration::from_millis(1), Duration::from_millis(3)].into_iter(), 40);
    encoder.answered(Duration::from_millis(7));
    metrics.look(std::iter::empty(), [5, 7]);
    metrics.unparsed(StatusCode::BAD_REQUEST);
    model.predicted(Probability::new(0.95).unwrap(), Decision::Hold);
    metrics.of_model("c", Field::Response, false).classified(Form::Empty, None);
    metrics.reload_counter("refused").inc();
    let text = String::from_utf8(metrics.text().unwrap()).unwrap();
    assert!(!text.contains("/invocations"), "a route that is off has no metrics");
    for line in [
        "demur_http_requests_total{route=\"/v1/predict\",status=\"200\"} 1",
        "demur_http_requests_total{route=\"/v1/predict\",status=\"400\"} 1",
        "demur_http_request_duration_seconds_bucket{route=\"/v1/predict\",le=\"0.005\"} 2",
        "demur_p_refusal_bucket{model=\"m\",le=\"0.9\"} 0",
        "demur_p_refusal_count{model=\"m\"} 1",
        "demur_decisions_total{decision=\"hold\",model=\"m\"} 1",
        "demur_answers_total{form=\"empty\",model=\"c\"} 1",
        "demur_reloads_total{outcome=\"refused\"} 1",
        "demur_requests_limit 7",
        "demur_body_bytes_held 5",
        "demur_answer_bytes_held 7",
        "demur_http_requests_total{route=\"unparsed\",status=\"400\"} 1",
        "demur_tier_answers_total{model=\"m\",tier=\"encoder\"} 1",
        "demur_encoder_queue_wait_seconds_count{model=\"m\"} 2",
        "demur_encoder_batch_inputs_bucket{model=\"m\",le=\"2\"} 1",
        "demur_encoder_batch_tokens_sum{model=\"m\"} 40",
        "demur_encoder_seconds_bucket{model=\"m\",le=\"0.005\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}
