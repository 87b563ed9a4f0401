//! The encoding of server functions' arguments and results: JSON, read as text.
//!
//! Leptos's own JSON encoding reads bytes, while islands' properties are read as text: two copies of the JSON parser in
//! the browser, some 4 kB compressed. This one reads text, too. Like `failure`, it uses the traits of server functions,
//! which must be implemented where the types are.

use bytes::Bytes;
use leptos::server_fn::codec::Post;
use leptos::server_fn::{ContentType, Decodes, Encodes, Format, FormatType};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The encoding.
pub struct JsonText;

/// JSON in the body of a POST, both ways.
pub type PostJson = Post<JsonText>;

impl ContentType for JsonText {
    const CONTENT_TYPE: &'static str = "application/json";
}

impl FormatType for JsonText {
    const FORMAT_TYPE: Format = Format::Text;
}

impl<T: Serialize> Encodes<T> for JsonText {
    type Error = serde_json::Error;

    fn encode(output: &T) -> Result<Bytes, Self::Error> {
        serde_json::to_string(output).map(Bytes::from)
    }
}

impl<T: DeserializeOwned> Decodes<T> for JsonText {
    type Error = serde_json::Error;

    fn decode(bytes: Bytes) -> Result<T, Self::Error> {
        // Bytes that are not UTF-8 become an empty string, which is not JSON either.
        serde_json::from_str(std::str::from_utf8(&bytes).unwrap_or_default())
    }
}
