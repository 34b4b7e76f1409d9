//! `demur layouts`: the layouts of files that are recognised, with an example of each.

use demur_data::{LAYOUTS, Layout};
use serde_json::{Value, json};

use crate::cli::args::Layouts;
use crate::cli::terminal::{data, json as print_json};
use crate::engine::Usage;

/// How much of an example the table shows.
const SHOWN: usize = 40;

pub(crate) fn run(args: &Layouts) -> anyhow::Result<()> {
    let shown: Vec<&Layout> = match &args.name {
        None => LAYOUTS.to_vec(),
        Some(name) => {
            let known = || LAYOUTS.iter().map(|layout| layout.name).collect::<Vec<_>>().join(", ");
            let unknown = || Usage(format!("no layout is called `{name}`; there are {}", known()));
            vec![Layout::of_name(name).ok_or_else(unknown)?]
        }
    };
    if args.json {
        let one =
            |layout: &&Layout| json!({"name": layout.name, "title": layout.title, "example": layout.example});
        return print_json(&Value::Array(shown.iter().map(one).collect()));
    }
    if let (Some(_), [layout]) = (&args.name, shown.as_slice()) {
        data(&format!("{}\n", layout.example))?;
        return Ok(());
    }
    let name = shown.iter().map(|layout| layout.name.len()).max().unwrap_or_default();
    let title = shown.iter().map(|layout| layout.title.len()).max().unwrap_or_default();
    let mut text = format!("{:name$}  {:title$}  example\n", "name", "layout");
    for layout in shown {
        let example: String = layout.example.chars().take(SHOWN).collect();
        let more = if example.len() < layout.example.len() { "..." } else { "" };
        text.push_str(&format!("{:name$}  {:title$}  {example}{more}\n", layout.name, layout.title));
    }
    data(&text)?;
    Ok(())
}
