//! Models and documents in one `redb` file: each change is a transaction that is on the disk when the call returns.

use std::fs;
use std::path::{Path, PathBuf};

use parking_lot::RwLock;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use scorehost_core::{ModelId, ModelName};

use crate::directory::sync_folder;
use crate::{DocumentChange, RegisteredModel, RegistryError};

/// (name, version) → record of the model.
const MODELS: TableDefinition<(&str, u32), &[u8]> = TableDefinition::new("models");
/// name → latest version ever given, so that a deleted version's number is never given again.
const VERSIONS: TableDefinition<&str, u32> = TableDefinition::new("versions");
/// (kind, key) → bytes.
const DOCUMENTS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("documents");
/// "format" → the format of the data directory.
const ABOUT: TableDefinition<&str, u64> = TableDefinition::new("about");
/// The format that this release writes.
const FORMAT: u64 = 1;
/// The engine's page cache; its own default is a gigabyte.
const CACHE_BYTES: usize = 16 << 20;

/// The metadata file, open.
pub(crate) struct Metadata {
    path: PathBuf,
    // None while it is being opened again after a failed write.
    database: RwLock<Option<Database>>,
}

impl Metadata {
    /// Opens the file of the data directory `root`; makes it where there is none.
    pub(crate) fn open(root: &Path) -> Result<Self, RegistryError> {
        let path = root.join("metadata.redb");
        let exists = path.try_exists().map_err(|error| RegistryError::io("find the metadata", &path, error))?;
        if !exists {
            create(root, &path)?;
        }
        keep_private(&path)?;
        let metadata = Self { database: RwLock::new(Some(open(&path)?)), path };
        metadata.check_format(root)?;
        Ok(metadata)
    }

    /// All models, sorted by name and version.
    pub(crate) fn models(&self) -> Result<Vec<RegisteredModel>, RegistryError> {
        self.read(|transaction| {
            let table = transaction.open_table(MODELS).map_err(redb::Error::from)?;
            table.iter().map_err(redb::Error::from)?.map(decode).collect()
        })
    }

    /// The versions of one model, ascending.
    pub(crate) fn versions(&self, name: &ModelName) -> Result<Vec<RegisteredModel>, RegistryError> {
        self.read(|transaction| {
            let table = transaction.open_table(MODELS).map_err(redb::Error::from)?;
            let range = (name.as_str(), 0)..=(name.as_str(), u32::MAX);
            table.range(range).map_err(redb::Error::from)?.map(decode).collect()
        })
    }

    /// One version of one model.
    pub(crate) fn model(&self, id: &ModelId) -> Result<Option<RegisteredModel>, RegistryError> {
        let key = (id.name.as_str(), id.version);
        self.read(|transaction| {
            let table = transaction.open_table(MODELS).map_err(redb::Error::from)?;
            let record = table.get(key).map_err(redb::Error::from)?;
            record.map(|bytes| RegisteredModel::decode(key.0, key.1, bytes.value())).transpose()
        })
    }

    /// Gives the model the next version of its name and writes it down.
    pub(crate) fn insert(&self, mut model: RegisteredModel) -> Result<RegisteredModel, RegistryError> {
        let name = model.id.name.clone();
        model.id.version = self.write(|transaction| {
            let mut versions = transaction.open_table(VERSIONS).map_err(redb::Error::from)?;
            let latest = versions.get(name.as_str()).map_err(redb::Error::from)?.map_or(0, |latest| latest.value());
            let next = latest.checked_add(1).ok_or_else(|| RegistryError::VersionsUsedUp { name: name.clone() })?;
            versions.insert(name.as_str(), next).map_err(redb::Error::from)?;
            let mut models = transaction.open_table(MODELS).map_err(redb::Error::from)?;
            models.insert((name.as_str(), next), model.encode().as_slice()).map_err(redb::Error::from)?;
            Ok(next)
        })?;
        Ok(model)
    }

    /// Removes one version; whether there was one.
    pub(crate) fn remove(&self, id: &ModelId) -> Result<bool, RegistryError> {
        self.write(|transaction| {
            let mut models = transaction.open_table(MODELS).map_err(redb::Error::from)?;
            let removed = models.remove((id.name.as_str(), id.version)).map_err(redb::Error::from)?;
            Ok(removed.is_some())
        })
    }

    /// Writes a document, replacing one of the same kind and key.
    pub(crate) fn put_document(&self, kind: &str, key: &str, bytes: &[u8]) -> Result<(), RegistryError> {
        self.write(|transaction| {
            let mut documents = transaction.open_table(DOCUMENTS).map_err(redb::Error::from)?;
            documents.insert((kind, key), bytes).map_err(redb::Error::from)?;
            Ok(())
        })
    }

    /// Writes and removes documents, all in one transaction.
    pub(crate) fn change_documents(&self, changes: &[DocumentChange]) -> Result<(), RegistryError> {
        self.write(|transaction| {
            let mut documents = transaction.open_table(DOCUMENTS).map_err(redb::Error::from)?;
            for DocumentChange { kind, key, bytes } in changes {
                let place = (*kind, key.as_str());
                match bytes {
                    Some(bytes) => documents.insert(place, bytes.as_slice()).map_err(redb::Error::from)?,
                    None => documents.remove(place).map_err(redb::Error::from)?,
                };
            }
            Ok(())
        })
    }

    /// One document.
    pub(crate) fn document(&self, kind: &str, key: &str) -> Result<Option<Vec<u8>>, RegistryError> {
        self.read(|transaction| {
            let table = transaction.open_table(DOCUMENTS).map_err(redb::Error::from)?;
            Ok(table.get((kind, key)).map_err(redb::Error::from)?.map(|bytes| bytes.value().to_vec()))
        })
    }

    /// All documents of a kind, sorted by key.
    pub(crate) fn documents(&self, kind: &str) -> Result<Vec<(String, Vec<u8>)>, RegistryError> {
        self.read(|transaction| {
            let table = transaction.open_table(DOCUMENTS).map_err(redb::Error::from)?;
            let mut found = Vec::new();
            for entry in table.range((kind, "")..).map_err(redb::Error::from)? {
                let (key, bytes) = entry.map_err(redb::Error::from)?;
                if key.value().0 != kind {
                    break;
                }
                found.push((key.value().1.to_owned(), bytes.value().to_vec()));
            }
            Ok(found)
        })
    }

    /// Removes a document; whether there was one.
    pub(crate) fn delete_document(&self, kind: &str, key: &str) -> Result<bool, RegistryError> {
        self.write(|transaction| {
            let mut documents = transaction.open_table(DOCUMENTS).map_err(redb::Error::from)?;
            Ok(documents.remove((kind, key)).map_err(redb::Error::from)?.is_some())
        })
    }

    fn check_format(&self, root: &Path) -> Result<(), RegistryError> {
        let found = self.read(|transaction| {
            let about = transaction.open_table(ABOUT).map_err(redb::Error::from)?;
            Ok(about.get("format").map_err(redb::Error::from)?.map(|format| format.value()))
        })?;
        match found {
            Some(FORMAT) => Ok(()),
            Some(found) => Err(RegistryError::FormatTooNew { dir: root.to_owned(), found, known: FORMAT }),
            None => Err(RegistryError::MetadataDamaged { cause: "it names no format".to_owned() }),
        }
    }

    fn read<T>(&self, work: impl Fn(&ReadTransaction) -> Result<T, RegistryError>) -> Result<T, RegistryError> {
        self.with_database(|database| work(&database.begin_read().map_err(redb::Error::from)?))
    }

    fn write<T>(&self, work: impl Fn(&WriteTransaction) -> Result<T, RegistryError>) -> Result<T, RegistryError> {
        self.with_database(|database| write(database, &work))
    }

    /// Runs `work`. After a failed write the engine refuses everything until the file is opened again; that is done
    /// here, so that a full disk, once freed, needs no restart.
    fn with_database<T>(&self, work: impl Fn(&Database) -> Result<T, RegistryError>) -> Result<T, RegistryError> {
        if let Some(database) = &*self.database.read() {
            match work(database) {
                Err(RegistryError::Metadata(redb::Error::PreviousIo)) => {}
                result => return result,
            }
        }
        let mut slot = self.database.write();
        // The engine locks the file, so the old handle goes before the new one comes.
        *slot = None;
        let database = slot.insert(open(&self.path)?);
        work(database)
    }
}

/// Makes the file under another name first: a process killed half-way leaves no `metadata.redb` that cannot be opened.
fn create(root: &Path, path: &Path) -> Result<(), RegistryError> {
    let draft = root.join("metadata.redb.new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(RegistryError::io("remove an unfinished metadata file", &draft, error));
        }
        _ => {}
    }
    let database = Database::create(&draft).map_err(redb::Error::from)?;
    write(&database, &|transaction| {
        transaction.open_table(MODELS).map_err(redb::Error::from)?;
        transaction.open_table(VERSIONS).map_err(redb::Error::from)?;
        transaction.open_table(DOCUMENTS).map_err(redb::Error::from)?;
        let mut about = transaction.open_table(ABOUT).map_err(redb::Error::from)?;
        about.insert("format", FORMAT).map_err(redb::Error::from)?;
        Ok(())
    })?;
    drop(database);
    fs::rename(&draft, path).map_err(|error| RegistryError::io("make the metadata file", path, error))?;
    sync_folder(root)
}

/// Documents hold keys of services, so the file is for its owner alone; earlier releases left that to the umask.
fn keep_private(path: &Path) -> Result<(), RegistryError> {
    use std::os::unix::fs::PermissionsExt;

    let failed = |error| RegistryError::io("keep the metadata to its owner", path, error);
    let mut permissions = fs::metadata(path).map_err(failed)?.permissions();
    if permissions.mode() & 0o077 == 0 {
        return Ok(());
    }
    permissions.set_mode(0o600);
    fs::set_permissions(path, permissions).map_err(failed)
}

fn open(path: &Path) -> Result<Database, RegistryError> {
    let opened = Database::builder().set_cache_size(CACHE_BYTES).open(path);
    opened.map_err(|error| redb::Error::from(error).into())
}

fn write<T>(
    database: &Database,
    work: &impl Fn(&WriteTransaction) -> Result<T, RegistryError>,
) -> Result<T, RegistryError> {
    let transaction = database.begin_write().map_err(redb::Error::from)?;
    let result = work(&transaction)?;
    transaction.commit().map_err(redb::Error::from)?;
    Ok(result)
}

type Row<'a> = (redb::AccessGuard<'a, (&'static str, u32)>, redb::AccessGuard<'a, &'static [u8]>);

fn decode(row: Result<Row<'_>, redb::StorageError>) -> Result<RegisteredModel, RegistryError> {
    let (key, bytes) = row.map_err(redb::Error::from)?;
    let (name, version) = key.value();
    RegisteredModel::decode(name, version, bytes.value())
}
