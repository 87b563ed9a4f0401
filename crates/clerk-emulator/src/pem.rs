//! Binary data as text, as certificates and keys are exchanged.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Binary data as PEM.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in BASE64.encode(der).as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}
