//! Files and directories that appear whole or not at all: the state before, during and after.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::Write;

use super::{AtomicDir, AtomicFile, remove_unfinished};

fn names(dir: &std::path::Path) -> Vec<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_committed_file_is_the_only_trace() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("out.txt");
    fs::write(&target, "old").unwrap();
    let mut file = AtomicFile::create(&target).unwrap();
    file.write_all(b"new").unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "old");
    file.commit().unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "new");
    assert_eq!(names(dir.path()), ["out.txt"]);
}

#[test]
fn a_dropped_file_leaves_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("out.txt");
    fs::write(&target, "old").unwrap();
    let mut file = AtomicFile::create(&target).unwrap();
    file.write_all(b"new").unwrap();
    drop(file);
    assert_eq!(fs::read_to_string(&target).unwrap(), "old");
    assert_eq!(names(dir.path()), ["out.txt"]);
}

#[test]
fn a_directory_replaces_the_old_one_whole() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("model");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("stale"), "").unwrap();
    let new = AtomicDir::create(&target).unwrap();
    fs::write(new.path().join("fresh"), "").unwrap();
    new.commit().unwrap();
    assert_eq!(names(&target), ["fresh"]);
    assert_eq!(names(dir.path()), ["model"]);
    let dropped = AtomicDir::create(&target).unwrap();
    fs::write(dropped.path().join("half"), "").unwrap();
    drop(dropped);
    assert_eq!(names(dir.path()), ["model"]);
}

#[test]
fn errors_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let directory = AtomicFile::create(dir.path()).unwrap_err().to_string();
    assert!(directory.contains("is a directory"), "{directory}");
    fs::write(dir.path().join("file"), "").unwrap();
    let file = AtomicDir::create(dir.path().join("file")).unwrap_err().to_string();
    assert!(file.contains("is a file"), "{file}");
}

/// The list of temporaries is global to the process, so this runs in a process of its own.
#[test]
fn a_process_that_is_ended_removes_what_it_began() {
    const ALONE: &str = "DEMUR_DATA_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let name = "atomic::tests::a_process_that_is_ended_removes_what_it_began";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        assert!(child.args([name, "--exact"]).env(ALONE, "1").status().unwrap().success());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = AtomicFile::create(dir.path().join("file")).unwrap();
    let model = AtomicDir::create(dir.path().join("model")).unwrap();
    assert_eq!(names(dir.path()).len(), 2);
    remove_unfinished();
    assert!(names(dir.path()).is_empty());
    assert!(file.commit().is_err());
    drop(model);
}

#[cfg(unix)]
#[test]
fn links_and_devices_stay_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("real"), dir.path().join("link"));
    fs::write(&real, "old").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let mut file = AtomicFile::create(&link).unwrap();
    file.write_all(b"new").unwrap();
    file.commit().unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), "new");
    AtomicFile::create("/dev/null").unwrap().commit().unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[cfg(unix)]
#[test]
fn a_link_whose_target_is_not_there_yet_stays_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("real"), dir.path().join("link"));
    std::os::unix::fs::symlink("real", &link).unwrap();
    AtomicFile::create(&link).unwrap().commit().unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && real.is_file());
    std::os::unix::fs::symlink("round", dir.path().join("round")).unwrap();
    let round = AtomicFile::create(dir.path().join("round")).unwrap_err().to_string();
    assert!(round.contains("leads to itself"), "{round}");
}

#[cfg(unix)]
#[test]
fn permissions_are_kept() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let allow = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let (file, model) = (dir.path().join("file"), dir.path().join("model"));
    fs::write(&file, "").unwrap();
    allow(&file, 0o600);
    let new = AtomicFile::create(&file).unwrap();
    let hidden = names(dir.path()).into_iter().find(|name| name.starts_with('.')).unwrap();
    assert_eq!(mode(&dir.path().join(hidden)), 0o600, "from the beginning on");
    new.commit().unwrap();
    assert_eq!(mode(&file), 0o600);

    fs::create_dir(&model).unwrap();
    fs::write(model.join("weights"), "").unwrap();
    allow(&model, 0o700);
    allow(&model.join("weights"), 0o640);
    let new = AtomicDir::create(&model).unwrap();
    assert_eq!(mode(new.path()), 0o700);
    fs::write(new.path().join("weights"), "new").unwrap();
    new.commit().unwrap();
    assert_eq!((mode(&model), mode(&model.join("weights"))), (0o700, 0o640));
    assert_eq!(fs::read_to_string(model.join("weights")).unwrap(), "new");
}

#[test]
fn missing_folders_are_made() {
    let dir = tempfile::tempdir().unwrap();
    AtomicFile::create(dir.path().join("a/b/file")).unwrap().commit().unwrap();
    AtomicDir::create(dir.path().join("c/d/model")).unwrap().commit().unwrap();
    assert!(dir.path().join("a/b/file").is_file() && dir.path().join("c/d/model").is_dir());
    fs::write(dir.path().join("e"), "").unwrap();
    let error = AtomicFile::create(dir.path().join("e/f")).unwrap_err().to_string();
    assert!(error.contains("cannot make the folder"), "{error}");
}

#[test]
fn a_directory_is_put_into_another_whose_own_files_stay() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("report");
    for name in ["tables/own.csv", "tables/terms.csv", "model/stale", "notes.txt"] {
        fs::create_dir_all(target.join(name).parent().unwrap()).unwrap();
        fs::write(target.join(name), "old").unwrap();
    }
    let new = AtomicDir::create(&target).unwrap();
    for name in ["tables/terms.csv", "model/weights", "figures/a.svg", "report.html"] {
        fs::create_dir_all(new.path().join(name).parent().unwrap()).unwrap();
        fs::write(new.path().join(name), "new").unwrap();
    }
    new.commit_into(&["model", "absent"]).unwrap();
    let read = |name: &str| fs::read_to_string(target.join(name)).unwrap();
    assert_eq!([read("tables/own.csv"), read("notes.txt")], ["old", "old"]);
    for name in ["tables/terms.csv", "model/weights", "figures/a.svg", "report.html"] {
        assert_eq!(read(name), "new", "{name}");
    }
    assert_eq!(names(&target.join("model")), ["weights"]);
    assert_eq!(names(dir.path()), ["report"]);
}
