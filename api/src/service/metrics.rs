//! Counters and histograms in Prometheus' text format. Handles for the hot path are looked up once, at
//! startup or when a model is loaded.

use std::time::Duration;

use actix_web::http::StatusCode;
use demur_predictor::{Decision, Field, Form, Model, Outcome, Probability, Tier};
use prometheus::{
    Encoder, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use crate::engine::process::resident_memory;
use crate::service::feedback::queue::Unkept;
use crate::service::feedback::tally::Tally;
use crate::service::learning::Learning;
use crate::service::maker::Maker;
use crate::service::process_metrics;
use crate::service::route::{ROUTES, Route};
use crate::service::settings::Settings;

/// Bucket bounds in seconds: from one prompt (tens of microseconds) to a large batch.
const LATENCY: [f64; 14] = [5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.5, 2.0, 10.0];
/// P(refusal), in tenths.
const SCORE: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
/// Inputs in an encoder's batch.
const INPUTS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 256.0];
/// Tokens in an encoder's batch.
const TOKENS: [f64; 8] = [16.0, 64.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 16384.0];

/// All of the service's metrics.
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    /// Of the routes that are switched on, by their number.
    routes: Vec<Option<RouteMetrics>>,
    scores: HistogramVec,
    decisions: IntCounterVec,
    forms: IntCounterVec,
    tiers: IntCounterVec,
    encoders: EncoderVectors,
    /// Of a service with a store for feedback.
    feedback: Option<Tally>,
    /// Of one that learns from it.
    learning: Option<IntCounterVec>,
    resident_memory: IntGauge,
    held: [IntGauge; 2],
    models: IntGaugeVec,
    reloads: IntCounterVec,
    proxy: ProxyVectors,
    /// Requests that wait or run outside the workers.
    pub(crate) in_flight: IntGauge,
    /// Requests that were refused for lack of room or because of a rate limit.
    pub(crate) turned_away: IntCounterVec,
}

/// The metrics of the encoders, by model.
struct EncoderVectors {
    depths: IntGaugeVec,
    waits: HistogramVec,
    inputs: HistogramVec,
    tokens: HistogramVec,
    seconds: HistogramVec,
}

/// The counters of a proxy.
struct ProxyVectors {
    answers: IntCounterVec,
    actions: IntCounterVec,
}

impl ProxyVectors {
    fn new(of: &Maker<'_>) -> prometheus::Result<Self> {
        let answers = "Answers that passed a proxy, by what they are";
        let actions =
            "What a proxy's policy does with held prompts and refused answers, and whether it was done";
        Ok(Self {
            answers: of.counters("upstream_answers_total", answers, &["answer"])?,
            actions: of.counters("proxy_actions_total", actions, &["of", "action", "done"])?,
        })
    }
}

impl EncoderVectors {
    fn new(of: &Maker<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            depths: of.gauges(
                "encoder_queue_depth",
                "Inputs that wait for an encoder, by model",
                &["model"],
            )?,
            waits: of.histograms(
                "encoder_queue_wait_seconds",
                "Time that inputs wait for their encoder, by model",
                "model",
                &LATENCY,
            )?,
            inputs: of.histograms(
                "encoder_batch_inputs",
                "Inputs of an encoder's batch, by model",
                "model",
                &INPUTS,
            )?,
            tokens: of.histograms(
                "encoder_batch_tokens",
                "Tokens of an encoder's batch, by model",
                "model",
                &TOKENS,
            )?,
            seconds: of.histograms(
                "encoder_seconds",
                "Time that an encoder takes for a batch, by model",
                "model",
                &LATENCY,
            )?,
        })
    }
}

/// The counters of learning, each from 0.
fn of_learning(of: &Maker<'_>) -> prometheus::Result<IntCounterVec> {
    let counters =
        of.counters("learning_total", "Lines that were learned from feedback, or were to be", &["outcome"])?;
    for outcome in Learning::ALL {
        counters.with_label_values(&[outcome.name()]);
    }
    Ok(counters)
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
    /// By tier.
    tiers: Vec<IntCounter>,
}

/// The handles of one encoder.
#[derive(Debug, Clone)]
pub(crate) struct EncoderMetrics {
    waits: Histogram,
    inputs: Histogram,
    tokens: Histogram,
    seconds: Histogram,
}

impl EncoderMetrics {
    /// Counts a batch that was taken off the queue, and how long each of its inputs waited.
    pub(crate) fn taken(&self, waits: impl ExactSizeIterator<Item = Duration>, tokens: usize) {
        self.inputs.observe(waits.len() as f64);
        self.tokens.observe(tokens as f64);
        waits.for_each(|wait| self.waits.observe(wait.as_secs_f64()));
    }

    /// Records the time that the encoder took for a batch.
    pub(crate) fn answered(&self, elapsed: Duration) {
        self.seconds.observe(elapsed.as_secs_f64());
    }
}

impl RouteMetrics {
    /// The handles of all routes that are switched on, in the order of their table.
    fn all(requests: &IntCounterVec, seconds: &HistogramVec, settings: &Settings) -> Vec<Option<Self>> {
        let of = |route: &Route| Self {
            ok: requests.with_label_values(&[route.path, "200"]),
            seconds: seconds.with_label_values(&[route.path]),
        };
        ROUTES.iter().map(|route| route.is_on(settings).then(|| of(route))).collect()
    }
}

impl ModelMetrics {
    /// Counts the tier of an answer, if the model has two.
    pub(crate) fn answered_by(&self, tier: Option<Tier>) {
        if let Some(tier) = tier {
            self.answered(tier, 1);
        }
    }

    /// Counts answers of a tier.
    pub(crate) fn answered(&self, tier: Tier, times: u64) {
        self.tiers.get(tier as usize).into_iter().for_each(|counter| counter.inc_by(times));
    }

    /// Counts a prediction.
    pub(crate) fn predicted(&self, p_refusal: Probability, decision: Decision) {
        self.scores.observe(p_refusal.get());
        self.decisions.get(decision as usize).into_iter().for_each(IntCounter::inc);
    }

    /// Counts a scored answer.
    pub(crate) fn classified(&self, form: Form, p_refusal: Option<Probability>) {
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
    /// When a name is invalid or taken twice, which a test would find.
    pub(crate) fn new(settings: &Settings) -> prometheus::Result<Self> {
        let registry = Registry::new_custom(Some("demur".to_owned()), None)?;
        let of = Maker(&registry);
        let requests = of.counters(
            "http_requests_total",
            "Requests answered, by route and status",
            &["route", "status"],
        )?;
        let seconds = of.histograms(
            "http_request_duration_seconds",
            "Time from a request's head to its answer, by route",
            "route",
            &LATENCY,
        )?;
        let limit = of.gauge("requests_limit", "Most requests at work at once")?;
        limit.set(i64::try_from(settings.limits.concurrent).unwrap_or(i64::MAX));
        Ok(Self {
            routes: RouteMetrics::all(&requests, &seconds, settings),
            scores: of.histograms(
                "p_refusal",
                "P(refusal) of prompts and answers, by model",
                "model",
                &SCORE,
            )?,
            decisions: of.counters("decisions_total", "Prompts by decision", &["model", "decision"])?,
            forms: of.counters(
                "answers_total",
                "Answers by model and the form they were recognised by",
                &["model", "form"],
            )?,
            proxy: ProxyVectors::new(&of)?,
            reloads: of.counters("reloads_total", "Reloads by outcome", &["outcome"])?,
            in_flight: of.gauge("requests_in_flight", "Requests that wait or run beside the small ones")?,
            turned_away: of.counters(
                "requests_turned_away_total",
                "Requests answered 429, by reason",
                &["reason"],
            )?,
            tiers: of.counters(
                "tier_answers_total",
                "Answers of models with an encoder, by model and the tier that gave them",
                &["model", "tier"],
            )?,
            encoders: EncoderVectors::new(&of)?,
            feedback: settings.feedback_store.is_some().then(|| Tally::new(&of)).transpose()?,
            learning: settings.learn_online.is_some().then(|| of_learning(&of)).transpose()?,
            resident_memory: of.gauge("resident_memory_bytes", "Memory that the process holds")?,
            held: [
                of.gauge("body_bytes_held", "Bytes of request bodies that are held")?,
                of.gauge("answer_bytes_held", "Bytes of answers that wait for their clients")?,
            ],
            models: of.gauges(
                "model_info",
                "1 for each loaded model, by name, field and digest",
                &["model", "field", "digest"],
            )?,
            requests,
            registry,
        })
    }

    /// The handles of a model; their counts continue across reloads.
    pub(crate) fn of_model(&self, name: &str, field: Field, has_encoder: bool) -> ModelMetrics {
        let decisions = [Decision::Send, Decision::Abstain, Decision::Hold];
        let decision = |decision: Decision| self.decisions.with_label_values(&[name, decision.name()]);
        let form = |form: Form| self.forms.with_label_values(&[name, form.name()]);
        let scores = self.scores.with_label_values(&[name]);
        let tiers = if has_encoder {
            let tier = |tier: Tier| self.tiers.with_label_values(&[name, tier.name()]);
            [Tier::Ngram, Tier::Encoder].map(tier).to_vec()
        } else {
            Vec::new()
        };
        let (decisions, forms) = match field {
            Field::Prompt => (decisions.map(decision).to_vec(), Vec::new()),
            Field::Response => (Vec::new(), Form::ALL.map(form).to_vec()),
        };
        ModelMetrics { scores, decisions, forms, tiers }
    }

    /// The handles of a model's encoder; their counts continue across reloads.
    pub(crate) fn of_encoder(&self, name: &str) -> EncoderMetrics {
        let of = |histograms: &HistogramVec| histograms.with_label_values(&[name]);
        EncoderMetrics {
            waits: of(&self.encoders.waits),
            inputs: of(&self.encoders.inputs),
            tokens: of(&self.encoders.tokens),
            seconds: of(&self.encoders.seconds),
        }
    }

    /// Sets the gauges: the queue depth of each model with an encoder, the memory that the process holds, and
    /// the bytes of bodies and answers.
    pub(crate) fn look<'a>(&self, depths: impl Iterator<Item = (&'a str, usize)>, held: [usize; 2]) {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for (gauge, bytes) in self.held.iter().zip(held) {
            gauge.set(number(bytes as u64));
        }
        for (name, depth) in depths {
            self.encoders.depths.with_label_values(&[name]).set(number(depth as u64));
        }
        self.resident_memory.set(number(resident_memory().unwrap_or_default()));
    }

    /// Sets which models are loaded now, by name.
    pub(crate) fn set_models<'a>(&self, loaded: impl Iterator<Item = (&'a str, &'a Model)>) {
        self.models.reset();
        for (name, model) in loaded {
            self.set_model(name, model);
        }
    }

    fn set_model(&self, name: &str, model: &Model) {
        self.models.with_label_values(&[name, model.manifest().field.name(), model.digest()]).set(1);
    }

    /// Counts a response of the route with this number.
    pub(crate) fn answered(&self, number: usize, status: StatusCode, elapsed: Duration) {
        // A route that is off has no handler, so none answers for it.
        let Some(of_route) = &self.routes[number] else { return };
        if status == StatusCode::OK {
            of_route.ok.inc();
        } else {
            self.requests.with_label_values(&[ROUTES[number].path, status.as_str()]).inc();
        }
        of_route.seconds.observe(elapsed.as_secs_f64());
    }

    /// Counts a response to bytes that are not an HTTP request, so they belong to no route.
    pub(crate) fn unparsed(&self, status: StatusCode) {
        self.requests.with_label_values(&["unparsed", status.as_str()]).inc();
    }

    /// The counter of the reloads with this outcome.
    pub(crate) fn reload_counter(&self, outcome: &str) -> IntCounter {
        self.reloads.with_label_values(&[outcome])
    }

    /// Counts an answer that passed a proxy.
    pub(crate) fn upstream_answered(&self, answer: &str) {
        self.proxy.answers.with_label_values(&[answer]).inc();
    }

    /// Counts what a proxy's policy does with a `prompt` or an `answer`; in observe it is not done.
    pub(crate) fn proxy_acted(&self, of: &str, action: &str, is_done: bool) {
        self.proxy.actions.with_label_values(&[of, action, if is_done { "true" } else { "false" }]).inc();
    }

    /// Counts what a target did.
    pub(crate) fn told(&self, target: &str, p_refusal: f64, outcome: Outcome) {
        self.feedback.iter().for_each(|tally| tally.count(target, p_refusal, outcome));
    }

    /// Counts what became of a line that was learned, or was to be.
    pub(crate) fn learning(&self, outcome: Learning) {
        self.learning.iter().for_each(|counters| counters.with_label_values(&[outcome.name()]).inc());
    }

    /// Counts what a target did and could not be written.
    pub(crate) fn feedback_unwritten(&self, why: Unkept) {
        self.feedback.iter().for_each(|tally| tally.unwritten(why));
    }

    /// Renders the text that Prometheus reads.
    ///
    /// # Errors
    /// When it cannot be rendered.
    pub(crate) fn text(&self) -> prometheus::Result<Vec<u8>> {
        let mut out = Vec::new();
        let families = [self.registry.gather(), process_metrics::gather()].concat();
        TextEncoder::new().encode(&families, &mut out)?;
        Ok(out)
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
