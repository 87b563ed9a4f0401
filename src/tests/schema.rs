//! Whether the database fits the binary: a forgotten migration is noticed at the start.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use secrecy::SecretString;
use vestibule::server::runtime::config::{Config, DatabaseConfig};
use vestibule::server::runtime::database::{DatabaseError, check_schema, open};
use vestibule::server::runtime::serve::{ServeError, prepare};

use crate::support::TestApp;
use crate::support::database::Database;

async fn check(database: &Database) -> Result<Vec<i64>, DatabaseError> {
    check_schema(&open(&database.config()).expect("addresses")).await
}

/// The error that stops the start.
async fn error_of(database: &Database) -> String {
    match check(database).await {
        Err(error @ DatabaseError::Outdated { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// The numbers of all files in `migrations/`.
fn versions() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let names = fs::read_dir(folder).expect("migrations").map(|entry| entry.expect("an entry").file_name());
    let number = |name: OsString| Some(name.to_str()?.strip_suffix(".sql")?.split_once('_')?.0.to_owned());
    let mut versions: Vec<_> = names.filter_map(number).collect();
    versions.sort();
    assert!(versions.len() >= 6, "the files were found: {versions:?}");
    versions
}

#[tokio::test]
async fn a_database_of_this_binary_is_accepted_and_a_newer_one_is_named() {
    let database = Database::create().await;
    assert_eq!(check(&database).await.expect("up to date"), Vec::<i64>::new());
    database
        .as_owner(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             values (9999, $1, true, '', 0)",
            "of a later version",
        )
        .await;
    assert_eq!(check(&database).await.expect("an older process goes on"), [9999]);
}

#[tokio::test]
async fn a_forgotten_migration_is_reported_with_what_to_do() {
    let database = Database::create().await;
    database.as_owner("delete from _sqlx_migrations where version in (2, 6) and $1 = ''", "").await;
    let said = error_of(&database).await;
    assert!(said.contains("migration 0002, 0006 was") && said.contains("`vestibule migrate`"), "{said}");

    // An unfinished migration does not count.
    let database = Database::create().await;
    database.as_owner("update _sqlx_migrations set success = false where version = 3 and $1 = ''", "").await;
    let said = error_of(&database).await;
    assert!(said.contains("migration 0003 was"), "{said}");
}

#[tokio::test]
async fn a_database_that_was_never_migrated_lacks_everything() {
    let all = format!("migration {} was", versions().join(", "));
    let database = Database::create().await;
    sqlx::raw_sql("drop function vestibule.applied_migrations()").execute(&database.owner).await.expect("the owner");
    let said = error_of(&database).await;
    assert!(said.contains(&all), "{said}");

    let database = Database::create_empty().await;
    let said = error_of(&database).await;
    assert!(said.contains(&all), "{said}");
    database.migrate().await.expect("as the message says");
    assert_eq!(check(&database).await.expect("up to date"), Vec::<i64>::new());
}

#[tokio::test]
async fn a_database_with_another_form_of_a_migration_is_refused_with_what_to_do() {
    let database = Database::create().await;
    database.as_owner("update _sqlx_migrations set checksum = '' where version = 2 and $1 = ''", "").await;
    let said = database.migrate().await.expect_err("refused").to_string();
    assert!(said.contains("migration 0002 was applied") && said.contains("`make clean-data`"), "{said}");
}

/// As it is for an owner who is called `vestibule`: Postgres puts the schema of a login's own name first.
#[tokio::test]
async fn an_owner_whose_first_schema_is_ours_makes_tables_in_public_all_the_same() {
    let database = Database::create_empty().await;
    let first = format!("alter database {} set search_path to vestibule, public", database.name);
    sqlx::raw_sql(sqlx::AssertSqlSafe(first)).execute(&database.owner).await.expect("the owner");
    for _ in 0..2 {
        database.migrate().await.expect("the schema");
    }
    let in_vestibule = "select count(*) from pg_tables where schemaname = 'vestibule' and $1 = ''";
    assert_eq!(database.value::<i64>(in_vestibule, "").await, 0);
    assert_eq!(check(&database).await.expect("up to date"), Vec::<i64>::new());
}

#[tokio::test]
async fn the_start_fails_on_an_outdated_database_and_continues_without_a_reachable_one() {
    let site = std::env::temp_dir().join(format!("vestibule-site-{}", uuid::Uuid::now_v7().simple()));
    std::fs::create_dir_all(site.join("clerk")).expect("a folder");
    std::fs::write(site.join("clerk/manifest.json"), r#"{"clerk_js": "/a.js", "clerk_ui": "/b.js"}"#).expect("a file");
    let app = TestApp::start_with(&[("LEPTOS_SITE_ROOT", site.to_str().expect("a path"))]).await;
    let config = || app.config.clone();
    prepare(&config()).await.expect("it starts");

    app.database.as_owner("delete from _sqlx_migrations where version = 6 and $1 = ''", "").await;
    match prepare(&config()).await.map(|_| ()) {
        Err(ServeError::Database(DatabaseError::Outdated { missing })) => assert_eq!(missing, "0006"),
        other => panic!("{other:?}"),
    }

    let nowhere = || SecretString::from("postgres://nobody:nothing@127.0.0.1:1/nowhere");
    let database = DatabaseConfig { request: nowhere(), worker: nowhere(), migration: None };
    prepare(&Config { database, ..config() }).await.expect("it starts, and pages say 503 until the database is there");
    std::fs::remove_dir_all(&site).expect("removed");
}
