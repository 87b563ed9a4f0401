//! The control's form: what it shows for settings, and which settings it holds. It keeps plain text by the names of its
//! fields, so that rejected input can be shown again beside what is wrong with it.

use crate::faults::{FaultSettings, LastActiveToken, RateLimits, RequestFault, WebhookSettings};

/// The box for a delay of metadata that never ends.
pub(super) const NEVER: &str = "metadata_never";

/// The name of a field of a fault: `fault-0-count`.
pub(super) fn fault_field(n: usize, name: &str) -> String {
    format!("fault-{n}-{name}")
}

/// Fields by name. A box that is not ticked is not there.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads what a browser sends.
    pub(super) fn read(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// The form that shows these settings.
    pub(super) fn of(settings: &FaultSettings) -> Self {
        let mut form = Self::default();
        form.put_number("metadata_delay_ms", settings.metadata_delay_ms);
        form.tick(NEVER, settings.metadata_delay_ms.is_none());
        let old = settings.last_active_token == LastActiveToken::Old;
        form.put("last_active_token", if old { "old" } else { "fresh" });
        for (name, ticked) in [
            ("session_minter", settings.session_minter),
            ("omit_client", settings.omit_client),
            ("omit_oiat", settings.omit_oiat),
            ("omit_azp", settings.omit_azp),
            ("omit_custom_claims", settings.omit_custom_claims),
            ("webhooks.reorder", settings.webhooks.reorder),
            ("webhooks.pause", settings.webhooks.pause),
        ] {
            form.tick(name, ticked);
        }
        form.put_number("token_lifetime_s", settings.token_lifetime_s);
        form.put_number("clock_offset_ms", Some(settings.clock_offset_ms));
        form.put(
            "rate_limits",
            match settings.rate_limits {
                RateLimits::Backend => "backend",
                RateLimits::All => "all",
                RateLimits::Off => "off",
            },
        );
        form.put_number("webhooks.drop", Some(settings.webhooks.drop));
        form.put_number("webhooks.duplicate", Some(settings.webhooks.duplicate));
        form.put_number("webhooks.delay_ms", Some(settings.webhooks.delay_ms));
        let schedule = settings.webhooks.retry_schedule_ms.iter().flatten().map(i64::to_string).collect::<Vec<_>>();
        form.put("webhooks.retry_schedule_ms", &schedule.join(" "));
        for (n, fault) in settings.faults.iter().enumerate() {
            form.put(&fault_field(n, "where"), &place(fault));
            form.put_number(&fault_field(n, "count"), Some(fault.count));
            form.put_number(&fault_field(n, "status"), fault.status);
            form.put_number(&fault_field(n, "delay_ms"), Some(fault.delay_ms));
            form.put_number(&fault_field(n, "retry_after_s"), fault.retry_after_s);
            form.tick(&fault_field(n, "cut"), fault.cut);
        }
        form
    }

    /// The settings in this form, or what is wrong with it.
    pub(super) fn settings(&self) -> Result<FaultSettings, String> {
        let metadata_delay_ms = match self.is_ticked(NEVER) {
            true => None,
            false => Some(self.number("metadata_delay_ms")?.unwrap_or(0)),
        };
        let last_active_token = match self.get("last_active_token") {
            Some("old") => LastActiveToken::Old,
            _ => LastActiveToken::Fresh,
        };
        let rate_limits = match self.get("rate_limits") {
            Some("all") => RateLimits::All,
            Some("off") => RateLimits::Off,
            _ => RateLimits::Backend,
        };
        let mut faults = Vec::new();
        for n in 0..self.rows() {
            faults.extend(self.fault(n)?);
        }
        let settings = FaultSettings {
            metadata_delay_ms,
            last_active_token,
            session_minter: self.is_ticked("session_minter"),
            omit_client: self.is_ticked("omit_client"),
            omit_oiat: self.is_ticked("omit_oiat"),
            omit_azp: self.is_ticked("omit_azp"),
            omit_custom_claims: self.is_ticked("omit_custom_claims"),
            token_lifetime_s: self.number("token_lifetime_s")?,
            clock_offset_ms: self.number("clock_offset_ms")?.unwrap_or(0),
            rate_limits,
            webhooks: self.webhooks()?,
            faults,
        };
        settings.checked()
    }

    fn webhooks(&self) -> Result<WebhookSettings, String> {
        let schedule = self.get("webhooks.retry_schedule_ms").unwrap_or_default();
        let number = |text: &str| text.parse().map_err(|_| format!("webhooks.retry_schedule_ms cannot hold {text:?}"));
        let schedule = schedule.split_whitespace().map(number).collect::<Result<Vec<_>, _>>()?;
        Ok(WebhookSettings {
            drop: self.number("webhooks.drop")?.unwrap_or(0),
            duplicate: self.number("webhooks.duplicate")?.unwrap_or(0),
            delay_ms: self.number("webhooks.delay_ms")?.unwrap_or(0),
            reorder: self.is_ticked("webhooks.reorder"),
            retry_schedule_ms: Some(schedule).filter(|schedule| !schedule.is_empty()),
            pause: self.is_ticked("webhooks.pause"),
        })
    }

    /// How many faults the form has fields for.
    pub(super) fn rows(&self) -> usize {
        (0..).take_while(|n| self.get(&fault_field(*n, "where")).is_some()).count()
    }

    /// Text of a field.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim())
    }

    /// Whether a box is ticked.
    pub(super) fn is_ticked(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn fault(&self, n: usize) -> Result<Option<RequestFault>, String> {
        let number = |name| self.number(&fault_field(n, name));
        let place = self.get(&fault_field(n, "where")).unwrap_or_default();
        let mut place = place.splitn(3, ' ').map(|part| if part == ANY { "" } else { part });
        let (Some(method), Some(start), Some(end)) = (place.next(), place.next(), place.next()) else {
            return Ok(None);
        };
        let fault = RequestFault {
            method: Some(method.to_owned()).filter(|method| !method.is_empty()),
            path_starts_with: start.to_owned(),
            path_ends_with: end.to_owned(),
            count: number("count")?.unwrap_or(1),
            delay_ms: number("delay_ms")?.unwrap_or(0),
            status: number("status")?,
            retry_after_s: number("retry_after_s")?,
            cut: self.is_ticked(&fault_field(n, "cut")),
        };
        if fault.delay_ms == 0 && fault.status.is_none() && !fault.cut {
            return Err(format!("fault {} would do nothing: it needs a status, a delay or a cut connection", n + 1));
        }
        Ok(Some(fault))
    }

    fn number(&self, name: &str) -> Result<Option<i64>, String> {
        match self.get(name) {
            None | Some("") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| format!("{name} must be a whole number, and is {text:?}")),
        }
    }

    fn put(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    fn put_number(&mut self, name: &str, number: Option<i64>) {
        self.put(name, &number.map(|number| number.to_string()).unwrap_or_default());
    }

    fn tick(&mut self, name: &str, ticked: bool) {
        if ticked {
            self.put(name, "on");
        }
    }
}

/// Stands for "any" where a fault names no method, beginning or end.
const ANY: &str = "*";

/// Which requests a fault is for, as one word for each of method, beginning and end.
pub(super) fn place(fault: &RequestFault) -> String {
    let parts = [fault.method.as_deref().unwrap_or_default(), &fault.path_starts_with, &fault.path_ends_with];
    parts.map(|part| if part.is_empty() { ANY } else { part }).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Form {
        Form::read(form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().as_bytes())
    }

    #[test]
    fn a_form_holds_the_settings_it_was_made_from() {
        for json in [
            "{}",
            r#"{"metadata_delay_ms":null,"last_active_token":"old","session_minter":true,"token_lifetime_s":5}"#,
            r#"{"metadata_delay_ms":1200,"omit_client":true,"omit_oiat":true,"omit_azp":true,"omit_custom_claims":true}"#,
            r#"{"rate_limits":"all","webhooks":{"drop":1,"duplicate":2,"delay_ms":3,"reorder":true,"pause":true}}"#,
            r#"{"rate_limits":"off","webhooks":{"retry_schedule_ms":[0,5,10]}}"#,
            r#"{"clock_offset_ms":-5,"faults":[{"count":0,"status":503,"retry_after_s":2},
                {"method":"PATCH","path_starts_with":"/v1/users/","path_ends_with":"/metadata","count":3,"delay_ms":9},
                {"path_ends_with":"/tokens","count":1,"cut":true}]}"#,
        ] {
            let settings = FaultSettings::read(json.as_bytes()).expect(json);
            assert_eq!(Form::of(&settings).settings(), Ok(settings), "{json}");
        }
    }

    #[test]
    fn an_empty_form_holds_the_defaults_and_a_row_without_a_place_is_no_fault() {
        assert_eq!(read(&[]).settings(), Ok(FaultSettings::default()));
        let row = [("fault-0-where", ""), ("fault-0-count", "1"), ("fault-0-status", "500")];
        assert_eq!(read(&row).settings(), Ok(FaultSettings::default()));
    }

    #[test]
    fn errors_name_the_field() {
        for (pairs, message) in [
            ([("metadata_delay_ms", "1.5"), ("x", "")], "metadata_delay_ms must be a whole number"),
            ([("token_lifetime_s", "0"), ("x", "")], "token_lifetime_s must be 1 to 86400"),
            ([("webhooks.retry_schedule_ms", "0, 5"), ("x", "")], "webhooks.retry_schedule_ms cannot hold \"0,\""),
            ([("fault-0-where", "* * *"), ("fault-0-count", "-1")], "fault 1 would do nothing"),
            ([("fault-0-where", "* * *"), ("fault-0-status", "200")], "faults[0].status must be 400"),
        ] {
            let wrong = read(&pairs).settings().expect_err(message);
            assert!(wrong.starts_with(message), "{wrong}");
        }
    }
}
