use std::fs::{self, File};
use std::io::Write;
use std::path::{Component, Path};

use scorehost_control::client::{Client, digest_of};
use scorehost_control::wire::{Model, ModelFile, ModelMemory, NewModel};
use scorehost_core::{Digest, Failure};

use crate::CliError;
use crate::args::{DownloadArgs, ModelCommand, RegisterArgs};
use crate::error::Doing;
use crate::progress::Bar;
use crate::screen::{Screen, sheet, size, table, time};
use crate::source::{LocalFile, file, model_files, open};

pub(super) fn run(client: &Client, command: ModelCommand, screen: &mut Screen<'_>) -> Result<(), CliError> {
    match command {
        ModelCommand::Register(arguments) => register(client, arguments, screen),
        ModelCommand::List { name } => {
            let name = name.as_ref().map(|name| name.as_str());
            let models = client.models(name).doing(|| "list models".to_owned())?;
            Ok(screen.result(&models, |models| list(models))?)
        }
        ModelCommand::Loaded => {
            let memory = client.memory().doing(|| "list loaded models".to_owned())?;
            Ok(screen.result(&memory, loaded)?)
        }
        ModelCommand::Show { model } => {
            let model = client.model(&model).doing(|| format!("show model '{model}'"))?;
            Ok(screen.result(&model, show)?)
        }
        ModelCommand::Download(arguments) => download(client, &arguments, screen),
        ModelCommand::Delete { model } => {
            client.delete_model(&model).doing(|| format!("delete model '{model}'"))?;
            screen.note(&format!("deleted {model}"));
            Ok(())
        }
    }
}

fn register(client: &Client, arguments: RegisterArgs, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let doing = || format!("register model '{}'", arguments.name);
    // Before gigabytes are hashed: is there a server?
    client.version().doing(doing)?;
    let files = model_files(&arguments.path)?;
    let digests = digests(&files)?;
    let total = files.iter().map(|file| file.size).sum();
    let bar = Bar::bytes("uploading", total);
    for (file, (digest, size)) in files.iter().zip(&digests) {
        let mut content = open(&file.place)?;
        client.upload(digest, *size, &mut content, &mut |bytes| bar.advance(bytes)).doing(doing)?;
    }
    drop(bar);
    let files = files.iter().zip(&digests).map(|(file, (digest, size))| ModelFile {
        path: file.path.clone(),
        digest: digest.to_string(),
        size: *size,
    });
    let model = NewModel {
        name: arguments.name.to_string(),
        description: arguments.description.clone(),
        tags: arguments.tags.iter().cloned().collect(),
        files: files.collect(),
    };
    let registered = client.register(&model).doing(doing)?;
    Ok(screen.result(&registered, |model| model.id.clone())?)
}

/// Digest and size of each file.
fn digests(files: &[LocalFile]) -> Result<Vec<(Digest, u64)>, CliError> {
    let bar = Bar::bytes("hashing", files.iter().map(|file| file.size).sum());
    let digest = |local: &LocalFile| {
        let mut content = open(&local.place)?;
        digest_of(&mut content, &mut |bytes| bar.advance(bytes)).map_err(file("read", &local.place))
    };
    files.iter().map(digest).collect()
}

/// Downloads beside the folder and renames at the end, so that a broken download leaves no half of a model.
fn download(client: &Client, arguments: &DownloadArgs, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let doing = || format!("download model '{}'", arguments.model);
    let out = &arguments.out;
    if fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) || out.is_file() {
        let failure = Failure::invalid(format!("'{}' exists and is not an empty folder", out.display()));
        return Err(failure.with_hint("name a new folder with -o")).doing(doing);
    }
    let model = client.model(&arguments.model.to_string()).doing(doing)?;
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(file("make", parent))?;
    let partial = tempfile::Builder::new().prefix(".scorehost-").tempdir_in(parent).map_err(file("write", parent))?;
    // The temporary folder is for its owner alone; a model's folder is like any other.
    let folder = partial.path().join("model");
    let bar = Bar::bytes(format!("downloading {}", model.id), model.size);
    for stored in &model.files {
        fetch(client, stored, &folder, &bar, doing)?;
    }
    drop(bar);
    fs::rename(&folder, out).map_err(file("make", out))?;
    Ok(screen.result(&model, |model| format!("{} {}", model.id, out.display()))?)
}

fn fetch(
    client: &Client,
    stored: &ModelFile,
    folder: &Path,
    bar: &Bar,
    doing: impl Fn() -> String,
) -> Result<(), CliError> {
    let path = Path::new(&stored.path);
    // The server checks paths too; a folder of this machine does not depend on that.
    if stored.path.is_empty() || !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(Failure::invalid(format!("the server sent the file path '{}'", stored.path))).doing(doing);
    }
    let digest: Digest = stored.digest.parse().doing(&doing)?;
    let place = folder.join(path);
    let parent = place.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(file("make", parent))?;
    let mut content = File::create_new(&place).map_err(file("write", &place))?;
    client.download(&digest, &mut content, &mut |bytes| bar.advance(bytes)).doing(doing)?;
    content.flush().and_then(|()| content.sync_all()).map_err(file("write", &place))
}

fn list(models: &[Model]) -> String {
    let rows = models.iter().map(|model| {
        let tags: Vec<String> = model.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        vec![
            model.id.clone(),
            size(model.size),
            model.files.len().to_string(),
            time(model.created),
            tags.join(","),
            model.description.lines().next().unwrap_or_default().to_owned(),
        ]
    });
    table(&["model", "size", "files", "created", "tags", "description"], rows)
}

fn loaded(memory: &ModelMemory) -> String {
    let rows = memory.models.iter().map(|model| {
        let state = match (model.loaded, model.pinned) {
            (true, true) => "pinned",
            (true, false) => "loaded",
            (false, _) => "evicted",
        };
        let last = model.idle_ms.map_or_else(|| "-".to_owned(), |idle| format!("{} s ago", idle / 1000));
        let digest = model.digest.chars().take("sha256:".len() + 12).collect();
        vec![
            model.model.clone(),
            state.to_owned(),
            model.device.clone(),
            size(model.bytes),
            model.users.to_string(),
            last,
            digest,
        ]
    });
    let table = table(&["model", "state", "device", "memory", "calls", "last call", "digest"], rows);
    let budget = memory.budget.map_or_else(|| "unlimited".to_owned(), size);
    let facts = sheet([
        ("Loaded", format!("{} of {budget}", size(memory.loaded_bytes))),
        ("Loads", memory.loads.to_string()),
        ("Evictions", memory.evictions.to_string()),
    ]);
    format!("{table}\n\n{facts}")
}

fn show(model: &Model) -> String {
    let tags: Vec<String> = model.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let facts = sheet([
        ("Model", model.id.clone()),
        ("Description", model.description.clone()),
        ("Tags", tags.join(", ")),
        ("Created", time(model.created)),
        ("Size", size(model.size)),
    ]);
    let files = model.files.iter().map(|file| vec![file.path.clone(), size(file.size), file.digest.clone()]);
    format!("{facts}\n\n{}", table(&["file", "size", "digest"], files))
}
