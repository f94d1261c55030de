//! Builds real scorers with real compilers. A test whose compiler is not installed is skipped with a line that says so;
//! with `REQUIRE_GUEST_TOOLCHAINS=1` it fails. `tests/install-guest-toolchains.sh` installs them.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use scorehost_build::{
    BuildError, BuildOutcome, BuildRequest, Builder, BuilderConfig, CacheUse, Language, Progress, Silent, templates,
};
use tempfile::TempDir;

/// Keeps what tools print.
#[derive(Default)]
struct Recorder(Mutex<String>);

impl Progress for Recorder {
    fn step(&self, what: &str) {
        self.output(what);
    }

    fn output(&self, line: &str) {
        let mut text = self.0.lock().unwrap();
        text.push_str(line);
        text.push('\n');
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A builder with caches of its own and the repository's toolchains.
fn builder(cache: &TempDir) -> Builder {
    let target = repository().join("target");
    let toolchains =
        std::env::var_os("SCOREHOST_TOOLCHAINS_DIR").map_or_else(|| target.join("toolchains"), PathBuf::from);
    Builder::new(BuilderConfig {
        toolchains_dir: toolchains,
        cargo_target_dir: target.join("guests"),
        ..BuilderConfig::below(cache.path())
    })
}

/// Whether the test of a language can run here.
fn has(language: Language) -> bool {
    let toolchains = std::env::var_os("SCOREHOST_TOOLCHAINS_DIR")
        .map_or_else(|| repository().join("target/toolchains"), PathBuf::from);
    let installed = |tool: &str| {
        let folders = fs::read_dir(&toolchains).into_iter().flatten().flatten();
        folders.into_iter().any(|folder| {
            folder.file_name().to_string_lossy().starts_with(tool) && folder.path().join(".complete").exists()
        })
    };
    let present = match language {
        Language::Rust => {
            let sysroot = std::process::Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
            let sysroot = PathBuf::from(String::from_utf8(sysroot.stdout).unwrap().trim());
            sysroot.join("lib/rustlib/wasm32-unknown-unknown/lib").is_dir()
                || Path::new("/usr/lib/rustlib/src/rust/library/std").is_dir()
        }
        Language::Python => installed("componentize-py"),
        Language::JavaScript => installed("componentize-qjs"),
        Language::C => installed("ziglang"),
    };
    if !present {
        assert!(std::env::var_os("REQUIRE_GUEST_TOOLCHAINS").is_none(), "no compiler for {language} scorers");
        eprintln!("skipped: no compiler for {language} scorers; run tests/install-guest-toolchains.sh");
    }
    present
}

fn request(source: &Path) -> BuildRequest {
    BuildRequest { source: source.to_owned(), ..BuildRequest::default() }
}

fn is_component(outcome: &BuildOutcome) -> bool {
    outcome.component.starts_with(b"\0asm\x0d\0\x01\0")
}

fn copy_example(name: &str, to: &Path) {
    let from = repository().join("plugins/examples").join(name);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// A new project of the template builds; a second build is a hit in milliseconds; a lost workspace cache falls back to the shared
/// one; an ignored file changes nothing; a changed source is built again.
fn template_goes_through_its_life(language: Language, main: &str) {
    if !has(language) {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let projects = tempfile::tempdir().unwrap();
    let builder = builder(&cache);
    let project = projects.path().join("new");
    templates::write(language, &project).unwrap();
    let out = projects.path().join("out.wasm");
    let built = builder.build(&BuildRequest { out: Some(out.clone()), ..request(&project) }, &Silent).unwrap();
    assert!(is_component(&built) && built.cache == CacheUse::Built && built.language == language);
    assert_eq!(fs::read(&out).unwrap(), built.component);
    // A C scorer is its own code and what it uses of the C library, without the library's debug data.
    assert!(language != Language::C || built.component.len() < 100_000, "{} bytes", built.component.len());

    fs::write(project.join(".amlignore"), "*.notes\n").unwrap();
    let ignoring = builder.build(&request(&project), &Silent).unwrap();
    fs::write(project.join("my.notes"), "ignored").unwrap();
    let hit = builder.build(&request(&project), &Silent).unwrap();
    assert_eq!((hit.cache, hit.digest, hit.log.as_str()), (CacheUse::Workspace, ignoring.digest, ""));

    fs::remove_dir_all(project.join(".scorehost/cache")).unwrap();
    assert_eq!(builder.build(&request(&project), &Silent).unwrap().cache, CacheUse::Shared);
    assert_eq!(builder.build(&request(&project), &Silent).unwrap().cache, CacheUse::Workspace);

    let source = fs::read_to_string(project.join(main)).unwrap();
    fs::write(project.join(main), source.replace("ready", "changed")).unwrap();
    assert_eq!(builder.build(&request(&project), &Silent).unwrap().cache, CacheUse::Built);
}

#[test]
fn rust_template_builds_and_is_cached() {
    template_goes_through_its_life(Language::Rust, "src/lib.rs");
}

#[test]
fn python_template_builds_and_is_cached() {
    template_goes_through_its_life(Language::Python, "score.py");
}

#[test]
fn javascript_template_builds_and_is_cached() {
    template_goes_through_its_life(Language::JavaScript, "app.js");
}

#[test]
fn c_template_builds_and_is_cached() {
    template_goes_through_its_life(Language::C, "score.c");
}

/// A broken source gives the compiler's own words, and its exit status.
fn compiler_error_is_shown_as_printed(language: Language, main: &str, broken: &str, words: &[&str]) {
    if !has(language) {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let projects = tempfile::tempdir().unwrap();
    let project = projects.path().join("broken");
    templates::write(language, &project).unwrap();
    fs::write(project.join(main), broken).unwrap();
    let seen = Recorder::default();
    let error = builder(&cache).build(&request(&project), &seen).map(drop).unwrap_err();
    assert!(matches!(error, BuildError::Compiler { .. }), "{error}");
    assert!(error.exit_code().is_some_and(|code| code != 0));
    let output = error.output().unwrap();
    for word in words {
        assert!(output.contains(word), "no {word:?} in:\n{output}");
        assert!(seen.0.lock().unwrap().contains(word), "not shown while it ran: {word:?}");
    }
}

#[test]
fn rustc_errors_are_shown_as_printed() {
    let words = ["error[E0425]", "--> src/lib.rs:1:20", "nowhere"];
    compiler_error_is_shown_as_printed(Language::Rust, "src/lib.rs", "pub fn f() -> i8 { nowhere }", &words);
}

#[test]
fn python_errors_are_shown_as_printed() {
    let words = ["Traceback", "score.py\", line 2", "ModuleNotFoundError"];
    compiler_error_is_shown_as_printed(Language::Python, "score.py", "# first line\nimport nowhere\n", &words);
}

#[test]
fn javascript_errors_are_shown_as_printed() {
    compiler_error_is_shown_as_printed(Language::JavaScript, "app.js", "export const x = ;\n", &["app.js"]);
}

#[test]
fn c_errors_are_shown_as_printed() {
    let words = ["score.c:1:22: error:", "nowhere"];
    compiler_error_is_shown_as_printed(Language::C, "score.c", "int f(void) { return nowhere; }\n", &words);
}

/// An example of the repository builds from a copy, so that its folder stays as it is.
fn example_builds(language: Language, name: &str) {
    if !has(language) {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let projects = tempfile::tempdir().unwrap();
    let project = projects.path().join(name);
    copy_example(name, &project);
    assert!(is_component(&builder(&cache).build(&request(&project), &Silent).unwrap()));
}

#[test]
fn identity_rust_example_builds_without_any_wasi_import() {
    if !has(Language::Rust) {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let outcome =
        builder(&cache).build(&request(&repository().join("plugins/examples/identity-rust")), &Silent).unwrap();
    assert!(is_component(&outcome));
    assert!(!outcome.component.windows(5).any(|bytes| bytes == b"wasi:"), "the component imports WASI");
}

#[test]
fn echo_python_example_builds() {
    example_builds(Language::Python, "echo-python");
}

#[test]
fn javascript_example_builds() {
    example_builds(Language::JavaScript, "threshold-javascript");
}

#[test]
fn c_example_builds() {
    example_builds(Language::C, "softmax-c");
}

#[test]
fn pure_python_packages_come_along_and_native_ones_are_refused_by_name() {
    if !has(Language::Python) {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let projects = tempfile::tempdir().unwrap();
    let project = projects.path().join("packages");
    templates::write(Language::Python, &project).unwrap();
    fs::write(
        project.join("score.py"),
        "import six\n\ndef init():\n    pass\n\ndef run(raw_data):\n    return six.ensure_str(raw_data)\n",
    )
    .unwrap();
    fs::write(project.join("requirements.txt"), "six==1.17.0\n").unwrap();
    assert!(is_component(&builder(&cache).build(&request(&project), &Silent).unwrap()));

    fs::write(project.join("requirements.txt"), "numpy\n").unwrap();
    let error = builder(&cache).build(&request(&project), &Silent).map(drop).unwrap_err();
    assert!(matches!(&error, BuildError::Package { package, .. } if package == "numpy"), "{error}");
}

/// Tests of an SDK in its own language, outside a component.
fn sdk_tests_pass(language: Language, program: &str, arguments: &[&str]) {
    if !has(language) {
        return;
    }
    let output = std::process::Command::new(program).args(arguments).current_dir(repository()).output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn python_sdk_passes_its_tests() {
    sdk_tests_pass(Language::Python, "python3", &["-B", "plugins/sdk/python/tests/test_sdk.py"]);
}

#[test]
fn javascript_sdk_passes_its_tests() {
    sdk_tests_pass(Language::JavaScript, "node", &["--test", "plugins/sdk/javascript/tests/"]);
}

#[test]
fn concurrent_builds_of_one_source_run_the_compiler_once() {
    if !has(Language::C) {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let projects = tempfile::tempdir().unwrap();
    let project = projects.path().join("same");
    templates::write(Language::C, &project).unwrap();
    let builder = builder(&cache);
    let uses: Vec<CacheUse> = std::thread::scope(|scope| {
        let builds: Vec<_> =
            (0..4).map(|_| scope.spawn(|| builder.build(&request(&project), &Silent).unwrap().cache)).collect();
        builds.into_iter().map(|build| build.join().unwrap()).collect()
    });
    assert_eq!(uses.iter().filter(|used| **used == CacheUse::Built).count(), 1, "{uses:?}");
}
