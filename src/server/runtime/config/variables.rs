//! Every variable that is read, in one table.
//!
//! `.env.example` and the tables in `docs/operating.md` are written from it (`written.rs`), so they cannot disagree with
//! it. To add a variable: a line here, a field in [`Config`](super::Config), and how its text is read in `reader.rs`.
//! Then write both files: `UPDATE_CONFIG=1 cargo test --no-default-features --features dev --lib config`.

/// What is logged if `RUST_LOG` is not set.
pub const LOG_FILTER: &str = "info,sqlx=warn,hyper=warn";

/// Prefixes by which a variable is recognized as meant for this program.
const PREFIXES: [&str; 6] = ["CLERK_", "DATABASE_", "AUTH_DEBUG", "PUBLIC_ORIGIN", "RECONCILE_", "VESTIBULE_"];
/// Variables with such a prefix that other programs read.
const OF_OTHERS: [&str; 1] = ["CLERK_TELEMETRY_DISABLED"];

/// Where most variables are read.
const READER: &str = "src/server/runtime/config/reader.rs";
const MAIN: &str = "src/main.rs";

/// Variables that belong together.
pub struct Group {
    pub title: &'static str,
    /// What an operator should know about all of them, in Markdown without links.
    pub note: &'static str,
    /// Whether only development builds read them.
    pub development: bool,
    pub variables: &'static [Variable],
}

/// One variable of the environment.
pub struct Variable {
    pub name: &'static str,
    pub value: Value,
    /// What it is for, in one or two sentences of Markdown without links.
    pub meaning: &'static str,
    /// The source that reads it, from the repository's root.
    pub read_in: &'static str,
}

/// What a variable may look like, and what happens without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Must be set. An example.
    Required(&'static str),
    /// Only `vestibule migrate` needs it. An example.
    ForMigrate(&'static str),
    /// Used if it is not set.
    Default(&'static str),
    /// May be left out.
    Optional { example: &'static str, without: &'static str },
}

/// All variables.
pub static GROUPS: [Group; 6] = [
    Group {
        title: "The server",
        note: "",
        development: false,
        variables: &[
            Variable {
                name: "PUBLIC_ORIGIN",
                value: Value::Required("https://app.example.com"),
                meaning: "What the browser's address bar shows: scheme, host and port, nothing else.",
                read_in: READER,
            },
            Variable {
                name: "LISTEN",
                value: Value::Default("127.0.0.1:3000"),
                meaning: "Address and port to listen on, with plain HTTP. Put TLS in front of it.",
                read_in: READER,
            },
            Variable {
                name: "LEPTOS_SITE_ROOT",
                value: Value::Default("target/site"),
                meaning: "Folder of the built front end.",
                read_in: READER,
            },
        ],
    },
    Group {
        title: "Clerk",
        note: "Both keys belong to one instance; copy them from its dashboard, API keys.",
        development: false,
        variables: &[
            Variable {
                name: "CLERK_PUBLISHABLE_KEY",
                value: Value::Required("pk_live_..."),
                meaning: "`pk_live_…` of a production instance, or `pk_test_…` of a development instance.",
                read_in: READER,
            },
            Variable {
                name: "CLERK_SECRET_KEY",
                value: Value::Required("sk_live_..."),
                meaning: "`sk_live_…` or `sk_test_…` of the same instance.",
                read_in: READER,
            },
            Variable {
                name: "CLERK_WEBHOOK_SIGNING_SECRET",
                value: Value::Optional { example: "whsec_...", without: "every webhook is rejected" },
                meaning: "Signing secret of the webhook endpoint. While you rotate it: both, separated by a comma.",
                read_in: READER,
            },
            Variable {
                name: "CLERK_WEBHOOK_SECRET",
                value: Value::Optional { example: "whsec_...", without: "`CLERK_WEBHOOK_SIGNING_SECRET` is used" },
                meaning: "Another name for `CLERK_WEBHOOK_SIGNING_SECRET`. If both are set, they must be equal.",
                read_in: READER,
            },
            Variable {
                name: "CLERK_ISSUER",
                value: Value::Optional {
                    example: "https://clerk.app.example.com",
                    without: "`https://` and the host in the publishable key",
                },
                meaning: "The `iss` of the session tokens, exactly, without a slash at the end.",
                read_in: READER,
            },
            Variable {
                name: "CLERK_JWT_KEY",
                value: Value::Optional { example: "", without: "keys are fetched from the Backend API" },
                meaning: "PEM public key of the instance: tokens are verified without asking Clerk for keys. \
                          Newlines may be written as `\\n`.",
                read_in: READER,
            },
            Variable {
                name: "CLERK_AUTHORIZED_PARTIES",
                value: Value::Optional { example: "https://admin.example.com", without: "only `PUBLIC_ORIGIN`" },
                meaning: "Further origins (`azp`) whose tokens are accepted, separated by commas. \
                          `PUBLIC_ORIGIN` always is.",
                read_in: READER,
            },
            Variable {
                name: "CLERK_API_URL",
                value: Value::Default("https://api.clerk.com"),
                meaning: "Address of the Backend API.",
                read_in: READER,
            },
            Variable {
                name: "CLERK_TIMEOUT_MS",
                value: Value::Default("8000"),
                meaning: "How long one call of the Backend API may take, 100 to 60000 milliseconds. \
                          Work that a dead process had claimed is taken over after two and a half times as long.",
                read_in: READER,
            },
            Variable {
                name: "CLERK_FRONTEND_API_URL",
                value: Value::Default("https://frontend-api.clerk.dev"),
                meaning: "Where the proxy at `/__clerk` forwards to. Only with a `pk_live_…` key: \
                          with `pk_test_…` there is no proxy.",
                read_in: READER,
            },
        ],
    },
    Group {
        title: "The database",
        note: "Three logins with different rights. `vestibule migrate` creates the first two if the third one may.",
        development: false,
        variables: &[
            Variable {
                name: "DATABASE_URL",
                value: Value::Required("postgres://vestibule_request:...@localhost/vestibule"),
                meaning: "Login for requests.",
                read_in: READER,
            },
            Variable {
                name: "DATABASE_WORKER_URL",
                value: Value::Required("postgres://vestibule_worker:...@localhost/vestibule"),
                meaning: "Login for the outbox, webhooks and `vestibule reconcile`. Not the same as `DATABASE_URL`.",
                read_in: READER,
            },
            Variable {
                name: "DATABASE_MIGRATION_URL",
                value: Value::ForMigrate("postgres://vestibule_owner:...@localhost/vestibule"),
                meaning: "Login that owns the tables. `vestibule serve` does not use it.",
                read_in: READER,
            },
        ],
    },
    Group {
        title: "Background work",
        note: "",
        development: false,
        variables: &[Variable {
            name: "RECONCILE_HOURS",
            value: Value::Default("24"),
            meaning: "How often the server compares all users with Clerk, `0` to `720` hours; `0`: never.",
            read_in: READER,
        }],
    },
    Group {
        title: "Logs",
        note: "Logs go to standard error.",
        development: false,
        variables: &[
            Variable {
                name: "RUST_LOG",
                value: Value::Default(LOG_FILTER),
                meaning: "What is logged, as a filter of the crate tracing-subscriber.",
                read_in: MAIN,
            },
            Variable {
                name: "LOG_FORMAT",
                value: Value::Default("text"),
                meaning: "`text`, or `json` for one JSON object per line.",
                read_in: MAIN,
            },
            Variable {
                name: "AUTH_DEBUG_LOG",
                value: Value::Default("false"),
                meaning: "`true`: log the exact cause of every request without a session, \
                          and show on pages what is misconfigured.",
                read_in: READER,
            },
        ],
    },
    Group {
        title: "Development",
        note: "Development builds only.",
        development: true,
        variables: &[
            Variable {
                name: "LEPTOS_WATCH",
                value: Value::Optional { example: "true", without: "pages stay as they are" },
                meaning: "Set by `make watch`: pages of `vestibule dev` load themselves again after a build.",
                read_in: MAIN,
            },
            Variable {
                name: "VESTIBULE_POSTGRES_BINARIES",
                value: Value::Optional { example: "/path/to/native", without: "found in `end2end/node_modules`" },
                meaning: "Folder of the Postgres that `vestibule dev` starts.",
                read_in: "src/dev/run.rs",
            },
            Variable {
                name: "VESTIBULE_CRASH_AT",
                value: Value::Optional { example: "relay.answered:3", without: "the process lives on" },
                meaning: "Ends the process as `kill -9` would, when it passes a failpoint for the n-th time. \
                          A wrong name lists all failpoints.",
                read_in: "src/dev/crash.rs",
            },
        ],
    },
];

/// All variables, in the order of the table.
pub fn all() -> impl Iterator<Item = &'static Variable> {
    GROUPS.iter().flat_map(|group| group.variables)
}

/// The variables that a production build reads too.
pub fn of_every_build() -> impl Iterator<Item = &'static Variable> {
    GROUPS.iter().filter(|group| !group.development).flat_map(|group| group.variables)
}

/// Whether `name` is in the table.
pub fn is_known(name: &str) -> bool {
    all().any(|variable| variable.name == name)
}

/// What is used if `name` is not set.
pub fn default_of(name: &str) -> Option<&'static str> {
    all().find(|variable| variable.name == name).and_then(|variable| match variable.value {
        Value::Default(text) => Some(text),
        _ => None,
    })
}

/// Whether `name` looks as if it were meant for this program, but nothing reads it.
pub fn is_unknown(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && !OF_OTHERS.contains(&name) && !is_known(name)
}
