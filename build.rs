//! Builds the server again when a migration is added: `sqlx::migrate!` notices changes of files that it knows, not new ones.

#[expect(clippy::disallowed_methods, reason = "cargo says by the environment which features are on")]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The browser's part has no migrations.
    if std::env::var_os("CARGO_FEATURE_SSR").is_some() {
        println!("cargo::rerun-if-changed=migrations");
    }
}
