//! `AdamW` (Loshchilov & Hutter 2019) on libtorch's tensors, with state that can be saved and restored, which
//! `tch`'s own optimiser does not offer.
//!
//! Each parameter may be computed in 16 bits. A copy in single precision then holds what is learned, and the
//! working tensor is set from it after each step.

use tch::{Kind, Tensor, no_grad};

use crate::error::TrainingError;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// A tensor that is fitted.
pub(crate) struct Param {
    pub(crate) name: String,
    /// Used in the computation; its gradient is taken.
    work: Tensor,
    /// The same values in single precision.
    master: Tensor,
    mean: Tensor,
    square: Tensor,
    /// Factor of the learning rate.
    scale: f64,
    decays: bool,
}

impl Param {
    /// Norms and biases do not decay, as is usual.
    pub(crate) fn new(name: String, work: Tensor, scale: f64) -> Self {
        let decays = !(name.ends_with("bias") || name.contains("LayerNorm"));
        let single = work.kind() == Kind::Float;
        let master = if single { work.shallow_clone() } else { work.detach().to_kind(Kind::Float) };
        let zeros = || no_grad(|| master.zeros_like().set_requires_grad(false));
        Self { name, mean: zeros(), square: zeros(), master, work, scale, decays }
    }

    /// What is learned, in single precision.
    pub(crate) const fn master(&self) -> &Tensor {
        &self.master
    }
}

/// The optimiser with its state.
pub(crate) struct AdamW {
    pub(crate) params: Vec<Param>,
    pub(crate) steps: u32,
    pub(crate) decay: f64,
    pub(crate) clip: f64,
}

impl AdamW {
    /// Clears the gradients.
    pub(crate) fn zero_grad(&mut self) {
        for param in &mut self.params {
            param.work.zero_grad();
        }
    }

    /// One step against the gradients, which are first scaled down to the maximum norm.
    pub(crate) fn step(&mut self, rate: f64) {
        no_grad(|| {
            let gradients: Vec<Option<Tensor>> =
                self.params.iter().map(|param| Some(param.work.grad()).filter(Tensor::defined)).collect();
            let norm = |gradient: &Tensor| gradient.norm_scalaropt_dtype(2.0, Kind::Float).double_value(&[]);
            let squares: f64 = gradients.iter().flatten().map(|gradient| norm(gradient).powi(2)).sum();
            let scale = (self.clip / squares.sqrt().max(1e-12)).min(1.0);
            self.steps += 1;
            let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
            let (one, two) = (1.0 - BETA_1.powi(steps), 1.0 - BETA_2.powi(steps));
            for (param, gradient) in self.params.iter_mut().zip(gradients) {
                let Some(gradient) = gradient else { continue };
                // In place where possible: a step is bound by memory, not by arithmetic.
                let mut gradient = gradient.to_kind(Kind::Float) * scale;
                let _ = param.mean.lerp_(&gradient, 1.0 - BETA_1);
                let _ = gradient.g_mul_scalar_((1.0 - BETA_2).sqrt());
                let _ = param.square.g_mul_scalar_(BETA_2);
                let _ = param.square.addcmul_(&gradient, &gradient);
                let rate = rate * param.scale;
                if param.decays {
                    let _ = param.master.g_mul_scalar_(1.0 - rate * self.decay);
                }
                // -(rate / one) * mean / (sqrt(square / two) + EPSILON), with the factor moved into the
                // divisor.
                let factor = -one / rate.max(f64::MIN_POSITIVE);
                let mut divisor = param.square.sqrt();
                let _ = divisor.g_mul_scalar_(factor / two.sqrt());
                let _ = divisor.g_add_scalar_(factor * EPSILON);
                let _ = param.master.addcdiv_(&param.mean, &divisor);
                if param.work.kind() != Kind::Float {
                    param.work.copy_(&param.master);
                }
            }
        });
    }

    /// The state by name, for a checkpoint.
    pub(crate) fn state(&self) -> Vec<(String, Tensor)> {
        let mut all = Vec::with_capacity(3 * self.params.len());
        for param in &self.params {
            all.push((format!("master.{}", param.name), param.master.detach()));
            all.push((format!("mean.{}", param.name), param.mean.shallow_clone()));
            all.push((format!("square.{}", param.name), param.square.shallow_clone()));
        }
        all
    }

    /// Restores the state from a checkpoint.
    ///
    /// # Errors
    /// [`TrainingError::Checkpoint`] when a tensor is missing or has another shape.
    pub(crate) fn restore(&mut self, state: &[(String, Tensor)]) -> Result<(), TrainingError> {
        let find = |name: String| {
            let found = state.iter().find(|(known, _)| *known == name).map(|(_, tensor)| tensor);
            found.ok_or_else(|| TrainingError::Checkpoint { reason: format!("`{name}` is missing") })
        };
        no_grad(|| {
            for param in &mut self.params {
                for (to, kind) in
                    [(&mut param.master, "master"), (&mut param.mean, "mean"), (&mut param.square, "square")]
                {
                    let from = find(format!("{kind}.{}", param.name))?;
                    let copied = to.f_copy_(from);
                    copied.map_err(|cause| TrainingError::Checkpoint { reason: cause.to_string() })?;
                }
                if param.work.kind() != Kind::Float {
                    param.work.copy_(&param.master);
                }
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_of_the_reference() {
        // torch 2.4.0: w = tensor([1., -2.]), loss = (w**2).sum(), AdamW(lr=0.1, weight_decay=0.01), three
        // steps.
        let work = Tensor::from_slice(&[1.0_f32, -2.0]).set_requires_grad(true);
        let params = vec![Param::new("w".to_owned(), work.shallow_clone(), 1.0)];
        let mut adam = AdamW { params, steps: 0, decay: 0.01, clip: 1e9 };
        for _ in 0..3 {
            adam.zero_grad();
            (&work * &work).sum(Kind::Float).backward();
            adam.step(0.1);
        }
        let found: Vec<f32> = Vec::try_from(work.detach()).unwrap_or_default();
        let expected = EXPECTED;
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
    }

    const EXPECTED: [f32; 2] = [0.698_911_25, -1.694_944_6];
}
