#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Component, Path};

use proptest::prelude::*;

use super::*;

type Check = fn(&PathError) -> bool;

#[test]
fn paths_stay_inside_the_model() {
    let long_name = "n".repeat(256);
    let long_path = ["p"; 513].join("/");
    let table: [(&str, Check); 15] = [
        ("", |error| *error == PathError::Empty),
        ("/etc/passwd", |error| matches!(error, PathError::Absolute(_))),
        ("/", |error| matches!(error, PathError::Absolute(_))),
        ("..", |error| matches!(error, PathError::Dots(_))),
        ("../x", |error| matches!(error, PathError::Dots(_))),
        ("a/../../x", |error| matches!(error, PathError::Dots(_))),
        ("a/./b", |error| matches!(error, PathError::Dots(_))),
        ("a//b", |error| matches!(error, PathError::EmptySegment(_))),
        ("a/", |error| matches!(error, PathError::EmptySegment(_))),
        ("a\\b", |error| matches!(error, PathError::Character { character: '\\', .. })),
        ("..\\x", |error| matches!(error, PathError::Character { character: '\\', .. })),
        ("a\0b", |error| matches!(error, PathError::Character { character: '\0', .. })),
        ("a\nb", |error| matches!(error, PathError::Character { character: '\n', .. })),
        (&long_name, |error| matches!(error, PathError::TooLong { .. })),
        (&long_path, |error| matches!(error, PathError::TooLong { .. })),
    ];
    for (path, expect) in table {
        let error = check_path(path).unwrap_err();
        assert!(expect(&error), "{path:?}: {error}");
    }
}

#[test]
fn usual_paths_are_accepted() {
    let longest_name = "n".repeat(255);
    for path in ["model.onnx", "a/b/c.bin", ".hidden", "...", "..a", "a b", "größe.txt", "C:", &longest_name] {
        assert_eq!(check_path(path), Ok(()), "{path:?}");
    }
}

#[test]
fn paths_together_make_a_folder() {
    assert_eq!(check_paths(["a/b", "a/c", "ab"]), Ok(()));
    assert_eq!(check_paths(["a", "b", "a"]), Err(PathError::Duplicate("a".to_owned())));
    assert_eq!(check_paths(["a/b/c", "a/b"]), Err(PathError::FileAndFolder("a/b".to_owned())));
    // '-' sorts before '/', so the two are not neighbours.
    assert_eq!(check_paths(["a", "a-b", "a/b"]), Err(PathError::FileAndFolder("a".to_owned())));
}

/// Segments and separators that traversal is made of, as well as ordinary ones.
fn any_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/".to_owned()),
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just("\\".to_owned()),
        Just("\0".to_owned()),
        "[a-c]{1,3}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn an_accepted_path_has_only_names_below_its_folder(path in any_path()) {
        if check_path(&path).is_ok() {
            let names: Vec<&str> = Path::new(&path)
                .components()
                .map(|component| match component {
                    Component::Normal(name) => name.to_str().unwrap(),
                    other => panic!("{path:?} has {other:?}"),
                })
                .collect();
            prop_assert_eq!(names.join("/"), path);
        }
    }

    #[test]
    fn a_path_of_ordinary_names_is_accepted(names in prop::collection::vec("[A-Za-z0-9_-]{1,20}", 1..10)) {
        prop_assert_eq!(check_path(&names.join("/")), Ok(()));
    }

    #[test]
    fn accepted_paths_can_be_written_below_one_folder(paths in prop::collection::vec("[ab](/[ab]){0,3}", 1..6)) {
        let folder = tempfile::tempdir().unwrap();
        let written = paths.iter().try_for_each(|path| {
            let file = folder.path().join(path);
            fs::create_dir_all(file.parent().unwrap())?;
            fs::File::create_new(file).map(drop)
        });
        prop_assert_eq!(check_paths(paths.iter().map(String::as_str)).is_ok(), written.is_ok());
    }
}
