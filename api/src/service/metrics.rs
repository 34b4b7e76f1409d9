//! Counters and histograms in Prometheus' text format. Handles for the hot path are looked up once, at start or at load.

use std::time::Duration;

use actix_web::http::StatusCode;
use demur_predictor::{Decision, Field, Form, Model, Probability};
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::service::registry::Served;
use crate::service::route::Route;

/// Seconds: from a prompt (tens of microseconds) to a large batch.
const LATENCY: [f64; 14] = [5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.5, 2.0, 10.0];
/// P(refusal), in tenths.
const SCORE: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/// All of the service's metrics.
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    routes: Vec<RouteMetrics>,
    scores: HistogramVec,
    decisions: IntCounterVec,
    forms: IntCounterVec,
    models: IntGaugeVec,
    reloads: IntCounterVec,
    /// Requests at work.
    pub(crate) in_flight: IntGauge,
    /// Requests that were turned away for want of room or of patience.
    pub(crate) turned_away: IntCounterVec,
}

/// The handles of one route.
struct RouteMetrics {
    ok: IntCounter,
    seconds: Histogram,
}

/// The handles of one model.
#[derive(Debug, Clone)]
pub(crate) struct ModelMetrics {
    scores: Histogram,
    /// By decision; only a predictor has them.
    decisions: Vec<IntCounter>,
    /// By form; only a classifier has them.
    forms: Vec<IntCounter>,
}

impl ModelMetrics {
    /// Counts a prediction.
    pub(crate) fn predicted(&self, p_refusal: Probability, decision: Decision) {
        self.scores.observe(p_refusal.get());
        self.decisions.get(decision as usize).into_iter().for_each(IntCounter::inc);
    }

    /// Counts a judged answer.
    pub(crate) fn judged(&self, form: Form, p_refusal: Option<Probability>) {
        if let Some(p) = p_refusal {
            self.scores.observe(p.get());
        }
        self.forms.get(form as usize).into_iter().for_each(IntCounter::inc);
    }
}

impl Metrics {
    /// Registers all metrics.
    ///
    /// # Errors
    /// When a name is wrong or taken twice, which a test would show.
    pub(crate) fn new(max_concurrent: usize) -> prometheus::Result<Self> {
        let registry = Registry::new_custom(Some("demur".to_owned()), None)?;
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            prometheus::Result::Ok(counters)
        };
        let histograms = |name: &str, help: &str, label: &str, buckets: &[f64]| {
            let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            let histograms = HistogramVec::new(opts, &[label])?;
            registry.register(Box::new(histograms.clone()))?;
            prometheus::Result::Ok(histograms)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            prometheus::Result::Ok(gauge)
        };
        let requests =
            counters("http_requests_total", "Requests answered, by route and status", &["route", "status"])?;
        let seconds = histograms(
            "http_request_duration_seconds",
            "Time from a request's head to its answer, by route",
            "route",
            &LATENCY,
        )?;
        let routes = Route::ALL.iter().map(|route| RouteMetrics {
            ok: requests.with_label_values(&[route.name(), "200"]),
            seconds: seconds.with_label_values(&[route.name()]),
        });
        let models = IntGaugeVec::new(
            Opts::new("model_info", "1 for each loaded model, by name, field and digest"),
            &["model", "field", "digest"],
        )?;
        registry.register(Box::new(models.clone()))?;
        gauge("requests_limit", "Most requests at work at once")?
            .set(i64::try_from(max_concurrent).unwrap_or(i64::MAX));
        Ok(Self {
            routes: routes.collect(),
            scores: histograms("p_refusal", "P(refusal) of prompts and answers, by model", "model", &SCORE)?,
            decisions: counters("decisions_total", "Prompts by model and decision", &["model", "decision"])?,
            forms: counters(
                "answers_total",
                "Answers by model and the form they were recognised by",
                &["model", "form"],
            )?,
            reloads: counters("reloads_total", "Reloads by outcome", &["outcome"])?,
            in_flight: gauge("requests_in_flight", "Requests at work")?,
            turned_away: counters(
                "requests_turned_away_total",
                "Requests answered 429, by reason",
                &["reason"],
            )?,
            models,
            requests,
            registry,
        })
    }

    /// The handles of a model, which live on through reloads.
    pub(crate) fn of_model(&self, name: &str, field: Field) -> ModelMetrics {
        let decisions = [Decision::Send, Decision::Abstain, Decision::Hold];
        let decision = |decision: Decision| self.decisions.with_label_values(&[name, decision.name()]);
        let form = |form: Form| self.forms.with_label_values(&[name, form.name()]);
        let scores = self.scores.with_label_values(&[name]);
        match field {
            Field::Prompt => {
                ModelMetrics { scores, decisions: decisions.map(decision).to_vec(), forms: Vec::new() }
            }
            Field::Response => {
                ModelMetrics { scores, decisions: Vec::new(), forms: Form::ALL.map(form).to_vec() }
            }
        }
    }

    /// Says which models are loaded now.
    pub(crate) fn set_models(&self, served: &[Served]) {
        self.models.reset();
        for Served { name, model, .. } in served {
            self.set_model(name, model);
        }
    }

    fn set_model(&self, name: &str, model: &Model) {
        self.models.with_label_values(&[name, model.manifest().field.name(), model.digest()]).set(1);
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, route: Route, status: StatusCode, elapsed: Duration) {
        let of_route = &self.routes[route as usize];
        if status == StatusCode::OK {
            of_route.ok.inc();
        } else {
            self.requests.with_label_values(&[route.name(), status.as_str()]).inc();
        }
        of_route.seconds.observe(elapsed.as_secs_f64());
    }

    /// Counts a reload.
    pub(crate) fn reloaded(&self, outcome: &str) {
        self.reloads.with_label_values(&[outcome]).inc();
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn text(&self) -> prometheus::Result<Vec<u8>> {
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut out)?;
        Ok(out)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told() {
        let metrics = Metrics::new(7).unwrap();
        metrics.answered(Route::Predict, StatusCode::OK, Duration::from_millis(3));
        metrics.answered(Route::Predict, StatusCode::BAD_REQUEST, Duration::from_micros(1));
        let model = metrics.of_model("m", Field::Prompt);
        model.predicted(Probability::new(0.95).unwrap(), Decision::Hold);
        metrics.of_model("c", Field::Response).judged(Form::Empty, None);
        metrics.reloaded("refused");
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
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
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
