//! The command line: reads arguments and the environment, starts, and stops in order.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use tokio_util::sync::CancellationToken;
use vestibule::app;
use vestibule::server::reconcile::{self, End};
use vestibule::server::runtime::commands::{self, Options};
use vestibule::server::runtime::config::{self, Config};
use vestibule::server::runtime::database;
use vestibule::server::runtime::serve;
use vestibule::server::runtime::telemetry;
use vestibule::server::users::InvitedRole;

/// The entrance of a multi-tenant product: sign in with Clerk, create an organization, be inside.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve with the configuration of the environment.
    Serve(ServeArguments),
    /// Create or update tables and roles, as the login of DATABASE_MIGRATION_URL.
    Migrate,
    /// Say what is on its way to Clerk and from it, compare everybody with Clerk, and settle what differs.
    Reconcile(ReconcileArguments),
    /// Compare one user with Clerk now, settle what differs, and notify Clerk.
    Sync(SyncArguments),
    /// Invite a user to an organization, by their e-mail address.
    Invite(InviteArguments),
    /// Serve for development: what is not configured (Postgres, Clerk) starts with the app.
    #[cfg(feature = "dev")]
    Dev(development::DevArguments),
    /// The Clerk emulator by itself, for other projects: prints settings to paste into their environment.
    #[cfg(feature = "dev")]
    Emulator(clerk_emulator::cli::Arguments),
}

#[derive(clap::Args)]
struct ReconcileArguments {
    #[command(flatten)]
    how: HowToSync,
    /// Forget at most so many users who are gone at Clerk, and take away at most so many organizations that Clerk names
    /// and Postgres does not know: a wrong key must not empty a product.
    #[arg(long, default_value_t = reconcile::REMOVALS)]
    remove_at_most: u64,
}

#[derive(clap::Args)]
struct SyncArguments {
    /// The user's id at Clerk: user_…
    #[arg(long)]
    user: String,
    #[command(flatten)]
    how: HowToSync,
}

#[derive(clap::Args)]
struct InviteArguments {
    /// The address. It must be the user's primary one at Clerk, and verified there.
    #[arg(long)]
    email: String,
    /// The organization, by the last part of its web address.
    #[arg(long)]
    organization: String,
    #[arg(long, value_enum, default_value = "member")]
    role: InvitedRole,
}

#[derive(clap::Args)]
struct HowToSync {
    /// Change nothing, only say what differs.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct ServeArguments {
    /// Whether this process tells Clerk what was committed. "off" leaves that to others on the same database, of which
    /// there must be one.
    #[arg(long, default_value = "on")]
    relay: Switch,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut variables = environment();
    let listener = match listener(&variables) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("vestibule: {error}");
            return ExitCode::FAILURE;
        }
    };
    telemetry::start(
        variables.get("RUST_LOG").map(String::as_str),
        variables.get("LOG_FORMAT").is_some_and(|f| f == "json"),
        listener,
    );
    for name in config::unknown_names(&variables) {
        tracing::warn!(config.name = %name, "unknown variable (typo?): it is set, but nothing reads it");
    }
    let result = match arguments.command {
        Command::Serve(arguments) => run(&variables, &arguments).await,
        Command::Migrate => migrate(&variables).await,
        Command::Reconcile(arguments) => reconcile_everybody(&variables, &arguments).await,
        Command::Sync(arguments) => sync_one(&variables, &arguments).await,
        Command::Invite(arguments) => invite(&variables, &arguments).await,
        #[cfg(feature = "dev")]
        Command::Dev(arguments) => development::run(&mut variables, &arguments).await,
        #[cfg(feature = "dev")]
        Command::Emulator(arguments) => development::emulate(arguments).await,
    };
    variables.clear();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vestibule: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The environment, completed by a `.env` file in the working directory.
fn environment() -> BTreeMap<String, String> {
    if let Err(error) = dotenvy::dotenv()
        && !error.not_found()
    {
        eprintln!("vestibule: .env cannot be read: {error}");
    }
    std::env::vars().collect()
}

/// Who listens besides the log.
#[cfg(feature = "dev")]
fn listener(variables: &BTreeMap<String, String>) -> Result<Option<telemetry::Listener>, Box<dyn Error>> {
    let wanted = variables.get(vestibule::dev::crash::VARIABLE).map(|text| text.trim()).filter(|text| !text.is_empty());
    Ok(wanted.map(vestibule::dev::crash::listener).transpose()?)
}

#[cfg(not(feature = "dev"))]
fn listener(_: &BTreeMap<String, String>) -> Result<Option<telemetry::Listener>, Box<dyn Error>> {
    Ok(None)
}

async fn run(variables: &BTreeMap<String, String>, arguments: &ServeArguments) -> Result<(), Box<dyn Error>> {
    let mut config = Config::from_variables(variables, cfg!(feature = "dev"))?;
    config.relay = arguments.relay == Switch::On;
    if config.clerk.is_development() {
        tracing::warn!(
            "the keys are those of a development instance of Clerk (pk_test_): for trying out, not for customers"
        );
    }
    let stop = CancellationToken::new();
    serve::stop_on_signals(stop.clone())?;
    let listener = serve::listen(config.listen).await?;
    let (app, pools) = serve::prepare(&config).await?;
    tracing::info!(address = %config.public_origin, "serving");
    serve::serve(listener, app::router(app.clone()), app, pools, config.reconcile_every, stop).await?;
    Ok(())
}

async fn migrate(variables: &BTreeMap<String, String>) -> Result<(), Box<dyn Error>> {
    let config = config::database_from_variables(variables)?;
    let owner = config.migration.as_ref().ok_or("DATABASE_MIGRATION_URL is not set: the login that owns the tables")?;
    database::migrate(owner, &config).await?;
    println!("Tables and roles are up to date.");
    Ok(())
}

async fn reconcile_everybody(
    variables: &BTreeMap<String, String>,
    arguments: &ReconcileArguments,
) -> Result<(), Box<dyn Error>> {
    let config = Config::from_variables(variables, cfg!(feature = "dev"))?;
    let stop = CancellationToken::new();
    serve::stop_on_signals(stop.clone())?;
    let HowToSync { dry_run, json } = arguments.how;
    let options = Options { dry_run, json, removals: arguments.remove_at_most };
    match commands::reconcile(&config, options, &stop).await? {
        End::Finished => Ok(()),
        End::Interrupted => Err("interrupted. Nothing is half done; run it again to go on".into()),
    }
}

async fn sync_one(variables: &BTreeMap<String, String>, arguments: &SyncArguments) -> Result<(), Box<dyn Error>> {
    let config = Config::from_variables(variables, cfg!(feature = "dev"))?;
    let HowToSync { dry_run, json } = arguments.how;
    commands::sync(&config, &arguments.user, Options { dry_run, json, removals: 1 }).await
}

async fn invite(variables: &BTreeMap<String, String>, arguments: &InviteArguments) -> Result<(), Box<dyn Error>> {
    let config = Config::from_variables(variables, cfg!(feature = "dev"))?;
    commands::invite(&config, &arguments.email, &arguments.organization, arguments.role).await
}

#[cfg(feature = "dev")]
mod development {
    //! `vestibule dev`.

    use std::collections::BTreeMap;
    use std::error::Error;
    use std::net::SocketAddr;
    use std::path::PathBuf;

    use clap::ValueEnum;
    use clerk_emulator::cli::{self, TlsArguments};
    use clerk_emulator::seed;
    use tokio_util::sync::CancellationToken;
    use vestibule::app;
    use vestibule::dev::run::{claims_template, start};
    use vestibule::server::runtime::config::Config;
    use vestibule::server::runtime::database;
    use vestibule::server::runtime::serve;

    use super::{ServeArguments, Switch};

    #[derive(clap::Args)]
    pub struct DevArguments {
        /// Where to answer. Port 0 takes a free one.
        #[arg(long, default_value = "127.0.0.1:3000")]
        listen: SocketAddr,
        /// Where the embedded Postgres and the Clerk emulator keep their data.
        #[arg(long, default_value = ".vestibule")]
        data_dir: PathBuf,
        /// Which kind of instance the Clerk emulator is: "production" behind the app's own origin, which is the default, or
        /// "development", which the browser calls directly. Each keeps users of its own.
        #[arg(long)]
        clerk: Option<Kind>,
        #[command(flatten)]
        serve: ServeArguments,
        #[command(flatten)]
        tls: TlsArguments,
    }

    #[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
    enum Kind {
        Production,
        Development,
    }

    /// The emulator by itself, with this product's claims template.
    pub async fn emulate(arguments: cli::Arguments) -> Result<(), Box<dyn Error>> {
        let stop = CancellationToken::new();
        serve::stop_on_signals(stop.clone())?;
        Ok(cli::run(arguments, claims_template()?, stop).await?)
    }

    pub async fn run(variables: &mut BTreeMap<String, String>, arguments: &DevArguments) -> Result<(), Box<dyn Error>> {
        let stop = CancellationToken::new();
        serve::stop_on_signals(stop.clone())?;
        let development = arguments.clerk == Some(Kind::Development);
        let wanted = arguments.tls.instance(development, "--clerk development")?;
        let instance = arguments.clerk.map(|_| wanted);
        // The port first: a second start must fail before it touches any data.
        let listener = serve::listen(arguments.listen).await?;
        let development = start(variables, &arguments.data_dir, listener.local_addr()?, instance).await?;
        let served = async {
            let mut config = Config::from_variables(variables, true)?;
            config.relay = arguments.serve.relay == Switch::On;
            config.reloads = variables.contains_key("LEPTOS_WATCH");
            if let Some(owner) = &config.database.migration {
                database::migrate(owner, &config.database).await?;
            }
            let (app, pools) = serve::prepare(&config).await?;
            development.announce(&config.public_origin, variables)?;
            println!("\n  Vestibule is running at {}\n", config.public_origin);
            if let Some(inbox) = development.inbox_url() {
                println!("  E-mail codes arrive at   {inbox}");
                println!("  or sign in as            ada@example.test / {}", seed::PASSWORD);
            }
            if let Some(control) = development.control_url() {
                println!("  Fault settings are at    {control}");
            }
            println!("  Data is kept in          {}", arguments.data_dir.display());
            if let Some(direct) = development.direct() {
                println!("\n  The browser calls Clerk's host itself. Start one that finds it on this machine:");
                println!("  {}\n", cli::chromium_command(direct));
            }
            println!("  Stop with Ctrl-C\n");
            serve::serve(listener, app::router(app.clone()), app, pools, config.reconcile_every, stop).await?;
            Ok::<_, Box<dyn Error>>(())
        };
        let result = served.await;
        development.stop().await;
        result
    }
}
