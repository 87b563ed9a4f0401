//! The binary: the emulator by itself, for any program that talks to Clerk.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use clerk_emulator::cli;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// A Clerk that works offline. Prints settings to paste into the environment of the program that uses it.
#[derive(Parser)]
#[command(name = "clerk-emulator", version, about)]
struct Command {
    #[command(flatten)]
    arguments: cli::Arguments,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Command::parse().arguments;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("clerk-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: cli::Arguments) -> Result<(), Box<dyn Error>> {
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let signalled = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        signalled.cancel();
    });
    // A new instance of Clerk's has no customization of its session token.
    Ok(cli::run(arguments, json!({}), stop).await?)
}
