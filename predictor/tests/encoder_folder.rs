//! What is said of a folder of an encoder that is not there, or not one that is known.

#![cfg(feature = "encoder")]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use demur_predictor::encoder::BaseFiles;

#[test]
fn a_folder_that_is_none_says_what_to_do() {
    let error = BaseFiles::find("no-such-encoder", &[PathBuf::from("somewhere")]).unwrap_err().to_string();
    assert!(
        error.contains("somewhere/no-such-encoder") && error.contains("scripts/setup-bert.sh"),
        "{error}"
    );
    let dir = tempfile::tempdir().unwrap();
    let read = |config: &str| {
        fs::write(dir.path().join("config.json"), config).unwrap();
        BaseFiles::read(dir.path()).unwrap_err().to_string()
    };
    assert!(read("{").contains("config.json"));
    assert!(read(r#"{"model_type": "gpt2"}"#).contains("`bert` and `mpnet` are known"));
    assert!(read(r#"{"model_type": "bert", "hidden_act": "relu"}"#).contains("only `gelu`"));
    assert!(read(r#"{"model_type": "bert", "hidden_size": "many"}"#).contains("`hidden_size`"));
    let good = r#"{"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 8, "max_position_embeddings": 16, "vocab_size": 5, "type_vocab_size": 2}"#;
    assert!(read(good).contains("vocab.txt"), "{}", read(good));
    assert!(
        read(&good.replace("\"num_attention_heads\": 2", "\"num_attention_heads\": 3")).contains("heads")
    );
}
