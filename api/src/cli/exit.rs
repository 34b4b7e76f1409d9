//! Turns an error into one message and an exit code.

use std::io;
use std::process::ExitCode;

use demur_data::DataError;
use demur_training::TrainingError;

use crate::cli::interrupt::Interrupted;
use crate::cli::terminal;
use crate::engine::Usage;
use crate::engine::batch::MissingColumn;

/// Prints an error once, with its chain, and returns its exit code.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.chain().any(is_closed_pipe) {
        // The reader of our output has seen enough (`demur predict - | head`), which is not an error.
        return ExitCode::SUCCESS;
    }
    terminal::note(&format!("error: {error:#}"));
    if let Some(hint) = hint(error) {
        terminal::note(&hint);
    }
    if error.is::<Interrupted>() {
        return ExitCode::from(130);
    }
    if is_wrong_use(error) {
        terminal::note("try `demur --help`, or `demur COMMAND --help`");
        return ExitCode::from(2);
    }
    ExitCode::FAILURE
}

/// The flag that helps with a column that is not found.
fn hint(error: &anyhow::Error) -> Option<String> {
    let of_data = error.chain().find_map(|cause| {
        // An error of training that is one of data shows no source of its own.
        let of_training = cause.downcast_ref().and_then(|error| match error {
            TrainingError::Data(error) => Some(error),
            _ => None,
        });
        match cause.downcast_ref().or(of_training) {
            Some(DataError::UnknownColumn { role, .. } | DataError::NoTextColumn { role, .. }) => Some(*role),
            _ => None,
        }
    });
    let role = of_data.or_else(|| error.downcast_ref::<MissingColumn>().and_then(|missing| missing.role))?;
    const WITH_FLAGS: [&str; 9] =
        ["prompt", "response", "messages", "label", "kind", "target", "split", "group", "weight"];
    WITH_FLAGS
        .contains(&role)
        .then(|| format!("name the column with --{role}-column; paths lead into objects and lists"))
}

/// Whether the command line is at fault, not the data.
fn is_wrong_use(error: &anyhow::Error) -> bool {
    let set = matches!(error.downcast_ref(), Some(TrainingError::Set { .. }));
    let output = matches!(
        error.downcast_ref(),
        Some(DataError::UnknownOutput { .. } | DataError::CompressedTable { .. })
    );
    error.is::<Usage>() || set || output
}

fn is_closed_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    // A `DataError` holds its cause in its message and not as a source, so walking the chain would not find
    // it.
    let cause = match error.downcast_ref() {
        Some(DataError::Write { cause, .. }) => Some(cause),
        _ => error.downcast_ref::<io::Error>(),
    };
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_seen_enough_is_told_from_other_failures() {
        let write = |kind: io::ErrorKind| DataError::Write { file: "-".to_owned(), cause: kind.into() };
        assert!(is_closed_pipe(&io::Error::from(io::ErrorKind::BrokenPipe)));
        assert!(is_closed_pipe(&write(io::ErrorKind::BrokenPipe)));
        assert!(!is_closed_pipe(&write(io::ErrorKind::StorageFull)));
        assert!(!is_closed_pipe(&Usage(String::new())));
    }
}
