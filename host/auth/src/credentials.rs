//! Management credentials: made once, kept as hashes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use scorehost_core::{Clock, Secret};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::entropy::{Entropy, secret};
use crate::files::{read, write_private};
use crate::{AuthError, Principal, Role};

/// What every credential begins with, so that scanners of repositories and logs know one when they see it.
const PREFIX: &str = "shc_";

/// Layout of the file; a reader refuses what it does not know.
const FORMAT: u32 = 1;

/// Credentials at most.
const LIMIT: usize = 10_000;

/// SHA-256 of a credential. The credential is 256 random bits, so nobody finds it from the hash.
pub(crate) type Hash = [u8; 32];

/// A credential as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCredential {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Unix time at which it was made, in seconds.
    pub created: u64,
    /// Why it cannot be revoked; `None` where it can.
    pub bound_to: Option<&'static str>,
}

/// The credentials of one host.
pub struct Credentials {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    /// Looked up by every management request.
    table: ArcSwap<HashMap<Hash, Principal>>,
    all: Mutex<Vec<Entry>>,
}

pub(crate) struct Entry {
    shown: KeptCredential,
    hash: Hash,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    credentials: Vec<EntryDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryDocument {
    name: String,
    role: String,
    sha256: String,
    created: u64,
}

impl Credentials {
    /// Reads the file; whether there was one.
    pub(crate) fn open(folder: &Path, clock: Arc<dyn Clock>, entropy: Entropy) -> Result<(Self, bool), AuthError> {
        let path = folder.join("credentials.json");
        let content = read(&path)?;
        let there = content.is_some();
        let all = content.map(|content| decode(&path, &content)).transpose()?.unwrap_or_default();
        let credentials = Self { path, clock, entropy, table: ArcSwap::default(), all: Mutex::new(all) };
        credentials.publish(&credentials.all.lock());
        Ok((credentials, there))
    }

    /// Makes a credential and gives its secret, which is not kept.
    ///
    /// # Errors
    /// Where the name breaks the rule or is taken, or the file cannot be written; then nothing was made.
    pub fn create(&self, name: &str, role: Role) -> Result<Secret, AuthError> {
        check_name(name)?;
        let made = secret(self.entropy, PREFIX)?;
        let mut all = self.all.lock();
        if all.len() >= LIMIT {
            return Err(AuthError::TooManyCredentials { limit: LIMIT });
        }
        if all.iter().any(|entry| entry.shown.name == name) {
            return Err(AuthError::CredentialExists(name.to_owned()));
        }
        let shown = KeptCredential { name: name.to_owned(), role, created: self.now(), bound_to: None };
        all.push(Entry { shown, hash: hash(made.reveal()) });
        if let Err(error) = self.write(&all) {
            all.pop();
            return Err(error);
        }
        self.publish(&all);
        Ok(made)
    }

    /// All credentials in the order of their making.
    #[must_use]
    pub fn list(&self) -> Vec<KeptCredential> {
        self.all.lock().iter().map(|entry| entry.shown.clone()).collect()
    }

    /// Ends a credential; requests that bring it are refused from now on.
    ///
    /// # Errors
    /// Where there is none of the name, it is bound to the process, or the file cannot be written; then it lives on.
    pub fn revoke(&self, name: &str) -> Result<(), AuthError> {
        let mut all = self.all.lock();
        let Some(place) = all.iter().position(|entry| entry.shown.name == name) else {
            let known: Vec<&str> = all.iter().map(|entry| entry.shown.name.as_str()).take(20).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(AuthError::NoCredential { name: name.chars().take(64).collect(), known });
        };
        if let Some(reason) = all[place].shown.bound_to {
            return Err(AuthError::NotRevocable { name: name.to_owned(), reason });
        }
        let entry = all.remove(place);
        if let Err(error) = self.write(&all) {
            all.insert(place, entry);
            return Err(error);
        }
        self.publish(&all);
        Ok(())
    }

    /// Writes the file also where nothing is in it, so that the next start is not the first.
    pub(crate) fn keep(&self) -> Result<(), AuthError> {
        self.write(&self.all.lock())
    }

    /// Makes a credential that ends with the process and is never written.
    pub(crate) fn lend(&self, name: &str, role: Role, bound_to: &'static str) -> Result<Secret, AuthError> {
        let made = secret(self.entropy, PREFIX)?;
        self.admit(name, role, bound_to, made.reveal());
        Ok(made)
    }

    /// Takes a credential that someone else keeps; it is never written.
    pub(crate) fn admit(&self, name: &str, role: Role, bound_to: &'static str, credential: &str) {
        let mut all = self.all.lock();
        // A kept credential of the same name stays; the borrowed one gets a name of its own.
        let taken = |name: &str| all.iter().any(|entry| entry.shown.name == name);
        let name = (1..).map(|number| if number == 1 { name.to_owned() } else { format!("{name}-{number}") });
        let name = name.into_iter().find(|name| !taken(name)).unwrap_or_default();
        let shown = KeptCredential { name, role, created: self.now(), bound_to: Some(bound_to) };
        all.push(Entry { shown, hash: hash(credential) });
        self.publish(&all);
    }

    /// Whose credential it is. Time tells nothing of a secret: what is compared is its hash.
    pub(crate) fn of(&self, hash: &Hash) -> Option<Principal> {
        self.table.load().get(hash).cloned()
    }

    fn publish(&self, all: &[Entry]) {
        let principal = |shown: &KeptCredential| Principal {
            name: format!("credential:{}", shown.name).into(),
            role: Some(shown.role),
        };
        self.table.store(Arc::new(all.iter().map(|entry| (entry.hash, principal(&entry.shown))).collect()));
    }

    fn write(&self, all: &[Entry]) -> Result<(), AuthError> {
        let kept = all.iter().filter(|entry| entry.shown.bound_to.is_none());
        let credentials = kept.map(|entry| EntryDocument {
            name: entry.shown.name.clone(),
            role: entry.shown.role.name().to_owned(),
            sha256: hex::encode(entry.hash),
            created: entry.shown.created,
        });
        let document = Document { format: FORMAT, credentials: credentials.collect() };
        // Strings and numbers always encode.
        write_private(&self.path, &serde_json::to_vec_pretty(&document).unwrap_or_default())
    }

    fn now(&self) -> u64 {
        self.clock.wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

/// SHA-256 of what a request presented.
pub(crate) fn hash(credential: &str) -> Hash {
    Sha256::digest(credential).into()
}

fn check_name(name: &str) -> Result<(), AuthError> {
    let fits = (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@'));
    if fits { Ok(()) } else { Err(AuthError::CredentialName(name.chars().take(64).collect())) }
}

pub(crate) fn decode(path: &Path, content: &[u8]) -> Result<Vec<Entry>, AuthError> {
    let damaged = |reason: String| AuthError::Damaged { path: path.to_owned(), reason };
    let document: Document = serde_json::from_slice(content).map_err(|error| damaged(error.to_string()))?;
    if document.format != FORMAT {
        return Err(damaged(format!("it has format {}, this version reads {FORMAT}", document.format)));
    }
    let entry = |entry: EntryDocument| {
        let mut hash = [0; 32];
        hex::decode_to_slice(&entry.sha256, &mut hash).map_err(|error| damaged(format!("{}: {error}", entry.name)))?;
        let shown =
            KeptCredential { role: entry.role.parse()?, name: entry.name, created: entry.created, bound_to: None };
        Ok(Entry { shown, hash })
    };
    document.credentials.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests;
