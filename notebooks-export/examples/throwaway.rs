//! Temporary.
#![allow(clippy::unwrap_used)]
fn main() {
    let dir = std::path::PathBuf::from(std::env::args().nth(1).unwrap());
    let mut recipe = demur_training::Recipe::starter().unwrap();
    let plain = recipe.clone();
    recipe.resolve("/work/main/data/starter".as_ref());
    let data = demur_training::PipelineData::read(&recipe).unwrap();
    let out = demur_training::run(&plain, &data, demur_training::Progress::none()).unwrap();
    out.response.save(&dir.join("response")).unwrap();
    out.prompt.save(&dir.join("prompt")).unwrap();
    std::fs::write(dir.join("evaluation.json"), serde_json::to_string_pretty(&out.figures.to_json()).unwrap()).unwrap();
    let report = demur_notebooks_export::pipeline_report(&out.figures, &out.response, &out.prompt);
    std::fs::write(dir.join("report.ipynb"), report.to_string()).unwrap();
}
