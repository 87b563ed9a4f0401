//! What a configuration may and may not say.

use super::*;

fn complete() -> BTreeMap<String, String> {
    [
        ("PUBLIC_ORIGIN", "https://app.example.com"),
        // clerk.example.test
        ("CLERK_PUBLISHABLE_KEY", "pk_live_Y2xlcmsuZXhhbXBsZS50ZXN0JA"),
        ("CLERK_SECRET_KEY", "sk_live_x"),
        ("DATABASE_URL", "postgres://request:pw1@db/vestibule"),
        ("DATABASE_WORKER_URL", "postgres://worker:pw2@db/vestibule"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn problems(change: &[(&str, &str)]) -> Vec<&'static str> {
    let mut variables = complete();
    for (name, value) in change {
        variables.insert((*name).to_owned(), (*value).to_owned());
    }
    match Config::from_variables(&variables, false) {
        Ok(_) => Vec::new(),
        Err(error) => error.0.into_iter().map(|problem| problem.name).collect(),
    }
}

#[test]
fn the_issuer_and_the_parties_follow_from_the_key_and_the_origin() {
    let config = Config::from_variables(&complete(), false).expect("complete");
    assert_eq!(config.clerk.issuer, "https://clerk.example.test");
    assert_eq!(config.clerk.cookie_suffix, "mygDvuFt");
    assert_eq!(config.clerk.authorized_parties.iter().collect::<Vec<_>>(), ["https://app.example.com"]);
}

/// A key as Clerk makes it.
fn key(kind: &str, host: &str) -> String {
    format!("pk_{kind}_{}", STANDARD_NO_PAD.encode(format!("{host}$")))
}

#[test]
fn the_transport_follows_from_the_key() {
    let proxied = Config::from_variables(&complete(), false).expect("complete").clerk;
    assert_eq!(proxied.frontend_base("https://app.example.com"), "https://app.example.com/__clerk");
    assert_eq!(proxied.frontend_api_url.expect("a proxy").as_str(), "https://frontend-api.clerk.dev/");
    assert_eq!(Config::from_variables(&complete(), false).expect("complete").clerk.direct_origin(), None);

    let mut variables = complete();
    let host = "happy-otter-12.clerk.accounts.dev";
    variables.extend([
        ("CLERK_PUBLISHABLE_KEY".to_owned(), key("test", host)),
        ("CLERK_SECRET_KEY".to_owned(), "sk_test_x".to_owned()),
    ]);
    let direct = Config::from_variables(&variables, false).expect("complete").clerk;
    assert!(direct.is_development() && direct.frontend_api_url.is_none());
    assert_eq!(direct.frontend_base("https://app.example.com"), format!("https://{host}"));
    assert_eq!(direct.issuer, format!("https://{host}"));
}

#[test]
fn everything_missing_is_said_at_once() {
    let error = Config::from_variables(&BTreeMap::new(), false).expect_err("nothing is set");
    let names: Vec<_> = error.0.iter().map(|problem| problem.name).collect();
    assert_eq!(
        names,
        ["PUBLIC_ORIGIN", "CLERK_PUBLISHABLE_KEY", "CLERK_SECRET_KEY", "DATABASE_URL", "DATABASE_WORKER_URL"]
    );
}

#[test]
fn contradictions_are_named() {
    assert_eq!(problems(&[]), Vec::<&str>::new());
    assert_eq!(problems(&[("CLERK_SECRET_KEY", "sk_test_x")]), ["CLERK_SECRET_KEY"]);
    assert_eq!(problems(&[("CLERK_PUBLISHABLE_KEY", "pk_live_x")]), ["CLERK_PUBLISHABLE_KEY"]);
    let test = key("test", "happy-otter-12.clerk.accounts.dev");
    assert_eq!(problems(&[("CLERK_PUBLISHABLE_KEY", &test)]), ["CLERK_SECRET_KEY"]);
    let both = [("CLERK_PUBLISHABLE_KEY", test.as_str()), ("CLERK_SECRET_KEY", "sk_test_x")];
    assert_eq!(problems(&both), Vec::<&str>::new());
    let proxied = [both[0], both[1], ("CLERK_FRONTEND_API_URL", "https://frontend-api.clerk.dev")];
    assert_eq!(problems(&proxied), ["CLERK_FRONTEND_API_URL"]);
    assert_eq!(problems(&[("PUBLIC_ORIGIN", "https://app.example.com/x")]), ["PUBLIC_ORIGIN"]);
    assert_eq!(problems(&[("CLERK_ISSUER", "https://clerk.example.test/")]), ["CLERK_ISSUER"]);
    assert_eq!(problems(&[("CLERK_JWT_KEY", "nonsense")]), ["CLERK_JWT_KEY"]);
    assert_eq!(problems(&[("CLERK_AUTHORIZED_PARTIES", "https://a.example, b")]), ["CLERK_AUTHORIZED_PARTIES"]);
    assert_eq!(problems(&[("DATABASE_WORKER_URL", "postgres://request:pw1@db/vestibule")]), ["DATABASE_WORKER_URL"]);
    for timeout in ["99", "60001", "8 s", "-1"] {
        assert_eq!(problems(&[("CLERK_TIMEOUT_MS", timeout)]), ["CLERK_TIMEOUT_MS"]);
    }
    assert_eq!(problems(&[("AUTH_DEBUG_LOG", "yes"), ("LISTEN", "3000")]), ["LISTEN", "AUTH_DEBUG_LOG"]);
}

#[test]
fn a_production_build_refuses_the_emulator() {
    for (key, secret_key) in [
        (key("live", "clerk-00000000.emulator.localhost"), "sk_live_x"),
        (key("test", "emulator-0123cdef.clerk.accounts.dev"), "sk_test_x"),
    ] {
        let changes = [("CLERK_PUBLISHABLE_KEY", key.as_str()), ("CLERK_SECRET_KEY", secret_key)];
        assert_eq!(problems(&changes), ["CLERK_PUBLISHABLE_KEY"]);
        let mut variables = complete();
        variables.extend(changes.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(Config::from_variables(&variables, true).is_ok());
    }
    assert!(!is_emulator("emulator-otter-12.clerk.accounts.dev") && !is_emulator("happy-otter-12.clerk.accounts.dev"));
}

const WEBHOOK_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

#[test]
fn webhook_secrets_are_read_and_malformed_ones_counted_not_repeated() {
    let read = |text: &str| {
        let mut variables = complete();
        variables.insert("CLERK_WEBHOOK_SIGNING_SECRET".into(), text.into());
        Config::from_variables(&variables, false).map(|config| config.clerk.webhook_keys.len())
    };
    assert_eq!(read(""), Ok(0));
    assert_eq!(read(WEBHOOK_SECRET), Ok(1));
    assert_eq!(read(&format!("{WEBHOOK_SECRET}, {WEBHOOK_SECRET},")), Ok(2));
    let error = read(&format!("{WEBHOOK_SECRET},whsec_secret?,sk_other")).expect_err("malformed").to_string();
    assert!(error.contains("secret number 2") && error.contains("secret number 3"), "{error}");
    assert!(!error.contains("secret?") && !error.contains("sk_other") && !error.contains("number 1"), "{error}");
}

#[test]
fn webhook_secrets_have_clerks_name_and_ours_but_one_value() {
    const OTHER: &str = "whsec_YW5vdGhlciBzZWNyZXQsIDI0IGJ5dGVz";
    let [clerks, ours] = ["CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET"];
    let read = |changes: &[(&str, &str)]| {
        let mut variables = complete();
        variables.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Config::from_variables(&variables, false).expect("complete").clerk.webhook_keys.len()
    };
    assert_eq!(read(&[(ours, WEBHOOK_SECRET)]), 1);
    assert_eq!(read(&[(clerks, WEBHOOK_SECRET), (ours, WEBHOOK_SECRET)]), 1);
    assert_eq!(read(&[(clerks, ""), (ours, &format!("{WEBHOOK_SECRET},{OTHER}"))]), 2);
    assert_eq!(problems(&[(clerks, WEBHOOK_SECRET), (ours, OTHER)]), [ours]);
    assert_eq!((problems(&[(ours, "whsec_")]), problems(&[(clerks, "whsec_")])), (vec![ours], vec![clerks]));
}

#[test]
fn secrets_are_not_printed() {
    let mut variables = complete();
    variables.insert("CLERK_WEBHOOK_SIGNING_SECRET".into(), WEBHOOK_SECRET.into());
    let config = Config::from_variables(&variables, false).expect("complete");
    let printed = format!("{config:?}");
    assert!(!printed.contains("pw1") && !printed.contains("sk_live_x"), "{printed}");
    assert!(!printed.contains("C2FVsBQ"), "{printed}");
}

#[test]
fn unknown_names_are_noticed() {
    let mut variables = complete();
    variables.insert("CLERK_ISUER".into(), "x".into());
    variables.insert("HOME".into(), "x".into());
    assert_eq!(unknown_names(&variables), ["CLERK_ISUER"]);
}

#[test]
fn what_is_known_is_not_noticed_as_unknown() {
    let all = variables::all().map(|variable| (variable.name.to_owned(), "x".to_owned()));
    let mut set: BTreeMap<_, _> = all.collect();
    // Clerk's own libraries read it.
    set.insert("CLERK_TELEMETRY_DISABLED".into(), "1".into());
    assert_eq!(unknown_names(&set), Vec::<String>::new());
    set.insert("DATABASE_ULR".into(), "x".into());
    assert_eq!(unknown_names(&set), ["DATABASE_ULR"]);
}

#[test]
fn defaults_are_what_is_used_when_nothing_is_set() {
    let mut variables = complete();
    let defaults = variables::all().filter_map(|variable| {
        let variables::Value::Default(text) = variable.value else { return None };
        Some((variable.name.to_owned(), text.to_owned()))
    });
    variables.extend(defaults);
    let [written, left_out] = [variables, complete()]
        .map(|variables| format!("{:?}", Config::from_variables(&variables, false).expect("complete")));
    assert_eq!(written, left_out);
}

#[test]
fn exactly_the_required_variables_are_required() {
    use variables::Value;
    let by = |wanted: fn(Value) -> bool| {
        variables::all().filter(|variable| wanted(variable.value)).map(|variable| variable.name).collect::<Vec<_>>()
    };
    let error = Config::from_variables(&BTreeMap::new(), false).expect_err("nothing is set");
    let missing: Vec<_> = error.0.iter().map(|problem| problem.name).collect();
    assert_eq!(by(|value| matches!(value, Value::Required(_))), missing);
    assert_eq!(by(|value| matches!(value, Value::ForMigrate(_))), ["DATABASE_MIGRATION_URL"]);
}
