//! The first visit of a user who belongs to no organization.

use super::outbox::Outbox;
use super::tenancy::TenantTransaction;

/// Before the form is shown: makes their profile if no webhook has made it yet, and if they may have been invited, waits a
/// moment for Clerk to say who they are. True: ask again where they belong. Clerk being slow or down only means that they
/// see the form.
///
/// # Errors
/// The database does not answer. The form can be shown all the same.
pub async fn meet(outbox: &Outbox, mut transaction: TenantTransaction) -> Result<bool, sqlx::Error> {
    let caller = transaction.caller().clone();
    let is_worth_waiting: bool =
        sqlx::query_scalar("select vestibule.ensure_profile()").fetch_one(transaction.connection()).await?;
    transaction.commit().await?;
    if is_worth_waiting {
        outbox.settle(&caller).await;
    }
    Ok(is_worth_waiting)
}
