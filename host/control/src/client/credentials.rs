//! Where the command line keeps and finds management credentials: one file for those that a user logged in with, and one
//! small file for each server that this user runs on this machine, which the server writes when it starts and removes when
//! it ends.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use scorehost_auth::write_private;
use scorehost_core::{ErrorKind, Failure, Secret};
use serde::{Deserialize, Serialize};

/// Layout of the files.
const FORMAT: u32 = 1;

/// A user's credentials.
#[derive(Clone, Debug)]
pub struct CredentialStore {
    folder: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Logins {
    format: u32,
    /// By URL of the server, as [`Place`] writes it.
    servers: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Local {
    format: u32,
    address: SocketAddr,
    credential: String,
}

/// The file that a running server left for its user; removed when dropped.
#[derive(Debug)]
pub struct Lent {
    path: PathBuf,
}

impl Lent {
    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // It is worth nothing without its server; one that stays is overwritten by the next on the address.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl CredentialStore {
    /// This user's: in `$SCOREHOST_CONFIG_DIR`, `$XDG_CONFIG_HOME/scorehost` or `~/.config/scorehost`; `None` where there is no
    /// home.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = set("SCOREHOST_CONFIG_DIR")
            .or_else(|| set("XDG_CONFIG_HOME").map(|folder| folder.join("scorehost")))
            .or_else(|| set("HOME").map(|home| home.join(".config/scorehost")))?;
        Some(Self::at(folder))
    }

    /// In a folder.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Leaves a credential for the user of a server that listens at `address`.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn lend(&self, address: SocketAddr, credential: &Secret) -> Result<Lent, Failure> {
        let folder = self.folder.join("local");
        make_private(&folder)?;
        let path = local_path(&folder, address);
        write(&path, &Local { format: FORMAT, address, credential: credential.reveal().to_owned() })?;
        Ok(Lent { path })
    }

    /// The credential for a server: the one that the user logged in with, else the one that a server of the same user left.
    ///
    /// # Errors
    /// Where a file is there and cannot be read.
    pub fn find(&self, url: &str) -> Result<Option<Secret>, Failure> {
        let Some(place) = Place::of(url) else { return Ok(None) };
        if let Some(credential) = self.logins()?.servers.get(&place.url()) {
            return Ok(Some(Secret::new(credential.as_str())));
        }
        for address in place.local_addresses() {
            let path = local_path(&self.folder.join("local"), address);
            if let Some(local) = read::<Local>(&path)? {
                return Ok(Some(Secret::new(local.credential)));
            }
        }
        Ok(None)
    }

    /// Keeps the credential that the user logged in with.
    ///
    /// # Errors
    /// Where the URL is none, or the file cannot be written.
    pub fn keep(&self, url: &str, credential: &Secret) -> Result<PathBuf, Failure> {
        let place = Place::of(url).ok_or_else(|| Failure::invalid(format!("'{url}' is not the URL of a server")))?;
        make_private(&self.folder)?;
        let mut logins = self.logins()?;
        logins.servers.insert(place.url(), credential.reveal().to_owned());
        self.write_logins(&logins)
    }

    /// Forgets it again; whether there was one.
    ///
    /// # Errors
    /// Where the file cannot be read or written.
    pub fn forget(&self, url: &str) -> Result<bool, Failure> {
        let Some(place) = Place::of(url) else { return Ok(false) };
        let mut logins = self.logins()?;
        let known = logins.servers.remove(&place.url()).is_some();
        if known {
            self.write_logins(&logins)?;
        }
        Ok(known)
    }

    fn logins_path(&self) -> PathBuf {
        self.folder.join("credentials.json")
    }

    fn logins(&self) -> Result<Logins, Failure> {
        Ok(read(&self.logins_path())?.unwrap_or_default())
    }

    fn write_logins(&self, logins: &Logins) -> Result<PathBuf, Failure> {
        let path = self.logins_path();
        write(&path, &Logins { format: FORMAT, servers: logins.servers.clone() })?;
        Ok(path)
    }
}

/// Scheme, host and port of a URL, in one spelling.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    scheme: String,
    host: String,
    port: u16,
}

impl Place {
    fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let authority: http::uri::Authority = rest.split('/').next()?.parse().ok()?;
        let port = authority.port_u16().or(match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        })?;
        let host = authority.host().to_ascii_lowercase();
        (!host.is_empty()).then_some(Self { scheme, host, port })
    }

    fn url(&self) -> String {
        format!("{}://{}:{}", self.scheme, self.host, self.port)
    }

    /// Addresses of this machine that a server reached by this host may have bound, the likeliest first. A name other than
    /// `localhost` is somebody else's to resolve, and gets no credential of this machine.
    fn local_addresses(&self) -> Vec<SocketAddr> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let bound: Vec<IpAddr> = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) if host == "localhost" => vec![[127, 0, 0, 1].into(), std::net::Ipv6Addr::LOCALHOST.into()],
            Err(_) => return Vec::new(),
        };
        let local = bound.iter().any(IpAddr::is_loopback);
        let every: [IpAddr; 2] = [std::net::Ipv4Addr::UNSPECIFIED.into(), std::net::Ipv6Addr::UNSPECIFIED.into()];
        let every = every.into_iter().filter(|_| local);
        bound.iter().copied().chain(every).map(|address| SocketAddr::new(address, self.port)).collect()
    }
}

fn local_path(folder: &Path, address: SocketAddr) -> PathBuf {
    let host = address.ip().to_string().replace(':', "-");
    folder.join(format!("{host}_{}.json", address.port()))
}

fn make_private(folder: &Path) -> Result<(), Failure> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| unusable("make", folder, &error))
}

fn write(path: &Path, document: &impl Serialize) -> Result<(), Failure> {
    let content = serde_json::to_vec_pretty(document).map_err(Failure::internal)?;
    Ok(write_private(path, &content)?)
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, Failure> {
    let content = match std::fs::read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable("read", path, &error)),
    };
    serde_json::from_slice(&content).map(Some).map_err(|error| unusable("understand", path, &error))
}

fn unusable(action: &str, path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(ErrorKind::Unavailable, format!("could not {action} '{}': {error}", path.display()))
        .with_hint("mend or remove it, or give a credential with SCOREHOST_TOKEN or --token-file")
}

#[cfg(test)]
mod tests;
