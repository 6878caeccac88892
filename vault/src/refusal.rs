//! Why an S3-compatible service refused, in our own words.
//!
//! What always holds: nothing of the service's answer is in them. It may quote the request: with the name of
//! a key, with a signature, with a session token.

use std::error::Error;

/// What the errors of S3 and of who fetches its credentials say, and what to tell for it. The more particular
/// stands first.
const KNOWN: &[(&str, &str)] = &[
    (
        "SignatureDoesNotMatch",
        "the secret access key is not the one of the access key id: correct the credentials",
    ),
    (
        "InvalidAccessKeyId",
        "the service knows no such access key id, or it was withdrawn: give credentials that are valid",
    ),
    ("ExpiredToken", TOKEN),
    ("InvalidToken", TOKEN),
    ("TokenRefreshRequired", TOKEN),
    (
        "RequestTimeTooSkewed",
        "its clock and this machine's differ too much: set the one that is wrong",
    ),
    (
        "AccessDenied",
        "permission denied: let the credentials read, write, list and delete at this place",
    ),
    // Without credentials the machine's role is asked for, which no other machine has.
    ("/latest/api/token", NONE),
    ("/latest/meta-data/", NONE),
];
const TOKEN: &str = "the session token is not valid, or no longer: give credentials that are valid";
const NONE: &str = "there are no credentials, and this machine has no role: name a file with them, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

/// What to tell of an error with which a request to an S3-compatible service ended; none if it is not about
/// who asks.
#[must_use]
pub fn refusal(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(error) = next {
        let said = error.to_string();
        if let Some((_, words)) = KNOWN.iter().find(|(code, _)| said.contains(code)) {
            return Some(words);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(said: &str) -> Option<&'static str> {
        refusal(&std::io::Error::other(said.to_owned()))
    }

    #[test]
    fn the_codes_of_the_service_have_words_of_ours() {
        for (code, words) in KNOWN {
            let body = format!("403 Forbidden: <Error><Code>{code}</Code></Error>");
            assert_eq!(told(&body), Some(*words), "{code}");
        }
        assert_eq!(told("500: <Code>InternalError</Code>"), None);
    }

    /// AWS answers a wrong signature with the request as it was signed.
    #[test]
    fn what_the_service_quotes_is_not_told() {
        let body = "<Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIAEXAMPLE</AWSAccessKeyId>\
            <SignatureProvided>feedface</SignatureProvided>\
            <CanonicalRequest>x-amz-security-token:a-token</CanonicalRequest>";
        let words = told(body).unwrap();
        for quoted in ["AKIAEXAMPLE", "feedface", "a-token", "<"] {
            assert!(!words.contains(quoted), "{quoted}");
        }
    }
}
