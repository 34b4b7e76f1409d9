//! A served model with all of its tiers. Handlers await its encoder, so no thread blocks on it.

use demur_predictor::encoder::Cascade;
use demur_predictor::{Input, Tiered};

use crate::engine::cascade::settle;
use crate::engine::tiered_model::{PendingEncoder, TieredModel};
use crate::service::bodies::Wanted;
use crate::service::error::ApiError;
use crate::service::job::{Job, with_scratch};
use crate::service::registry::Served;

/// How many rows of a file are put into an encoder's queue at a time.
const PIECE: usize = 256;

/// A served model with the settings of one request.
pub(crate) struct ServedTiers<'r> {
    served: &'r Served,
    /// When its n-gram tier answers alone; `None` for the model's own setting.
    cascade: Option<Cascade>,
    /// How many inputs are put into its encoder's queue at a time.
    at_once: usize,
}

impl<'r> ServedTiers<'r> {
    /// Applies the cascade that a request wants.
    ///
    /// # Errors
    /// When the model cannot use that cascade.
    pub(crate) fn of(served: &'r Served, wanted: Wanted) -> Result<Self, ApiError> {
        let own = settle(&served.model, wanted.cheap, wanted.cascade.map(Cascade::from));
        let own = own.map_err(|(field, reason)| ApiError::invalid(field, reason))?;
        Ok(Self { served, cascade: own.or(served.cascade), at_once: usize::MAX })
    }

    /// For the rows of a file: there may be more of them than the queue holds, so they go in pieces and
    /// alternate with other requests.
    pub(crate) fn in_pieces(self) -> Self {
        Self { at_once: PIECE, ..self }
    }

    /// Scores inputs, in order.
    ///
    /// # Errors
    /// When the encoder fails, or too many inputs wait for it.
    pub(crate) async fn score(&self, inputs: &[Input<'_>], job: &Job) -> Result<Vec<Tiered>, ApiError> {
        self.with_encoder(job, |tiered| {
            with_scratch(|scratch| tiered.score(inputs, scratch)).map_err(ApiError::from)
        })
        .await
    }

    /// Runs a computation that needs all tiers. Its encoder requests are recorded and sent all at once, and
    /// then it runs again with the replies. The second run is cheap, because n-grams take microseconds.
    ///
    /// # Errors
    /// Those of the computation, and when the encoder fails or too many inputs wait for it.
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
