//! `scorer keygen`, `sign` and `verify`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::Doing;
use crate::screen::Screen;
use crate::source::{read, read_text};
use crate::{CliError, Host};

/// Writes a pair of keys; neither file may exist, because what a lost key has signed cannot be signed by it again.
pub(super) fn keygen(host: &dyn Host, out: &Path, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let public = with_end(out, "pub");
    let pair = host.keygen();
    write_new(&public, &pair.public_key, 0o644)?;
    if let Err(error) = write_new(out, &pair.private_key, 0o600) {
        // Half a pair is none.
        let _ = std::fs::remove_file(&public);
        return Err(error);
    }
    #[derive(Serialize)]
    struct Made<'a> {
        private_key: &'a Path,
        public_key: &'a Path,
        id: &'a str,
    }
    Ok(screen.result(&Made { private_key: out, public_key: &public, id: &pair.id }, |made| {
        let (private, public) = (made.private_key.display(), made.public_key.display());
        format!(
            "{private} {public}\nkey {}\nnext: scorehost scorer sign COMPONENT --key {private}, and scorehost serve --trusted-key {public}",
            made.id
        )
    })?)
}

pub(super) fn sign(
    host: &dyn Host,
    component: &Path,
    key: &Path,
    out: Option<PathBuf>,
    screen: &mut Screen<'_>,
) -> Result<(), CliError> {
    let doing = || format!("sign '{}'", component.display());
    let signature = host.sign(&read(component)?, &read_text(key)?).doing(doing)?;
    let out = out.unwrap_or_else(|| with_end(component, "sig"));
    let written = std::fs::write(&out, format!("{signature}\n"));
    written.map_err(|source| CliError::File { action: "write", path: out.clone(), source })?;
    #[derive(Serialize)]
    struct Signed {
        signature: PathBuf,
        content: String,
    }
    Ok(screen
        .result(&Signed { signature: out, content: signature }, |signed| signed.signature.display().to_string())?)
}

pub(super) fn verify(
    host: &dyn Host,
    component: &Path,
    signature: Option<PathBuf>,
    public_key: &Path,
    screen: &mut Screen<'_>,
) -> Result<(), CliError> {
    let signature = signature.unwrap_or_else(|| with_end(component, "sig"));
    let verified = host.verify(&read(component)?, read_text(&signature)?.trim(), &read_text(public_key)?);
    let key = verified.doing(|| format!("verify '{}'", component.display()))?;
    #[derive(Serialize)]
    struct Verified<'a> {
        component: &'a Path,
        key: String,
    }
    Ok(screen.result(&Verified { component, key }, |verified| format!("signed by key {}", verified.key))?)
}

/// The path with another end behind its own.
fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(end);
    name.into()
}

fn write_new(path: &Path, content: &str, mode: u32) -> Result<(), CliError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let written = options.open(path).and_then(|mut file| file.write_all(content.as_bytes()));
    written.map_err(|source| CliError::File { action: "write", path: path.to_owned(), source })
}
