//! The pass that the running server makes by itself, page by page, whichever process is there.
//!
//! What must stay true: one process at a time has the pass; if it dies, another one goes on where it was.

use std::time::Duration as StdDuration;

use serde_json::Value;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};
use tokio_util::sync::CancellationToken;

use super::{End, Finding, Pass, REMOVALS, ReconcileError, Reconciler};
use crate::server::clock::Clock;

/// How often a process looks whether a pass is due.
const LOOK: StdDuration = StdDuration::from_secs(60);
/// How long the pass belongs to a process that has not finished another page.
const LEASE: Duration = Duration::minutes(10);

/// Makes a pass each time `every` has gone by since the last one was finished, until stopped.
pub async fn run_regularly(reconciler: Reconciler, every: Duration, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match reconciler.run_if_due(every, &stop).await {
            Ok(_) => {}
            Err(ReconcileError::Database(error)) => _ = crate::server::failures::unavailable(&error),
            Err(error) => tracing::warn!(%error, "comparing with Clerk stopped; it goes on later"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

impl Reconciler {
    /// Goes on with the pass that another process left, or begins one if it is due. `None`: there was nothing to do.
    pub async fn run_if_due(&self, every: Duration, stop: &CancellationToken) -> Result<Option<End>, ReconcileError> {
        let Some(mut held) = Held::claim(&self.pool, &self.clock, every).await? else { return Ok(None) };
        // A place that another version wrote down and this one cannot read is none.
        let place = held.place.take().and_then(|place| serde_json::from_value(place).ok());
        let mut pass = place.unwrap_or_else(|| Pass::new(false, REMOVALS));
        let ended = self.go_on(&mut pass, &mut held, stop).await;
        match &ended {
            Ok(End::Finished) => {
                held.finish(&self.pool, &self.clock).await?;
                let count = |counts: &std::collections::BTreeMap<_, u64>| counts.values().sum::<u64>();
                let (settled, left_alone) = (count(&pass.summary.settled), count(&pass.summary.left_alone));
                tracing::info!(
                    reconcile.users = pass.summary.compared,
                    settled,
                    left_alone,
                    "compared everybody with Clerk"
                );
                if left_alone > 0 {
                    tracing::warn!(
                        left_alone,
                        "differences were left alone; `vestibule reconcile --dry-run` lists them"
                    );
                }
            }
            _ => held.release(&self.pool).await?,
        }
        ended.map(Some)
    }

    async fn go_on(&self, pass: &mut Pass, held: &mut Held, stop: &CancellationToken) -> Result<End, ReconcileError> {
        while !pass.is_finished() {
            let Some(found) = self.next_page(pass, stop).await? else { return Ok(End::Interrupted) };
            for finding in &found {
                let Finding { user, kind, end } = finding;
                tracing::warn!(user.id = %user, drift.kind = ?kind, drift.end = ?end, "Postgres and Clerk differed");
            }
            held.save(&self.pool, &self.clock, pass).await?;
        }
        Ok(End::Finished)
    }
}

/// The row, for as long as the pass is ours.
struct Held {
    until: OffsetDateTime,
    place: Option<Value>,
}

impl Held {
    async fn claim(pool: &PgPool, clock: &Clock, every: Duration) -> Result<Option<Self>, sqlx::Error> {
        let until = clock.now() + LEASE;
        // An unfinished pass keeps its place, a new one begins without.
        #[derive(sqlx::FromRow)]
        struct PlaceRow {
            place: Option<Value>,
        }
        let claimed: Option<PlaceRow> = sqlx::query_as(
            "update reconcile_progress
             set leased_until = $2,
                 place = case when started_at > finished_at or finished_at is null then place end,
                 started_at = case when started_at > finished_at or finished_at is null then started_at else $1 end
             where (leased_until is null or leased_until <= $1)
               and (started_at > finished_at or finished_at is null or finished_at <= $1 - $3 * interval '1 second')
             returning place",
        )
        .bind(clock.now())
        .bind(until)
        .bind(every.as_seconds_f64())
        .fetch_optional(pool)
        .await?;
        Ok(claimed.map(|row| Self { until, place: row.place }))
    }

    async fn save(&mut self, pool: &PgPool, clock: &Clock, pass: &Pass) -> Result<(), ReconcileError> {
        let until = clock.now() + LEASE;
        let place = serde_json::to_value(pass)?;
        let saved = sqlx::query("update reconcile_progress set place = $1, leased_until = $2 where leased_until = $3")
            .bind(place)
            .bind(until)
            .bind(self.until)
            .execute(pool)
            .await?;
        if saved.rows_affected() == 0 {
            // Another process took it for abandoned. What it repeats changes nothing.
            return Err(ReconcileError::Taken);
        }
        self.until = until;
        Ok(())
    }

    async fn finish(self, pool: &PgPool, clock: &Clock) -> Result<(), sqlx::Error> {
        sqlx::query(
            "update reconcile_progress set finished_at = $1, leased_until = null, place = null where leased_until = $2",
        )
        .bind(clock.now())
        .bind(self.until)
        .execute(pool)
        .await
        .map(|_| ())
    }

    async fn release(self, pool: &PgPool) -> Result<(), sqlx::Error> {
        sqlx::query("update reconcile_progress set leased_until = null where leased_until = $1")
            .bind(self.until)
            .execute(pool)
            .await
            .map(|_| ())
    }
}
