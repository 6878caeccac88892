//! A file server in a thread, which can be told to behave badly.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

/// What a test does to a request: true if it has answered it, or never will.
pub type Hook = Arc<dyn Fn(&str, &mut TcpStream) -> bool + Send + Sync>;

/// Serves the files below `folder` on a free port until the process ends.
pub fn serve(folder: &Path) -> String {
    serve_with(folder, |_, _| false)
}

/// As [`serve`]; `hook` sees each request's path first.
pub fn serve_with(
    folder: &Path,
    hook: impl Fn(&str, &mut TcpStream) -> bool + Send + Sync + 'static,
) -> String {
    let (folder, hook): (PathBuf, Hook) = (folder.to_owned(), Arc::new(hook));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (folder, hook) = (folder.clone(), Arc::clone(&hook));
            thread::spawn(move || answer(stream, &folder, &hook));
        }
    });
    address
}

fn answer(mut stream: TcpStream, folder: &Path, hook: &Hook) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request).ok()? == 0 {
            return None;
        }
        let (mut header, mut range) = (String::new(), 0);
        while reader.read_line(&mut header).ok()? > 2 {
            let lower = header.to_lowercase();
            if let Some(start) = lower.strip_prefix("range: bytes=") {
                range = start.trim().trim_end_matches('-').parse().unwrap_or(0);
            }
            header.clear();
        }
        let path = request
            .split(' ')
            .nth(1)?
            .trim_start_matches('/')
            .to_owned();
        if hook(&path, &mut stream) {
            return None;
        }
        file(&mut stream, &folder.join(path), range)?;
    }
}

fn file(stream: &mut TcpStream, path: &Path, start: usize) -> Option<()> {
    let Ok(body) = std::fs::read(path) else {
        return send(stream, "404 Not Found", "", b"");
    };
    let length = body.len();
    match body.get(start..) {
        Some([]) | None if start > 0 => send(stream, "416 Range Not Satisfiable", "", b""),
        Some(rest) if start > 0 => {
            let range = format!("Content-Range: bytes {start}-{}/{length}\r\n", length - 1);
            send(stream, "206 Partial Content", &range, rest)
        }
        _ => send(stream, "200 OK", "", &body),
    }
}

/// Sends an answer whose length is right.
pub fn send(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> Option<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).ok()
}
