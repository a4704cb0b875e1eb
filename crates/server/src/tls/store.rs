//! Files of certificates and keys: read whole, written whole, private ones readable by their owner only.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use super::TlsError;

/// Reads a text file; `None` if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<String>, TlsError> {
    match fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| TlsError::Damaged { path: path.to_owned(), reason: "it is not text".into() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TlsError::Read { path: path.to_owned(), source }),
    }
}

/// Makes a directory that only its owner may enter, with its parents.
pub(crate) fn create_dir(path: &Path) -> Result<(), TlsError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| TlsError::Write { path: path.to_owned(), source })
}

/// Whether other users may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Private,
    Public,
}

/// Writes a file so that a crash leaves either the old content or the new one.
pub(crate) fn write(path: &Path, content: &str, access: Access) -> Result<(), TlsError> {
    let failed = |source| TlsError::Write { path: path.to_owned(), source };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    // What a crash may have left would keep its own permissions.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if access == Access::Private { 0o600 } else { 0o644 });
    #[cfg(not(unix))]
    let _ = access;
    let mut file = options.open(&new).map_err(failed)?;
    file.write_all(content.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    drop(file);
    fs::rename(&new, path).map_err(failed)
}
