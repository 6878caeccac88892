use super::*;
use std::io::Write;
use std::net::TcpListener;

/// What the line makes of a server that answers every connection with these bytes and closes it.
async fn asked(answer: Vec<u8>) -> Result<Answer, Trouble> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!(
        "http://{}/prefix/",
        listener.local_addr().expect("an address")
    );
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // The whole request is smaller than this and comes in a moment.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&answer);
        }
    });
    let line = Line::open("w", &url).expect("a thread");
    let asked = tokio::time::timeout(PATIENCE * 3, line.ask("old 0\n".to_owned()));
    asked.await.expect("in time")
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_cosignature_and_a_size_are_told_apart() {
    let good = asked(answer("200 OK", b"lines\n")).await;
    assert_eq!(good, Ok(Answer::Cosigned(b"lines\n".to_vec())));
    let size = asked(answer(
        "409 Conflict\r\ncontent-type: text/x.tlog.size",
        b"7\n",
    ))
    .await;
    assert_eq!(size, Ok(Answer::Conflict(b"7\n".to_vec())));
    // A proxy's 409 tells no size.
    let other = asked(answer("409 Conflict\r\ncontent-type: text/html", b"7\n")).await;
    assert_eq!(other, Err(Trouble::Status(409)));
}

#[tokio::test]
async fn no_redirect_is_followed_and_no_answer_read_beyond_its_bound() {
    let moved = asked(answer("308 Moved\r\nlocation: http://127.0.0.1:1/", b"")).await;
    assert_eq!(moved, Err(Trouble::Status(308)));
    let long = asked(answer("200 OK", &vec![b'a'; MAX_ANSWER_BYTES + 1])).await;
    assert_eq!(long, Err(Trouble::Oversize));
    let most = asked(answer("200 OK", &vec![b'a'; MAX_ANSWER_BYTES])).await;
    assert!(matches!(most, Ok(Answer::Cosigned(_))), "{most:?}");
    let head = format!("200 OK\r\nx: {}", "a".repeat(MAX_HEADER));
    assert!(asked(answer(&head, b"")).await.is_err());
}

#[tokio::test]
async fn what_is_no_http_is_trouble() {
    assert!(asked(b"what do you want?\r\n\r\n".to_vec()).await.is_err());
    assert!(asked(Vec::new()).await.is_err());
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort".to_vec();
    assert!(asked(cut).await.is_err());
}

#[tokio::test]
async fn where_nobody_listens_is_unreachable() {
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", gone.local_addr().expect("an address"));
    drop(gone);
    let line = Line::open("w", &url).expect("a thread");
    let asked = tokio::time::timeout(PATIENCE * 3, line.ask("old 0\n".to_owned()));
    assert_eq!(asked.await.expect("in time"), Err(Trouble::Unreachable));
}

#[test]
fn there_are_few_labels_whatever_a_witness_answers() {
    let labels: std::collections::BTreeSet<_> = (100..1000)
        .map(|status| Trouble::Status(status).to_string())
        .collect();
    assert!(labels.len() < 20, "{labels:?}");
    assert!(labels.contains("409") && labels.contains("5xx"));
}
