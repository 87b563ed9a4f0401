//! First factors: password, e-mail code, and the e-mail code that allows a new password.

use http::StatusCode;

use super::sign_ins::{check_password, finish, own, require_signed_out, shown};
use super::visit::{Reply, Visit};
use crate::errors::ApiError;
use crate::records::SignIn;
use crate::{codes, users};

const EMAIL_CODE: &str = "email_code";
const RESET_PASSWORD: &str = "reset_password_email_code";

/// `POST …/prepare_first_factor`: sends a code.
pub(super) fn prepare(visit: &mut Visit<'_>, id: &str) -> Result<Reply, ApiError> {
    let mut sign_in = open(visit, id)?.0;
    let strategy = visit.call.required("strategy")?;
    if strategy != EMAIL_CODE && strategy != RESET_PASSWORD {
        return Err(unusable(strategy));
    }
    send_code(visit, &mut sign_in, strategy)?;
    visit.store.put(sign_in.clone());
    Ok(shown(visit, &sign_in))
}

/// `POST …/attempt_first_factor`
pub(super) fn attempt(visit: &mut Visit<'_>, id: &str) -> Result<Reply, ApiError> {
    let (mut sign_in, user_id) = open(visit, id)?;
    match visit.call.required("strategy")? {
        "password" => {
            check_password(visit, &user_id, visit.call.required("password")?)?;
            finish(visit, &mut sign_in, &user_id)?;
        }
        strategy @ (EMAIL_CODE | RESET_PASSWORD) => {
            let code = visit.call.required("code")?;
            let mut sent =
                sign_in.first_factor.clone().filter(|sent| sent.strategy == strategy).ok_or_else(codes::not_sent)?;
            let checked = codes::check(visit.app, &mut sent, code);
            sign_in.first_factor = Some(sent);
            visit.store.put(sign_in.clone());
            checked?;
            if strategy == RESET_PASSWORD {
                sign_in.status = "needs_new_password".to_owned();
            } else {
                finish(visit, &mut sign_in, &user_id)?;
            }
        }
        other => return Err(unusable(other)),
    }
    visit.store.put(sign_in.clone());
    Ok(shown(visit, &sign_in))
}

/// `POST …/reset_password`: after the code, the new password.
pub(super) fn reset_password(visit: &mut Visit<'_>, id: &str) -> Result<Reply, ApiError> {
    require_signed_out(visit)?;
    let mut sign_in = own(visit, id)?;
    let user_id =
        sign_in.user_id.clone().filter(|_| sign_in.status == "needs_new_password").ok_or_else(codes::not_sent)?;
    let hash = users::accepted_password(visit.app, "password", visit.call.required("password")?)?;
    users::change_user(visit.app, visit.store, &user_id, |user| user.password_hash = Some(hash))?;
    if visit.call.flag("sign_out_of_other_sessions") {
        users::end_other_sessions(visit.app, visit.store, &user_id, None);
    }
    finish(visit, &mut sign_in, &user_id)?;
    visit.store.put(sign_in.clone());
    Ok(shown(visit, &sign_in))
}

/// Sends a code to the address that was chosen, or to the one that was typed.
pub(super) fn send_code(visit: &Visit<'_>, sign_in: &mut SignIn, strategy: &str) -> Result<(), ApiError> {
    let user = sign_in.user_id.as_ref().and_then(|id| visit.store.users.get(id));
    let user = user.ok_or_else(|| ApiError::missing("identifier"))?;
    let email = match visit.call.filled("email_address_id") {
        Some(id) => user.email(id),
        None => sign_in.identifier.as_deref().and_then(|typed| {
            let typed = crate::store::normalized(typed);
            user.emails.iter().find(|email| email.address == typed)
        }),
    };
    let email = email.filter(|email| email.verified).ok_or_else(|| ApiError::not_found("email address"))?;
    sign_in.first_factor = Some(codes::send(visit.app, &email.address, strategy));
    Ok(())
}

/// The attempt and its user's id, if a first factor is still needed.
fn open(visit: &Visit<'_>, id: &str) -> Result<(SignIn, String), ApiError> {
    require_signed_out(visit)?;
    let sign_in = own(visit, id)?;
    if sign_in.status == "complete" {
        let text = "You have already signed in with this attempt.";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "sign_in_already_complete", "Already complete", text));
    }
    let user_id = sign_in.user_id.clone().ok_or_else(|| ApiError::missing("identifier"))?;
    Ok((sign_in, user_id))
}

fn unusable(strategy: &str) -> ApiError {
    ApiError::invalid("strategy", &format!("The method {strategy} cannot be used here."))
}
