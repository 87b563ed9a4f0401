//! Every SQL statement in the server's sources, prepared by a real Postgres: a misspelt table, column, function or argument
//! fails here, also where no other test runs the statement. And what reading an unknown value does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use secrecy::ExposeSecret as _;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqlSafeStr as _};
use vestibule::model::ids::OrganizationId;
use vestibule::model::organization::Slug;
use vestibule::server::organizations;
use vestibule::server::session::SessionToken;
use vestibule::server::users::{self, Invitation, InvitedRole};

use crate::support::database::Database;
use crate::support::keys::{token, token_for};
use crate::support::{TestApp, Who};

/// Statements that are put together at run time, by file: the database itself quotes the names in them.
const PUT_TOGETHER: [(&str, usize); 1] = [("runtime/database.rs", 2)];

/// A piece of Rust, as far as finding statements needs it.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Text(String),
    Word(String),
    Sign(char),
}

/// A source without comments and white space. Of numbers and lifetimes, only that they are there matters.
fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else if let Some((text, after)) = raw_text(rest) {
            tokens.push(Token::Text(text.to_owned()));
            rest = after;
        } else if first == '"' {
            let (text, after) = plain_text(after);
            tokens.push(Token::Text(text));
            rest = after;
        } else if first == '\'' {
            // A character, or the mark of a lifetime.
            let is_character = after.starts_with('\\') || after.chars().nth(1) == Some('\'');
            let content = if let Some(escaped) = after.strip_prefix('\\') { &escaped[1..] } else { after };
            rest = if is_character { content.split_once('\'').map_or("", |(_, after)| after) } else { after };
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Sign(first));
            }
            rest = after;
        }
    }
    tokens
}

/// The content of `r"…"` or `r#"…"#`, and what follows.
fn raw_text(source: &str) -> Option<(&str, &str)> {
    let inner = source.strip_prefix('r')?;
    let hashes = inner.len() - inner.trim_start_matches('#').len();
    let inner = inner[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    inner.split_once(&end)
}

/// The content of `"…"`, whose first quote is gone, and what follows.
fn plain_text(source: &str) -> (String, &str) {
    let mut text = String::new();
    let mut characters = source.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (text, &source[at + 1..]),
            '\\' => match characters.next() {
                Some((_, 'n')) => text.push('\n'),
                // Goes on at the next line's first character.
                Some((at, '\n')) => {
                    let skipped = source[at..].len() - source[at..].trim_start().len();
                    while characters.clone().next().is_some_and(|(next, _)| next < at + skipped) {
                        characters.next();
                    }
                }
                Some((_, escaped)) => text.push(escaped),
                None => {}
            },
            other => text.push(other),
        }
    }
    panic!("a text without an end: {source}");
}

fn sign(token: Option<&Token>, expected: char) -> bool {
    token == Some(&Token::Sign(expected))
}

fn word(token: Option<&Token>) -> Option<&str> {
    match token {
        Some(Token::Word(word)) => Some(word),
        _ => None,
    }
}

/// What follows an opening bracket, up to the one that closes it.
fn bracketed(tokens: &[Token]) -> &[Token] {
    let mut depth = 1;
    for (at, token) in tokens.iter().enumerate() {
        depth += match token {
            Token::Sign('(' | '[' | '{') => 1,
            Token::Sign(')' | ']' | '}') => -1,
            _ => 0,
        };
        if depth == 0 {
            return &tokens[..at];
        }
    }
    panic!("a bracket that nothing closes: {tokens:?}");
}

/// Texts by name: constants, and macros that are nothing but a text.
type Names = BTreeMap<String, String>;

fn names(tokens: &[Token]) -> Names {
    let mut names = Names::new();
    for at in 0..tokens.len() {
        let rest = &tokens[at..];
        match (word(rest.first()), word(rest.get(1)), word(rest.get(2))) {
            // macro_rules ! name { ( ) => { "…" } ; }
            (Some("macro_rules"), _, Some(name)) => {
                let body: Vec<_> =
                    bracketed(&rest[4..]).iter().filter(|token| matches!(token, Token::Text(_))).collect();
                if let [Token::Text(text)] = body[..] {
                    names.insert(name.to_owned(), text.clone());
                }
            }
            // const NAME : & str = … ;
            (Some("const"), Some(name), _) => {
                let value = rest.iter().position(|token| *token == Token::Sign('=')).map(|equals| &rest[equals + 1..]);
                let value = value.and_then(|value| value.split(|token| *token == Token::Sign(';')).next());
                if let Some(text) = value.and_then(|value| text(value, &names)) {
                    names.insert(name.to_owned(), text);
                }
            }
            _ => {}
        }
    }
    names
}

/// An expression that is a text: a literal, a constant, or `concat!` of literals and of macros that are one.
fn text(expression: &[Token], names: &Names) -> Option<String> {
    match expression {
        [Token::Text(text)] => Some(text.clone()),
        [Token::Word(name)] => names.get(name).cloned(),
        [Token::Word(name), Token::Sign('!'), Token::Sign('('), Token::Sign(')')] => names.get(name).cloned(),
        [Token::Word(concat), Token::Sign('!'), Token::Sign('('), parts @ .., Token::Sign(')')]
            if concat == "concat" =>
        {
            let parts = parts.split(|token| *token == Token::Sign(',')).filter(|part| !part.is_empty());
            parts.map(|part| text(part, names)).collect()
        }
        _ => None,
    }
}

/// What follows the types of `query_as::<_, Row>(…)`.
fn without_types(tokens: &[Token]) -> &[Token] {
    if !(sign(tokens.first(), ':') && sign(tokens.get(2), '<')) {
        return tokens;
    }
    let mut depth = 0;
    let end = tokens.iter().position(|token| {
        depth += match token {
            Token::Sign('<') => 1,
            Token::Sign('>') => -1,
            _ => return false,
        };
        depth == 0
    });
    end.map_or(&[], |end| &tokens[end + 1..])
}

/// The statements of a source, and how many calls of sqlx have none that can be read here.
fn statements(source: &str) -> (Vec<String>, usize) {
    let tokens = tokens(source);
    let names = names(&tokens);
    let (mut found, mut unread) = (Vec::new(), 0);
    for (at, token) in tokens.iter().enumerate() {
        if !matches!(word(Some(token)), Some("query" | "query_as" | "query_scalar" | "raw_sql" | "query_with")) {
            continue;
        }
        if !(at >= 3 && word(tokens.get(at - 3)) == Some("sqlx") && sign(tokens.get(at - 1), ':')) {
            continue;
        }
        let rest = without_types(&tokens[at + 1..]);
        assert!(sign(rest.first(), '('), "not a call: {:?}", &tokens[at..(at + 10).min(tokens.len())]);
        let argument = bracketed(&rest[1..]);
        let argument = argument.strip_suffix(&[Token::Sign(',')]).unwrap_or(argument);
        let before = found.len();
        match text(argument, &names) {
            Some(text) => found.push(text),
            // A choice between constants.
            None => found.extend(argument.iter().filter_map(|token| names.get(word(Some(token))?).cloned())),
        }
        unread += usize::from(found.len() == before);
    }
    (found, unread)
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect();
    files.sort();
    files
}

#[tokio::test]
async fn postgres_can_prepare_every_statement_of_the_server() {
    let database = Database::create().await;
    let owner = database.config().migration.expect("the owner");
    let mut connection = PgConnection::connect(owner.expose_secret()).await.expect("the owner");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server");
    let (mut prepared, mut wrong, mut put_together) = (0, Vec::new(), Vec::new());
    for path in sources(&root) {
        let source = fs::read_to_string(&path).expect("a source");
        let name = path.strip_prefix(&root).expect("below").display().to_string();
        let (statements, unread) = statements(&source);
        if unread > 0 {
            put_together.push((name.clone(), unread));
        }
        for statement in statements {
            if statement.contains("select *") || statement.contains(".*") {
                wrong.push(format!("{name}: name the columns\n{statement}"));
            }
            if let Err(error) = connection.prepare(AssertSqlSafe(statement.clone()).into_sql_str()).await {
                wrong.push(format!("{name}: {error}\n{statement}"));
            }
            prepared += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert_eq!(
        put_together,
        PUT_TOGETHER.map(|(name, count)| (name.to_owned(), count)),
        "a statement that no test sees"
    );
    assert!(prepared > 40, "the statements were found: {prepared}");
}

/// Values that a newer version may know and this one does not.
#[tokio::test]
async fn what_is_stored_and_unknown_is_an_error_that_names_it() {
    let app = TestApp::start().await;
    let id = app.create("user_ada", "Acme", "acme").await;
    let change = "alter table organization_users drop constraint organization_users_role_known;
        update organization_users set role = 'guest';
        create or replace function vestibule.invite_profile(
            new_id uuid, wanted_email text, wanted_slug text, wanted_role text, at vestibule.moment
        ) returns text language sql as $$ select 'postponed' $$;";
    sqlx::raw_sql(change).execute(&app.database.owner).await.expect("the owner");

    let session = SessionToken::new(&token("user_ada")).expect("a token");
    let session = app.state.verifier().verify(&session).await.expect("verified");
    let mut transaction = app.state.tenancy().begin(&session).await.expect("a transaction");
    let id = OrganizationId::parse(&id).expect("an id");
    let role = organizations::find_role(&mut transaction, id).await.expect_err("unknown").to_string();
    assert!(role.contains("\"guest\" is not a role"), "{role}");
    let page = app.get("/dashboard", Who::Cookie(&token_for("user_ada", &id.to_string()))).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "a page that says so");

    let organization = Slug::parse("acme").expect("a slug");
    let (email, role, at) = ("eve@example.test", InvitedRole::Member, app.clock.now());
    let invitation = Invitation { email, organization: &organization, role, at };
    let outcome = users::invite(&app.pools.worker, invitation).await.expect_err("unknown").to_string();
    assert!(outcome.contains("postponed") && outcome.contains("Invited"), "{outcome}");
}

#[test]
fn the_reader_of_this_test_sees_what_it_must() {
    let source = r##"
        // sqlx::query("a comment")
        macro_rules! part { () => { "from \
            t" }; }
        const WHOLE: &str = concat!("select ", part!());
        const OTHER: &str = r#"select "x""#;
        fn f<'a>(c: char) { if c == '"' || c == '\'' { sqlx::query("delete") } }
        sqlx::query_as::<_, (i32, String)>("select 1").bind("not this");
        sqlx::query_scalar(concat!("insert ", part!(), ",",)).bind(1);
        sqlx::query_as(if x { WHOLE } else { OTHER });
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement));
    "##;
    let (found, unread) = statements(source);
    assert_eq!(found, ["delete", "select 1", "insert from t,", "select from t", "select \"x\""]);
    assert_eq!(unread, 1);
}
