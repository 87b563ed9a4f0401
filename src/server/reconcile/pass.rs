//! One pass: where it is, what it found, and what it does with a page of people.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ReconcileError, Reconciler};
use crate::model::ids::UserId;
use crate::server::clerk::backend_api::LARGEST_PAGE;
use crate::server::clerk::user::ClerkUser;
use crate::server::users::{self, DriftKind, SyncRights};

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub user: UserId,
    pub kind: DriftKind,
    /// False: it was only found.
    pub repaired: bool,
}

/// What a pass did so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// People who were compared.
    pub compared: u64,
    /// How often each kind was settled.
    pub repaired: BTreeMap<DriftKind, u64>,
    /// How often each kind was found and left alone.
    pub remaining: BTreeMap<DriftKind, u64>,
}

/// A pass on its way. Kept as JSON between pages, so that another process can go on with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    place: Place,
    dry_run: bool,
    /// How often it may take something away.
    removals: u64,
    pub summary: Summary,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    /// Among those whom we know, behind this one.
    Ours(String),
    /// Among those whom Clerk knows, behind so many. Somebody who is deleted meanwhile moves the others up, and one of them
    /// is missed until the next pass.
    Theirs(usize),
    Finished,
}

impl Pass {
    pub fn new(dry_run: bool, removals: u64) -> Self {
        Self { place: Place::Ours(String::new()), dry_run, removals, summary: Summary::default() }
    }

    pub fn is_finished(&self) -> bool {
        self.place == Place::Finished
    }

    /// Whether it may take something away once more.
    fn may_take_away(&self) -> bool {
        let taken: u64 =
            self.summary.repaired.iter().filter(|(kind, _)| kind.takes_away()).map(|(_, count)| count).sum();
        !self.dry_run && taken < self.removals
    }

    fn note(&mut self, found: &mut Vec<Finding>, user: &UserId, kind: DriftKind, repaired: bool) {
        let counts = if repaired { &mut self.summary.repaired } else { &mut self.summary.remaining };
        *counts.entry(kind).or_default() += 1;
        found.push(Finding { user: user.clone(), kind, repaired });
    }
}

impl Reconciler {
    /// Compares the next page, and says what was found. If it fails, the pass stays before that page.
    pub(super) async fn page(&self, pass: &mut Pass) -> Result<Vec<Finding>, ReconcileError> {
        match pass.place.clone() {
            Place::Ours(after) => self.page_of_ours(pass, &after).await,
            Place::Theirs(offset) => self.page_of_theirs(pass, offset).await,
            Place::Finished => Ok(Vec::new()),
        }
    }

    async fn page_of_ours(&self, pass: &mut Pass, after: &str) -> Result<Vec<Finding>, ReconcileError> {
        let ids: Vec<String> = sqlx::query_scalar("select list_people($1, $2)")
            .bind(after)
            .bind(LARGEST_PAGE as i32)
            .fetch_all(&self.pool)
            .await?;
        let Some(last) = ids.last() else {
            pass.place = Place::Theirs(0);
            return Ok(Vec::new());
        };
        let people: Vec<UserId> = ids.iter().filter_map(|id| UserId::parse(id).ok()).collect();
        let known = if people.is_empty() {
            Vec::new()
        } else {
            self.pace.until_ready().await;
            self.clerk.users(&people).await?
        };
        let there: BTreeSet<&str> = known.iter().map(|user| user.id.as_str()).collect();
        let missing: Vec<&UserId> = people.iter().filter(|id| !there.contains(id.as_str())).collect();
        // Asked one by one before anything is settled: a list may leave somebody out, a 404 does not.
        let mut gone = Vec::new();
        for id in missing {
            self.pace.until_ready().await;
            match self.clerk.user(id).await {
                Ok(_) => {}
                Err(error) if error.status() == Some(404) => gone.push(id),
                Err(error) => return Err(error.into()),
            }
        }
        let mut found = Vec::new();
        for user in &known {
            self.settle(pass, &mut found, user).await?;
        }
        for id in gone {
            self.forget(pass, &mut found, id).await?;
        }
        pass.place = Place::Ours(last.clone());
        Ok(found)
    }

    async fn page_of_theirs(&self, pass: &mut Pass, offset: usize) -> Result<Vec<Finding>, ReconcileError> {
        self.pace.until_ready().await;
        let page = self.clerk.users_from(offset).await?;
        let ids: Vec<&str> = page.iter().map(|user| user.id.as_str()).collect();
        let strangers: Vec<String> =
            sqlx::query_scalar("select list_strangers($1)").bind(&ids).fetch_all(&self.pool).await?;
        let mut found = Vec::new();
        for user in page.iter().filter(|user| strangers.iter().any(|id| id == user.id.as_str())) {
            self.settle(pass, &mut found, user).await?;
        }
        pass.place = if page.len() < LARGEST_PAGE { Place::Finished } else { Place::Theirs(offset + page.len()) };
        Ok(found)
    }

    async fn settle(&self, pass: &mut Pass, found: &mut Vec<Finding>, user: &ClerkUser) -> Result<(), ReconcileError> {
        let rights = SyncRights { may_link: true, may_clear: pass.may_take_away(), dry_run: pass.dry_run };
        let synced = users::sync(&self.pool, user, Some(user), rights, self.clock.now()).await?;
        pass.summary.compared += 1;
        for (kinds, repaired) in [(synced.repaired, true), (synced.remaining, false)] {
            for kind in kinds {
                pass.note(found, &user.id, kind, repaired);
            }
        }
        Ok(())
    }

    /// Clerk said that somebody of ours does not exist. If it has known nobody of ours so far, the keys may be those of
    /// another instance.
    async fn forget(&self, pass: &mut Pass, found: &mut Vec<Finding>, id: &UserId) -> Result<(), ReconcileError> {
        let repaired = pass.may_take_away() && pass.summary.compared > 0;
        if repaired {
            let ownerless: Vec<uuid::Uuid> = sqlx::query_scalar("select forget_clerk_user($1, $2)")
                .bind(id.as_str())
                .bind(self.clock.now())
                .fetch_all(&self.pool)
                .await?;
            for organization in ownerless {
                tracing::warn!(organization.id = %organization, "an organization lost its last owner");
            }
        }
        pass.note(found, id, DriftKind::PersonGone, repaired);
        Ok(())
    }
}
