//! Servers that mean harm: endless and slow bodies, wrong lengths, redirects, changed minds, garbage.
//! Each is bounded in bytes and time, and leaves a mirror that an honest server completes.

mod support;

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::server::{send, serve, serve_with};
use support::{Built, PATIENCE, ends, verify};
use tempfile::TempDir;

fn published(built: &Built) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    built.publish(folder.path());
    folder
}

/// Mirrors from a server that does `harm` to requests; the exit code must be one of `codes`. Then an
/// honest server must complete the mirror, and the verifier must come to the same end over HTTP.
fn harmed(
    codes: &[i32],
    words: &str,
    harm: impl Fn(&str, &mut TcpStream) -> bool + Send + Sync + 'static,
) {
    let built = Built::busy(40);
    let source = published(&built);
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().to_str().expect("text");
    let address = serve_with(source.path(), harm);
    let bounds = ["--retries", "1", "--timeout", "2"];
    let (code, said) = ends(&[&["mirror", &address, path], &bounds[..]].concat());
    assert!(
        codes.contains(&code) && said.contains(words),
        "{code}: {said}"
    );
    assert!(!dir.path().join("checkpoint").exists(), "{said}");
    let (code, said) = ends(&["mirror", &serve(source.path()), path, "--timeout", "60"]);
    assert_eq!(code, 0, "{said}");
    let (code, report) = verify(dir.path());
    assert_eq!(
        (code, &report["entries"]),
        (0, &built.size().into()),
        "{report:#}"
    );
}

/// Writes until the other end has had enough; a test's server never writes for ever.
fn endless(stream: &mut TcpStream, head: &str, piece: &[u8], pause: Duration) -> bool {
    let end = Instant::now() + PATIENCE;
    let mut written = stream.write_all(head.as_bytes());
    while written.is_ok() && Instant::now() < end {
        written = stream.write_all(piece);
        thread::sleep(pause);
    }
    true
}

const PLAIN: &str = "HTTP/1.1 200 OK\r\n\r\n";

#[test]
fn an_endless_tile_is_cut_at_its_bound() {
    harmed(&[1], "longer than", |path, stream| {
        path.starts_with("tile/0/") && endless(stream, PLAIN, &[7; 1 << 16], Duration::ZERO)
    });
}

#[test]
fn an_endless_bundle_of_chunks_is_cut_at_its_bound() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = [b"10000\r\n".as_slice(), &[7; 1 << 16], b"\r\n"].concat();
    harmed(&[1], "longer than", move |path, stream| {
        path.starts_with("tile/entries/") && endless(stream, head, &chunk, Duration::ZERO)
    });
}

#[test]
fn ten_gigabytes_that_are_announced_are_not_waited_for() {
    harmed(&[1], "longer than", |path, stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n";
        path.starts_with("tile/0/") && endless(stream, head, &[7; 1 << 10], Duration::ZERO)
    });
}

#[test]
fn a_body_of_a_byte_now_and_then_ends_with_the_time_that_a_file_may_take() {
    harmed(&[3], "timeout", |path, stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 8192\r\n\r\n";
        path.starts_with("tile/0/") && endless(stream, head, &[7], Duration::from_millis(50))
    });
}

#[test]
fn headers_without_end_are_refused() {
    harmed(&[3], "", |path, stream| {
        let head = "HTTP/1.1 200 OK\r\n";
        path == "checkpoint" && endless(stream, head, b"X-More: and more\r\n", Duration::ZERO)
    });
}

#[test]
fn a_server_that_says_nothing_is_left() {
    harmed(&[3], "timeout", |path, _| {
        if path == "checkpoint" {
            thread::sleep(Duration::from_secs(20));
        }
        path == "checkpoint"
    });
}

#[test]
fn a_redirect_is_not_followed() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let empty = tempfile::tempdir().expect("a folder");
    let elsewhere = serve_with(empty.path(), move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        false
    });
    harmed(&[3], "elsewhere", move |path, stream| {
        let place = format!("Location: {elsewhere}/{path}\r\n");
        path.starts_with("tile/") && send(stream, "302 Found", &place, b"").is_some()
    });
    assert_eq!(asked.load(Ordering::Relaxed), 0, "nobody is sent elsewhere");
}

#[test]
fn a_body_that_is_shorter_than_announced_is_no_file() {
    harmed(&[3], "", |path, stream| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 8192\r\n\r\nshort";
        path.starts_with("tile/0/") && stream.write_all(head).is_ok()
    });
}

#[test]
fn garbage_instead_of_an_answer_is_no_answer() {
    harmed(&[3], "", |path, stream| {
        path == "checkpoint" && stream.write_all(b"\0\xff what?\r\n\r\n").is_ok()
    });
}

#[test]
fn a_checkpoint_of_garbage_is_refused() {
    harmed(&[1], "checkpoint", |path, stream| {
        path == "checkpoint" && send(stream, "200 OK", "", b"north.example\n7\n").is_some()
    });
}

#[test]
fn records_of_garbage_are_refused() {
    for name in ["certificates", "cosignatures"] {
        harmed(&[1], "", move |path, stream| {
            path == name && endless(stream, PLAIN, &[0; 1 << 16], Duration::ZERO)
        });
    }
}

#[test]
fn records_that_never_end_are_bounded_in_time() {
    // The right records, and then nothing: the connection stays open.
    let built = Built::busy(40);
    let source = published(&built);
    let good = fs::read(source.path().join("certificates")).expect("a file");
    harmed(&[3], "timeout", move |path, stream| {
        if path != "certificates" {
            return false;
        }
        let _ = stream.write_all(&[PLAIN.as_bytes(), &good[..100]].concat());
        thread::sleep(Duration::from_secs(20));
        true
    });
}

#[test]
fn a_checkpoint_that_is_newer_than_the_tiles_is_refused_until_they_come() {
    let later = Built::busy(41).note().to_string();
    harmed(&[1], "missing", move |path, stream| {
        path == "checkpoint" && send(stream, "200 OK", "", later.as_bytes()).is_some()
    });
}

#[test]
fn a_tile_that_never_holds_is_named() {
    harmed(&[1], "tile/0/000", |path, stream| {
        path == "tile/0/000" && send(stream, "200 OK", "", &[9; 8192]).is_some()
    });
}

#[test]
fn a_server_that_changes_its_mind_is_asked_again() {
    let built = Built::busy(40);
    let source = published(&built);
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().to_str().expect("text");
    let seen = std::sync::Mutex::new(std::collections::BTreeSet::new());
    // Every tile is wrong the first time it is asked for, and every second file fails besides.
    let address = serve_with(source.path(), move |path, stream| {
        let first = seen.lock().expect("a set").insert(path.to_owned());
        match path.starts_with("tile/") && first {
            true if path.len() % 2 == 0 => send(stream, "503 Busy", "", b"").is_some(),
            true => send(stream, "200 OK", "", &[9; 8192]).is_some(),
            false => false,
        }
    });
    let (code, said) = ends(&[
        "mirror",
        &address,
        path,
        "--retries",
        "4",
        "--timeout",
        "60",
    ]);
    assert_eq!(code, 0, "{said}");
    let (code, report) = verify(dir.path());
    assert_eq!(
        (code, &report["entries"]),
        (0, &built.size().into()),
        "{report:#}"
    );
}

#[test]
fn a_server_that_ignores_ranges_serves_a_mirror_that_grows() {
    let (small, large) = (Built::busy(20), Built::busy(40));
    let (first, second) = (published(&small), published(&large));
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().to_str().expect("text");
    assert_eq!(
        ends(&["mirror", first.path().to_str().expect("text"), path]).0,
        0
    );
    let files = second.path().to_owned();
    let address = serve_with(second.path(), move |path, stream| {
        let whole = ["certificates", "cosignatures"].contains(&path);
        whole
            && send(
                stream,
                "200 OK",
                "",
                &fs::read(files.join(path)).expect("a file"),
            )
            .is_some()
    });
    let (code, said) = ends(&["mirror", &address, path]);
    assert_eq!(code, 0, "{said}");
    let (code, report) = verify(dir.path());
    assert_eq!(
        (code, &report["entries"]),
        (0, &large.size().into()),
        "{report:#}"
    );
}

#[test]
fn verify_is_bounded_too() {
    let built = Built::busy(6);
    let source = published(&built);
    let address = serve_with(source.path(), |path, stream| {
        path.starts_with("tile/0/") && endless(stream, PLAIN, &[7; 1 << 16], Duration::ZERO)
    });
    let (code, report) = verify(Path::new(&address));
    assert_eq!(code, 1, "{report:#}");
    assert!(
        report["fault"]["what"]
            .as_str()
            .is_some_and(|what| what.contains("longer than")),
        "{report:#}"
    );
}

/// Which paths.
type Chosen = fn(&str) -> bool;

/// A server that serves an honest log until its cosignatures are asked for, and the tree below `other` whose
/// paths are `of_its_own` from then on.
fn turning(folder: &Path, other: &Path, of_its_own: Chosen) -> String {
    let (other, turned) = (other.to_owned(), AtomicBool::new(false));
    serve_with(folder, move |path, stream| {
        if path == "cosignatures" {
            turned.store(true, Ordering::SeqCst);
        }
        if !turned.load(Ordering::SeqCst) || !of_its_own(path) {
            return false;
        }
        let body = fs::read(other.join(path)).expect("the same files");
        send(stream, "200 OK", "Connection: close\r\n", &body);
        true
    })
}

#[test]
fn a_server_that_serves_other_files_the_second_time_makes_nobody_who_signed_guilty() {
    let built = Built::busy(40);
    let source = published(&built);
    let other = tempfile::tempdir().expect("a folder");
    let longer = Built::forked(10, 250);
    assert!(longer.size() >= built.size());
    longer.publish_tree_at(other.path(), built.size());
    let bundles = |path: &str| path.starts_with("tile/entries/");
    let tiles = |path: &str| path.starts_with("tile/") && !path.starts_with("tile/entries/");
    let root = "do not lead to the checkpoint's root";
    let committed = "is not what the log committed to";
    let cases: [(Chosen, &str); 2] = [(tiles, root), (bundles, committed)];
    for (of_its_own, words) in cases {
        let address = turning(source.path(), other.path(), of_its_own);
        let (code, report) = verify(Path::new(&address));
        let what = report["fault"]["what"].as_str().unwrap_or_default();
        assert!(code == 1 && what.contains(words), "{report:#}");
        let address = turning(source.path(), other.path(), of_its_own);
        let (code, said) = ends(&["report", &address]);
        assert!(code == 1 && said.contains(words), "{said}");
    }
    let address = turning(source.path(), source.path(), |path| {
        path.starts_with("tile/")
    });
    assert_eq!(verify(Path::new(&address)).0, 0);
}

#[test]
fn no_name_that_a_server_gives_steers_the_terminal() {
    let built = Built::busy(3);
    let source = published(&built);
    let steering = "audit\u{9b}2J\u{7f}\u{202e}.example";
    let note = built.note().to_string();
    let note = note.replacen("audit.medanchor.example", steering, 1);
    fs::write(source.path().join("checkpoint"), note).expect("a file");
    let address = serve(source.path());
    let checkpoint = source.path().join("checkpoint");
    let dir = tempfile::tempdir().expect("a folder");
    let (mirrored, watched) = (dir.path().join("mirror"), dir.path().join("watch"));
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let commands: [&[&str]; 7] = [
        &["verify", &address],
        &["verify", &address, "--json"],
        &["report", &address],
        &["mirror", &address, &text(&mirrored), "--retries", "0"],
        &["inclusion", &address, "--index", "1"],
        &["consistency", &text(&checkpoint), "--log", &address],
        &["watch", "--once", "--dir", &text(&watched), &address],
    ];
    for command in commands {
        let (code, said) = ends(command);
        assert_eq!(code, 1, "{command:?}: {said}");
        let bad = said
            .chars()
            .find(|c| c.is_control() && *c != '\n' || *c == '\u{202e}');
        assert_eq!(bad, None, "{command:?}: {said:?}");
        assert!(said.contains("2J"), "{command:?}: {said:?}");
    }
}
