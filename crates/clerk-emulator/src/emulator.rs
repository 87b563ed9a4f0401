//! The handle of a running emulator.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::settings::Settings;

/// Longest wait for requests in progress at shutdown.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);

/// A running emulator. Dropping it stops it at once; [`Emulator::shutdown`] lets requests in progress finish.
#[derive(Debug)]
pub struct Emulator {
    settings: Settings,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Emulator {
    /// `server` ends in order when `stop` is cancelled.
    pub(crate) fn new(settings: Settings, stop: CancellationToken, server: JoinHandle<()>) -> Self {
        Self { settings, stop, server }
    }

    /// What an app must be configured with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Stops listening and waits up to 2 s for requests in progress.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(SHUTDOWN_LIMIT, &mut self.server).await.is_err() {
            self.server.abort();
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}
