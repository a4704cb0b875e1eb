//! Secrets that the server makes for itself on its first start and keeps in the data directory.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use crate::shards::random;
use crate::{Config, Error};

/// The file of the administrator's token in the data directory.
const ADMIN_TOKEN: &str = "admin-token";

/// The administrator's token: the configured one, or the one in the data directory, which is made if missing.
pub(crate) fn admin_token(config: &Config) -> Result<String, Error> {
    match &config.auth.admin_token {
        Some(token) => Ok(token.expose().to_owned()),
        None => {
            let path = config.data.join(ADMIN_TOKEN);
            read_or_make(&path).map_err(|source| Error::DataDirectory { path, source })
        }
    }
}

fn read_or_make(path: &Path) -> io::Result<String> {
    match std::fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => std::fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut bytes = [0; 24];
    random(&mut bytes);
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_token_is_made_once_and_kept_to_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(ADMIN_TOKEN);
        let token = read_or_make(&path).unwrap();
        assert_eq!(token.len(), 48);
        assert_eq!(read_or_make(&path).unwrap(), token);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
