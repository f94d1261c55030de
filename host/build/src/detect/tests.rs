use std::fs;

use tempfile::TempDir;

use super::plan;
use crate::{BuildError, BuildRequest, Language, World};

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("temporary folder");
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(path, text).expect("file");
    }
    folder
}

fn planned(files: &[(&str, &str)]) -> Result<(Language, String, World), BuildError> {
    let folder = folder(files);
    let request = BuildRequest { source: folder.path().to_owned(), ..BuildRequest::default() };
    plan(&request).map(|plan| (plan.language, plan.entry, plan.world))
}

#[test]
fn the_files_of_a_folder_tell_its_language() {
    let check = |files: &[(&str, &str)], language, entry: &str| {
        assert_eq!(planned(files).expect("a plan"), (language, entry.to_owned(), World::EntryScript));
    };
    check(&[("Cargo.toml", "")], Language::Rust, "Cargo.toml");
    check(&[("score.py", "")], Language::Python, "score.py");
    check(&[("app.js", "")], Language::JavaScript, "app.js");
    check(
        &[("package.json", r#"{"main": "./src/main.js"}"#), ("src/main.js", "")],
        Language::JavaScript,
        "src/main.js",
    );
    check(&[("square.c", "")], Language::C, "");
}

#[test]
fn the_manifest_decides_before_the_files() {
    let manifest = "language = 'python'\nworld = 'scorer'\nentry = 'main.py'";
    let plan = planned(&[("scorehost.toml", manifest), ("main.py", ""), ("app.js", "")]).expect("a plan");
    assert_eq!(plan, (Language::Python, "main.py".into(), World::Scorer));
}

#[test]
fn a_folder_of_two_languages_or_none_is_refused() {
    assert!(matches!(planned(&[("score.py", ""), ("app.js", "")]), Err(BuildError::Ambiguous { .. })));
    assert!(matches!(planned(&[("notes.txt", "")]), Err(BuildError::NothingToBuild(_))));
}

#[test]
fn a_main_file_that_is_not_there_is_named() {
    let error = planned(&[("scorehost.toml", "entry = 'scores.py'")]).expect_err("no such file");
    assert!(error.to_string().ends_with("has no file 'scores.py'"), "{error}");
}

#[test]
fn environment_files_are_found_by_name() {
    let folder = folder(&[("score.py", ""), ("requirements.txt", "six==1.17.0\n")]);
    let request = BuildRequest { source: folder.path().to_owned(), ..BuildRequest::default() };
    assert_eq!(plan(&request).expect("a plan").packages.requirements, ["six==1.17.0"]);
}
