//! `verify` over HTTP: the same files, from a server that nobody trusts.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use support::{Built, verify};

/// Serves the files below `folder` on a free port until the process ends.
fn serve(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let folder = folder.clone();
            thread::spawn(move || answer(&stream, &folder));
        }
    });
    address
}

fn answer(stream: &TcpStream, folder: &Path) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request).ok()? == 0 {
            return None;
        }
        let mut header = String::new();
        while reader.read_line(&mut header).ok()? > 2 {
            header.clear();
        }
        let path = request.split(' ').nth(1)?.trim_start_matches('/');
        let (status, body) = match std::fs::read(folder.join(path)) {
            Ok(body) => ("200 OK", body),
            Err(_) => ("404 Not Found", Vec::new()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = stream;
        stream.write_all(&[head.as_bytes(), &body].concat()).ok()?;
    }
}

#[test]
fn a_log_is_audited_over_http_and_a_changed_entry_is_named() {
    let built = Built::busy(12);
    let folder = tempfile::tempdir().expect("a folder");
    built.publish(folder.path());
    let address = serve(folder.path().to_owned());
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
    let (code, report) = verify(Path::new(&serve(folder.path().to_owned())));
    assert_eq!((code, &report["fault"]["file"]), (1, &"genesis".into()));
}
