//! One pass: where it is, what it found, and what it does with a page of users.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ReconcileError, Reconciler};
use crate::model::ids::UserId;
use crate::server::clerk::backend_api::LARGEST_PAGE;
use crate::server::clerk::user::ClerkUser;
use crate::server::users::{self, Comparison, DriftKind, SyncRights};

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub user: UserId,
    pub kind: DriftKind,
    pub end: FindingEnd,
}

/// What became of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingEnd {
    Settled,
    /// By a pass that is not dry.
    WouldBeSettled,
    /// Settling it would take something away, and the pass may not, or not once more.
    LeftAlone,
}

/// What a pass did so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Users who were compared.
    pub compared: u64,
    /// How often each kind was settled.
    pub settled: BTreeMap<DriftKind, u64>,
    /// How often each kind would have been settled, had the pass not been dry.
    pub would_be_settled: BTreeMap<DriftKind, u64>,
    /// How often each kind was found and left alone.
    pub left_alone: BTreeMap<DriftKind, u64>,
}

/// A pass on its way. Kept as JSON between pages, so that another process can go on with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    place: Place,
    dry_run: bool,
    /// How often it may take something away.
    removals: u64,
    /// How many of ours it asked Clerk for.
    asked: u64,
    /// Those whom Clerk does not know: no more than may be forgotten. It is done one by one in the end, when it is known
    /// whether Clerk knows any of ours, and each time it is written down how many that were.
    gone: Vec<UserId>,
    pub summary: Summary,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    /// Among those whom we know, behind this one.
    Ours(String),
    /// Among those whom Clerk knows, behind so many. A user who is deleted meanwhile moves the others up, and one of them
    /// is missed until the next pass.
    Theirs(usize),
    Finished,
}

impl Pass {
    pub fn new(dry_run: bool, removals: u64) -> Self {
        Self {
            place: Place::Ours(String::new()),
            dry_run,
            removals,
            asked: 0,
            gone: Vec::new(),
            summary: Summary::default(),
        }
    }

    pub fn is_finished(&self) -> bool {
        self.place == Place::Finished
    }

    /// Whether it may take something away once more, or might if it were not dry.
    fn may_take_away(&self) -> bool {
        let counts = [&self.summary.settled, &self.summary.would_be_settled];
        let taken = counts.into_iter().flatten().filter(|(kind, _)| kind.takes_away()).map(|(_, count)| count);
        taken.sum::<u64>() < self.removals
    }

    fn note(&mut self, found: &mut Vec<Finding>, user: &UserId, kind: DriftKind, may: bool) {
        let (counts, end) = match (may, self.dry_run) {
            (false, _) => (&mut self.summary.left_alone, FindingEnd::LeftAlone),
            (true, false) => (&mut self.summary.settled, FindingEnd::Settled),
            (true, true) => (&mut self.summary.would_be_settled, FindingEnd::WouldBeSettled),
        };
        *counts.entry(kind).or_default() += 1;
        found.push(Finding { user: user.clone(), kind, end });
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
        let ids: Vec<String> = sqlx::query_scalar("select vestibule.list_users(after => $1, most => $2)")
            .bind(after)
            .bind(LARGEST_PAGE as i32)
            .fetch_all(&self.pool)
            .await?;
        let Some(last) = ids.last() else { return self.end_of_ours(pass).await };
        let users: Vec<UserId> = ids.iter().filter_map(|id| UserId::parse(id).ok()).collect();
        let known = if users.is_empty() {
            Vec::new()
        } else {
            self.pace.until_ready().await;
            self.clerk.users(&users).await?
        };
        let there: BTreeSet<&str> = known.iter().map(|user| user.id.as_str()).collect();
        let missing: Vec<&UserId> = users.iter().filter(|id| !there.contains(id.as_str())).collect();
        // Asked one by one before anything is settled: a list may leave a user out, a 404 does not. Of those who cannot be
        // forgotten all the same, it is enough to say so.
        let mut gone = Vec::new();
        let room = usize::try_from(pass.removals).unwrap_or(usize::MAX).saturating_sub(pass.gone.len());
        let (asked, too_many) = missing.split_at(missing.len().min(room));
        for id in asked {
            self.pace.until_ready().await;
            match self.clerk.user(id).await {
                Ok(_) => {}
                Err(error) if error.status() == Some(404) => gone.push((*id).clone()),
                Err(error) => return Err(error.into()),
            }
        }
        let mut found = Vec::new();
        for user in &known {
            self.settle(pass, &mut found, user).await?;
        }
        for id in too_many {
            pass.note(&mut found, id, DriftKind::PersonGone, false);
        }
        pass.asked += users.len() as u64;
        pass.gone.extend(gone);
        pass.place = Place::Ours(last.clone());
        Ok(found)
    }

    /// All users whom we know were compared: those whom Clerk does not know go, one a page.
    async fn end_of_ours(&self, pass: &mut Pass) -> Result<Vec<Finding>, ReconcileError> {
        let mut found = Vec::new();
        // Where Clerk knows none of ours, its users are not ours either: the keys may be those of another instance.
        if pass.asked > 0 && pass.summary.compared == 0 {
            for id in std::mem::take(&mut pass.gone) {
                pass.note(&mut found, &id, DriftKind::PersonGone, false);
            }
            pass.place = Place::Finished;
        } else if let Some(id) = pass.gone.last().cloned() {
            self.forget(pass, &mut found, &id).await?;
            pass.gone.pop();
        } else {
            pass.place = Place::Theirs(0);
        }
        Ok(found)
    }

    async fn page_of_theirs(&self, pass: &mut Pass, offset: usize) -> Result<Vec<Finding>, ReconcileError> {
        self.pace.until_ready().await;
        let page = self.clerk.users_from(offset).await?;
        let ids: Vec<&str> = page.iter().map(|user| user.id.as_str()).collect();
        let strangers: Vec<String> =
            sqlx::query_scalar("select vestibule.list_unknown_users($1)").bind(&ids).fetch_all(&self.pool).await?;
        let mut found = Vec::new();
        for user in page.iter().filter(|user| strangers.iter().any(|id| id == user.id.as_str())) {
            self.settle(pass, &mut found, user).await?;
        }
        pass.place = if page.len() < LARGEST_PAGE { Place::Finished } else { Place::Theirs(offset + page.len()) };
        Ok(found)
    }

    async fn settle(&self, pass: &mut Pass, found: &mut Vec<Finding>, user: &ClerkUser) -> Result<(), ReconcileError> {
        let may_take_away = pass.may_take_away();
        let rights = SyncRights { may_link: true, may_clear: may_take_away, dry_run: pass.dry_run };
        let comparison = Comparison { user, with_metadata: true, rights, at: self.clock.now() };
        let synced = users::sync(&self.pool, comparison).await?;
        pass.summary.compared += 1;
        for kind in synced.repaired {
            pass.note(found, &user.id, kind, true);
        }
        for kind in synced.remaining {
            pass.note(found, &user.id, kind, pass.dry_run && (may_take_away || !kind.takes_away()));
        }
        Ok(())
    }

    async fn forget(&self, pass: &mut Pass, found: &mut Vec<Finding>, id: &UserId) -> Result<(), ReconcileError> {
        let may = pass.may_take_away();
        if may && !pass.dry_run {
            for organization in users::forget(&self.pool, id, self.clock.now()).await? {
                tracing::warn!(organization.id = %organization, "an organization lost its last owner");
            }
        }
        pass.note(found, id, DriftKind::PersonGone, may);
        Ok(())
    }
}
