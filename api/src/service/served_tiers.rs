//! A served model by all of its tiers, for handlers that await its encoder: no thread does.

use demur_predictor::encoder::Cascade;
use demur_predictor::{Input, Tiered};

use crate::engine::cascade::settle;
use crate::engine::tiered_model::{PendingEncoder, TieredModel};
use crate::service::bodies::Wanted;
use crate::service::error::ApiError;
use crate::service::job::{Job, with_scratch};
use crate::service::registry::Served;

/// Rows of a file that are put into an encoder's queue at once.
const PIECE: usize = 256;

/// A served model as one request asks it.
pub(crate) struct ServedTiers<'r> {
    served: &'r Served,
    /// When its n-gram tier answers alone; none for the model's own setting.
    cascade: Option<Cascade>,
    /// Inputs that are put into its encoder's queue at once.
    at_once: usize,
}

impl<'r> ServedTiers<'r> {
    /// The model as a request wants it.
    ///
    /// # Errors
    /// When the request wants a cascade that the model cannot do.
    pub(crate) fn of(served: &'r Served, wanted: Wanted) -> Result<Self, ApiError> {
        let own = settle(&served.model, wanted.cheap, wanted.cascade.map(Cascade::from));
        let own = own.map_err(|(field, reason)| ApiError::invalid(field, reason))?;
        Ok(Self { served, cascade: own.or(served.cascade), at_once: usize::MAX })
    }

    /// For the rows of a file: it may have more of them than the queue has room for, and takes its turn with others.
    pub(crate) fn in_pieces(self) -> Self {
        Self { at_once: PIECE, ..self }
    }

    /// Scores inputs, in order.
    ///
    /// # Errors
    /// When the encoder fails, or too much waits for it.
    pub(crate) async fn score(&self, inputs: &[Input<'_>], job: &Job) -> Result<Vec<Tiered>, ApiError> {
        self.with_encoder(job, |tiered| {
            with_scratch(|scratch| tiered.score(inputs, scratch)).map_err(ApiError::from)
        })
        .await
    }

    /// Computes what asks all tiers. What it would ask of the encoder is noted and asked, all at once, and then it is computed
    /// again with the replies: the n-grams of that take microseconds.
    ///
    /// # Errors
    /// Those of the computation; when the encoder fails, or too much waits for it.
    pub(crate) async fn with_encoder<T>(
        &self,
        job: &Job,
        compute: impl Fn(TieredModel<'_>) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let pending = PendingEncoder::default();
        loop {
            let computed = compute(TieredModel::pending(&self.served.model, self.cascade, &pending))?;
            let mut wanted = pending.take_wanted();
            let Some(queue) = self.served.queue.as_ref().filter(|_| !wanted.is_empty()) else {
                return Ok(computed);
            };
            while !wanted.is_empty() {
                let rest = wanted.split_off(self.at_once.min(wanted.len()));
                let requests = std::mem::replace(&mut wanted, rest);
                let replies = job.ask(queue, requests.clone()).await?;
                pending.learn(requests, replies);
            }
        }
    }
}
