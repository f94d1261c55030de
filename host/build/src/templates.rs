//! New scorer projects.

use std::fs;
use std::path::Path;

use crate::embedded::{self, File};
use crate::languages::write_c_sdk;
use crate::source::OWN;
use crate::{BuildError, Language, World};

/// Writes a new project into `folder`, which must be empty or not exist: source, manifest, a sample request, a README, and
/// the SDK below `.scorehost/sdk` for editors.
///
/// # Errors
/// [`BuildError::NotEmpty`] where the folder holds something; [`BuildError::Io`] where it cannot be written.
pub fn write(language: Language, folder: &Path) -> Result<(), BuildError> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) || folder.is_file() {
        return Err(BuildError::NotEmpty(folder.to_owned()));
    }
    embedded::write(template(language), folder).map_err(BuildError::io("write", folder))?;
    let own = folder.join(OWN);
    match language {
        Language::Rust => embedded::write(embedded::SDK_RUST, &own.join("sdk/rust")),
        Language::Python => embedded::write(embedded::SDK_PYTHON, &own.join("sdk/python")),
        Language::JavaScript => embedded::write(embedded::SDK_JAVASCRIPT, &own.join("sdk/javascript")),
        Language::C => return write_c_sdk(World::EntryScript, false, &own.join("sdk/c")),
    }
    .map_err(BuildError::io("write", own))
}

const fn template(language: Language) -> &'static [File] {
    match language {
        Language::Rust => embedded::TEMPLATE_RUST,
        Language::Python => embedded::TEMPLATE_PYTHON,
        Language::JavaScript => embedded::TEMPLATE_JAVASCRIPT,
        Language::C => embedded::TEMPLATE_C,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::write;
    use crate::{BuildError, Language};

    #[test]
    fn every_template_has_what_a_project_needs() {
        for language in Language::ALL {
            let folder = tempfile::tempdir().expect("temporary folder");
            let project = folder.path().join("new");
            write(language, &project).expect("written");
            for file in ["README.md", "scorehost.toml", "sample-request.json", ".gitignore"] {
                assert!(project.join(file).is_file(), "{language} has no {file}");
            }
            assert!(fs::read_dir(project.join(".scorehost/sdk")).expect("the SDK").next().is_some(), "{language}");
        }
    }

    #[test]
    fn a_folder_with_files_is_not_touched() {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::write(folder.path().join("precious"), "").expect("file");
        assert!(matches!(write(Language::C, folder.path()), Err(BuildError::NotEmpty(_))));
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 1);
    }
}
