//! The shapes of other APIs that the service can speak, by name: what `--adapters` lists; and the names of the two
//! labels, which some of these shapes give.

use crate::engine::Usage;

/// The shape of another API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adapter {
    /// The generic guardrail of `LiteLLM`.
    Litellm,
    /// `/classify` of vLLM, `/v1/classify` of `SGLang`.
    Vllm,
    /// `/v1/moderations` of `OpenAI`.
    Moderations,
    /// `/predict` of Text Embeddings Inference.
    Tei,
    /// Version 1 of the protocol of `KServe`.
    Kserve,
    /// The Open Inference protocol: version 2 of `KServe`'s, and Triton's over HTTP.
    OpenInference,
    /// The scoring server of `MLflow`.
    Mlflow,
    /// The text detectors of the FMS guardrails orchestrator.
    Fms,
    /// The webhook of Portkey's gateway.
    Portkey,
    /// The shields of Llama Stack.
    LlamaStack,
    /// The external authorization of Envoy, over HTTP.
    Envoy,
}

impl Adapter {
    /// All of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Litellm,
        Self::Vllm,
        Self::Moderations,
        Self::Tei,
        Self::Kserve,
        Self::OpenInference,
        Self::Mlflow,
        Self::Fms,
        Self::Portkey,
        Self::LlamaStack,
        Self::Envoy,
    ];

    /// The name in `--adapters`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Litellm => "litellm",
            Self::Vllm => "vllm",
            Self::Moderations => "moderations",
            Self::Tei => "tei",
            Self::Kserve => "kserve",
            Self::OpenInference => "open-inference",
            Self::Mlflow => "mlflow",
            Self::Fms => "fms",
            Self::Portkey => "portkey",
            Self::LlamaStack => "llama-stack",
            Self::Envoy => "envoy",
        }
    }
}

/// The adapters that are switched on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Adapters(Vec<Adapter>);

impl Adapters {
    /// Reads the names of `--adapters`; without any, `default` says whether all are on.
    ///
    /// # Errors
    /// When a name is of no adapter, or `none` stands beside others.
    pub(crate) fn of_names(names: &[String], default: bool) -> Result<Self, Usage> {
        match names {
            [] if default => return Ok(Self(Adapter::ALL.to_vec())),
            [] => return Ok(Self(Vec::new())),
            [only] if only == "none" => return Ok(Self(Vec::new())),
            [only] if only == "all" => return Ok(Self(Adapter::ALL.to_vec())),
            _ => {}
        }
        let of_name = |name: &String| {
            Adapter::ALL.into_iter().find(|adapter| adapter.name() == name).ok_or_else(|| {
                let known: Vec<&str> = Adapter::ALL.into_iter().map(Adapter::name).collect();
                let known = known.join(", ");
                Usage(format!("--adapters {name}: there are {known}; or `all` or `none`, alone"))
            })
        };
        names.iter().map(of_name).collect::<Result<_, _>>().map(Self)
    }

    /// The names that switch these on.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        let none = self.0.is_empty().then_some("none");
        none.into_iter().chain(self.0.iter().map(|adapter| adapter.name()))
    }

    /// Whether a route that belongs to these adapters is on; a route of none always is.
    pub(crate) fn have(&self, adapters: &[Adapter]) -> bool {
        adapters.is_empty() || adapters.iter().any(|adapter| self.0.contains(adapter))
    }
}

/// What is said of the server and its models without asking them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    /// The version as text.
    Version,
    /// What the server is.
    Server,
    /// Whether it lives.
    Live,
    /// Whether it takes requests.
    Ready,
    /// What a model is.
    Model,
    /// Whether a model takes requests.
    ModelReady,
}

/// The names of the two labels, where a shape gives labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LabelNames {
    /// The label of what is not refused.
    pub(crate) complied: String,
    /// The label of a refusal.
    pub(crate) refused: String,
}

impl LabelNames {
    /// Reads the names of `--labels`.
    ///
    /// # Errors
    /// When they are not two different names.
    pub(crate) fn of_names(names: &[String]) -> Result<Self, Usage> {
        match names {
            [] => Ok(Self { complied: "Non-refusal".to_owned(), refused: "Refusal".to_owned() }),
            [complied, refused] if complied != refused && !complied.is_empty() && !refused.is_empty() => {
                Ok(Self { complied: complied.clone(), refused: refused.clone() })
            }
            other => Err(Usage(format!(
                "--labels {}: it must be two different names, that of what is not refused first: NORMAL,REJECTION",
                other.join(",")
            ))),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn adapters_are_named_alone_together_or_not_at_all() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let on = |list: &[&str], default| {
            let adapters = Adapters::of_names(&names(list), default).unwrap();
            Adapter::ALL.into_iter().filter(|adapter| adapters.have(&[*adapter])).count()
        };
        assert_eq!([on(&[], true), on(&[], false), on(&["all"], false), on(&["none"], true)], [11, 0, 11, 0]);
        let two = Adapters::of_names(&names(&["tei", "open-inference"]), true).unwrap();
        assert!(two.have(&[Adapter::Vllm, Adapter::Tei]) && two.have(&[]) && !two.have(&[Adapter::Vllm]));
        for wrong in [&["all", "tei"][..], &["tei", "none"], &["triton"], &[""]] {
            let error = Adapters::of_names(&names(wrong), true).unwrap_err();
            assert!(error.0.contains("litellm, vllm"), "{error:?}");
        }
    }

    #[test]
    fn labels_are_two_names() {
        let of = |names: &[&str]| {
            LabelNames::of_names(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(of(&[]).unwrap().refused, "Refusal");
        assert_eq!(of(&["NORMAL", "REJECTION"]).unwrap().complied, "NORMAL");
        for wrong in [&["a"][..], &["a", "a"], &["a", ""], &["a", "b", "c"]] {
            assert!(of(wrong).unwrap_err().0.contains("two different names"));
        }
    }
}
