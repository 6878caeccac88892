//! What `vault.toml` may say, and what not.

use super::*;
use std::path::Path;

fn read(text: &str) -> Result<Keeping, KeepingError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    std::fs::write(&path, text).unwrap();
    close(&path, 0o600);
    Keeping::read(&path)
}

fn close(path: &Path, mode: u32) {
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

fn token() -> KeyProtection {
    KeyProtection::Token {
        module: "/usr/lib/mod\"ule.so".into(),
        label: "the \\ hospital's".into(),
        pin: SecretAt::Environment("PIN".into()),
    }
}

#[test]
fn what_was_written_reads_back_and_no_file_is_the_default() {
    for key in [
        KeyProtection::Nothing,
        KeyProtection::Passphrase(SecretAt::File("/media/safe/passphrase".into())),
        KeyProtection::Passphrase(SecretAt::Environment("PASSPHRASE".into())),
        token(),
    ] {
        let bucket = BucketAt {
            endpoint: Some("https://s3.example".into()),
            credentials: Some("/etc/medanchor/s3.toml".into()),
            ..BucketAt::new("s3://hospital/va\"ult")
        };
        for payloads in [
            PayloadsAt::Folder,
            PayloadsAt::Bucket(BucketAt::new("s3://hospital")),
            PayloadsAt::Bucket(bucket),
        ] {
            let keeping = Keeping {
                key: key.clone(),
                payloads,
            };
            keeping.check().unwrap();
            assert_eq!(read(&keeping.to_text()).unwrap(), keeping);
        }
    }
    assert_eq!(read("").unwrap(), Keeping::default());
    let nowhere = Path::new("/nowhere/vault.toml");
    assert_eq!(Keeping::read(nowhere).unwrap(), Keeping::default());
}

#[test]
fn what_it_cannot_say_is_refused_by_file_and_key() {
    for (text, named) in [
        ("colour = 1", "colour"),
        (
            "[key]\npassphrase = \"x\"",
            "line 2: unknown field `passphrase`",
        ),
        ("[key]\nprotection = \"pin\"", "key.protection"),
        ("[key]\nprotection = \"passphrase\"", "key.passphrase_file"),
        (
            "[key]\nprotection = \"passphrase\"\npassphrase_file = \"/a\"\npassphrase_env = \"A\"",
            "key.passphrase_file",
        ),
        (
            "[key]\nprotection = \"passphrase\"\npassphrase_file = \"a\"",
            "key.passphrase_file: give the path from the root on",
        ),
        (
            "[key]\nprotection = \"passphrase\"\npassphrase_env = \"\"",
            "key.passphrase_env",
        ),
        ("[key]\npassphrase_file = \"/a\"", "key.passphrase_file"),
        ("[key]\nprotection = \"token\"", "key.module"),
        (
            "[key]\nprotection = \"token\"\nmodule = \"/m\"\npin_env = \"A\"",
            "key.token",
        ),
        (
            "[key]\nprotection = \"token\"\nmodule = \"/m\"\ntoken = \"t\"",
            "key.pin_file",
        ),
        ("[payloads]\nplace = \"s3\"", "payloads.place"),
        ("[payloads]\nurl = \"s3://a\"", "payloads.url"),
        ("[payloads]\nplace = \"bucket\"", "payloads.url"),
        (
            "[payloads]\nplace = \"bucket\"\nurl = \"s3://key:secret@a\"",
            "payloads.url",
        ),
        (
            "[payloads]\nplace = \"bucket\"\nurl = \"s3://a\"\nendpoint = \"ftp://a\"",
            "payloads.endpoint",
        ),
        (
            "[payloads]\nplace = \"bucket\"\nurl = \"s3://a\"\ncredentials_file = \"a\"",
            "payloads.credentials_file",
        ),
        (
            "[payloads]\nplace = \"bucket\"\nurl = \"s3://a\"\nsecret_access_key = \"x\"",
            "unknown field `secret_access_key`",
        ),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(NAME) && error.contains(named), "{error}");
    }
    let long = format!("#{}", "x".repeat(16 * 1024));
    assert!(read(&long).unwrap_err().to_string().contains("longer"));
}

#[test]
fn a_secret_in_the_wrong_place_is_not_quoted() {
    for text in [
        "key = \"four horses, two carts\"",
        "[key]\nprotection = \"four horses, two carts\"",
        "[key]\npassphrase = \"four horses, two carts\"",
        "four horses, two carts",
        "[key]\npassphrase_file = [\"four horses, two carts\"]",
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(!error.contains("horses"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_write_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    std::fs::write(&path, "").unwrap();
    close(&path, 0o664);
    let error = Keeping::read(&path).unwrap_err().to_string();
    assert!(error.contains("chmod go-w"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_secret_is_the_first_line_of_a_file_of_its_owners_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("passphrase");
    let fetched = |bytes: &[u8], mode| {
        std::fs::write(&path, bytes).unwrap();
        close(&path, mode);
        let fetched = SecretAt::File(path.clone()).fetch();
        fetched.map(|secret| secret.as_str().to_owned())
    };
    assert_eq!(
        fetched("两驾马车\nmore\n".as_bytes(), 0o600).unwrap(),
        "两驾马车"
    );
    assert_eq!(fetched(b"one line", 0o400).unwrap(), "one line");
    let open = fetched(b"a secret\n", 0o640).unwrap_err();
    assert!(matches!(open, SecretError::Open { .. }), "{open}");
    for bytes in [&b""[..], b"\nsecond", b"\xff\xfe", &[b'x'; 1025]] {
        let wrong = fetched(bytes, 0o600).unwrap_err();
        assert!(matches!(wrong, SecretError::Content { .. }), "{wrong}");
    }
    std::fs::remove_file(&path).unwrap();
    let missing = SecretAt::File(path).fetch().unwrap_err();
    assert!(matches!(missing, SecretError::Io { .. }), "{missing}");
    let unset = SecretAt::Environment("MEDANCHOR_NOT_SET".into()).fetch();
    assert!(matches!(unset, Err(SecretError::Environment { .. })));
}

#[cfg(not(feature = "pkcs11"))]
#[test]
fn a_build_without_tokens_says_so() {
    let error = token().fetch().err().unwrap().to_string();
    assert!(error.contains("pkcs11"), "{error}");
}

#[cfg(feature = "objects")]
#[test]
fn credentials_are_read_strictly_and_never_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s3.toml");
    let fetched = |text: &str, mode| {
        std::fs::write(&path, text).unwrap();
        close(&path, mode);
        let bucket = BucketAt {
            credentials: Some(path.clone()),
            ..BucketAt::new("s3://hospital/vault")
        };
        PayloadsAt::Bucket(bucket).fetch().map(drop)
    };
    let good = "access_key_id = \"one\"\nsecret_access_key = \"four horses\"\n";
    fetched(good, 0o600).unwrap();
    #[cfg(unix)]
    assert!(matches!(
        fetched(good, 0o644),
        Err(SecretError::Open { .. })
    ));
    for wrong in [
        "access_key_id = \"four horses\"",
        &format!("{good}horses = 1"),
        "secret_access_key = [\"four horses\"]",
    ] {
        let error = fetched(wrong, 0o600).unwrap_err();
        assert!(matches!(error, SecretError::Credentials { .. }), "{error}");
        assert!(!error.to_string().contains("horses"), "{error}");
    }
}

#[cfg(not(feature = "objects"))]
#[test]
fn a_build_without_buckets_says_so() {
    let error = PayloadsAt::Bucket(BucketAt::new("s3://hospital")).fetch();
    assert!(error.err().unwrap().to_string().contains("objects"));
}
