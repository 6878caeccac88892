//! `verify` over HTTP: the same files, from a server that nobody trusts.

mod support;

use std::path::Path;
use support::server::serve;
use support::{Built, verify};

#[test]
fn a_log_is_audited_over_http_and_a_changed_entry_is_named() {
    let built = Built::busy(12);
    let folder = tempfile::tempdir().expect("a folder");
    built.publish(folder.path());
    let address = serve(folder.path());
    let (code, report) = verify(Path::new(&address));
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["entries"], built.size());
    assert_eq!(report["older_files"]["read"], false, "{report:#}");
    let (code, report) = verify(Path::new(&format!("{address}/")));
    assert_eq!(code, 0, "a slash at the end changes nothing: {report:#}");
    let bundle = folder
        .path()
        .join(format!("tile/entries/000.p/{}", built.size()));
    let mut bytes = std::fs::read(&bundle).expect("a bundle");
    bytes[600] ^= 4;
    std::fs::write(&bundle, bytes).expect("a bundle");
    let (code, report) = verify(Path::new(&address));
    assert_eq!(code, 1);
    assert!(report["fault"]["entry"].is_u64(), "{report:#}");
}

#[test]
fn a_server_without_a_log_is_missing_its_genesis() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, report) = verify(Path::new(&serve(folder.path())));
    assert_eq!((code, &report["fault"]["file"]), (1, &"genesis".into()));
}
