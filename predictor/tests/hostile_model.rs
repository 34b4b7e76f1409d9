//! A model directory from an untrusted author: sizes beyond any memory, and files of the wrong type, are
//! rejected at once.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use demur_predictor::{Bundled, Model, ModelError};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A copy of a bundled model on disk.
fn saved() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("model");
    Model::bundled(Bundled::Response).unwrap().save(&path).unwrap();
    (dir, path)
}

#[test]
fn sizes_that_wrap_round_are_refused() {
    let (_dir, path) = saved();
    let file = path.join("manifest.json");
    let manifest: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let views = manifest["views"].as_array().unwrap();
    let features = |at: usize| views[at]["features"].as_u64().unwrap();
    assert!(views.len() > 1, "the model has several views");
    // The sizes overflow: their 64-bit sum is unchanged.
    let mut wrapped = manifest.clone();
    wrapped["views"][0]["features"] = json!(u64::MAX);
    wrapped["views"][1]["features"] = json!(features(0) + features(1) + 1);
    fs::write(&file, wrapped.to_string()).unwrap();
    let error = Model::load(&path).unwrap_err();
    assert!(matches!(error, ModelError::Layout { .. }), "{error}");
    assert!(error.to_string().contains("more than can be counted"), "{error}");
    // The same across the model's own views and those of its kinds.
    let mut wrapped = manifest.clone();
    let own: u64 = (1..views.len()).map(features).sum();
    wrapped["views"][0]["features"] = json!(u64::MAX - own);
    wrapped["kinds"]["views"][0]["features"] = json!(1);
    fs::write(&file, wrapped.to_string()).unwrap();
    let error = Model::load(&path).unwrap_err();
    assert!(matches!(error, ModelError::Size { .. } | ModelError::Layout { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_device_in_the_place_of_a_file_is_refused_at_once() {
    for name in ["manifest.json", "weights.safetensors"] {
        let (_dir, path) = saved();
        let file = path.join(name);
        fs::remove_file(&file).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
        let error = Model::load(&path).unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{name}: {error}");
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
        let error = Model::load(&path).unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{name}: {error}");
    }
}
