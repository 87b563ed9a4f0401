//! What the instance offers: e-mail and password, nothing else. Clerk's components draw themselves after this.
//! A group may be absent, but one that is there must be whole: clerk-js does not fill gaps inside
//! `attributes`, `sign_up`, `sign_in`, `social` and `actions`.

use serde_json::{Value, json};

const DOCUMENT: &str = r#"{
  "object": "environment",
  "auth_config": {
    "object": "auth_config",
    "id": "aconf_local",
    "single_session_mode": true,
    "reverification": false,
    "session_minter": false,
    "claimed_at": null
  },
  "display_config": {
    "object": "display_config",
    "id": "display_config_local",
    "instance_environment_type": "production",
    "application_name": "",
    "preferred_sign_in_strategy": "password",
    "theme": {},
    "logo_image_url": null,
    "favicon_image_url": null,
    "home_url": "/",
    "sign_in_url": "/sign-in",
    "sign_up_url": "/sign-up",
    "user_profile_url": "/profile",
    "after_sign_in_url": "/",
    "after_sign_up_url": "/",
    "after_sign_out_one_url": "/",
    "after_sign_out_all_url": "/sign-in",
    "after_switch_session_url": "/",
    "branded": false,
    "show_devmode_warning": false,
    "captcha_public_key": null,
    "captcha_public_key_invisible": null,
    "captcha_widget_type": null,
    "captcha_provider": null,
    "captcha_oauth_bypass": [],
    "captcha_heartbeat": false,
    "support_email": null,
    "terms_url": null,
    "privacy_policy_url": null,
    "google_one_tap_client_id": null,
    "clerk_js_version": null
  },
  "user_settings": {
    "attributes": {
      "email_address": {
        "enabled": true,
        "required": true,
        "used_for_first_factor": true,
        "first_factors": ["email_code"],
        "used_for_second_factor": false,
        "second_factors": [],
        "verifications": ["email_code"],
        "verify_at_sign_up": true,
        "immutable": false
      },
      "first_name": {"enabled": true, "required": false, "used_for_first_factor": false, "first_factors": []},
      "last_name": {"enabled": true, "required": false, "used_for_first_factor": false, "first_factors": []},
      "password": {
        "enabled": true,
        "required": true,
        "used_for_first_factor": false,
        "first_factors": [],
        "used_for_second_factor": false,
        "second_factors": [],
        "verifications": [],
        "verify_at_sign_up": false,
        "immutable": false
      }
    },
    "social": {},
    "enterprise_sso": {"enabled": false},
    "sign_in": {"second_factor": {"required": false, "enabled": false}},
    "sign_up": {
      "mode": "public",
      "captcha_enabled": false,
      "captcha_widget_type": "smart",
      "custom_action_required": false,
      "progressive": true,
      "legal_consent_enabled": false
    },
    "password_settings": {
      "min_length": 8,
      "max_length": 72,
      "disable_hibp": true,
      "require_special_char": false,
      "require_numbers": false,
      "require_uppercase": false,
      "require_lowercase": false,
      "show_zxcvbn": false,
      "min_zxcvbn_strength": 0,
      "allowed_special_characters": ""
    },
    "passkey_settings": {"allow_autofill": false, "show_sign_in_button": false},
    "attack_protection": {"enumeration_protection": {"enabled": false}},
    "actions": {"delete_self": false, "create_organization": false}
  },
  "organization_settings": {
    "enabled": false,
    "max_allowed_memberships": 1,
    "force_organization_selection": false,
    "actions": {"admin_delete": false},
    "domains": {"enabled": false, "enrollment_modes": [], "default_role": null},
    "slug": {"disabled": true}
  },
  "commerce_settings": {
    "billing": {
      "stripe_publishable_key": null,
      "free_trial_requires_payment_method": false,
      "user": {"enabled": false, "has_paid_plans": false},
      "organization": {"enabled": false, "has_paid_plans": false}
    }
  },
  "api_keys_settings": {"enabled": false, "user_api_keys_enabled": false, "orgs_api_keys_enabled": false},
  "protect_config": {"loaders": []},
  "client_debug_mode": false,
  "partitioned_cookies": false,
  "maintenance_mode": false
}"#;

/// The environment of an application with this name.
pub(crate) fn document(application_name: &str, is_development: bool) -> Value {
    let mut document: Value = serde_json::from_str(DOCUMENT).expect("the text above is JSON");
    document["display_config"]["application_name"] = json!(application_name);
    if is_development {
        document["display_config"]["instance_environment_type"] = json!("development");
    }
    document
}

/// The document as it is now: whether sessions have a minter can change while the emulator runs.
pub(crate) fn with_session_minter(document: &Value, session_minter: bool) -> Value {
    let mut document = document.clone();
    document["auth_config"]["session_minter"] = json!(session_minter);
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_that_must_be_whole_are_whole() {
        let document = document("Example", false);
        assert_eq!(document["display_config"]["application_name"], "Example");
        assert_eq!(document["display_config"]["instance_environment_type"], "production");
        let settings = &document["user_settings"];
        assert_eq!(settings["sign_up"]["mode"], "public");
        assert_eq!(settings["attributes"]["email_address"]["used_for_first_factor"], true);
        assert_eq!(settings["attributes"]["password"]["required"], true);
        assert_eq!(document["auth_config"]["single_session_mode"], true);
    }
}
