//! Framed messages over one stream: 4 bytes of length, 1 byte of kind, the body.
//!
//! What always holds: a length above the lane's bound, or a kind that does not belong to the lane,
//! ends the stream before anything is allocated for it; a peer that does not take what is written
//! to it within [`WRITE_TIMEOUT`] is given up.

use super::{Frame, Kind, Lane};
use crate::limits::WRITE_TIMEOUT;
use ::bytes::Bytes;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::io::{self, ErrorKind};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

/// Small messages are written together up to this size.
const COALESCE_BYTES: usize = 64 * 1024;

/// Reads one message; none at the end of the stream.
///
/// # Errors
/// `InvalidData` if the peer breaks the framing, anything else if the connection is gone.
pub async fn read_frame(stream: &mut (impl AsyncRead + Unpin), lane: Lane) -> io::Result<Frame> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).await?;
    let [a, b, c, d, code] = head;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    let kind = Kind::read(lane, code, length).ok_or_else(|| {
        io::Error::new(
            ErrorKind::InvalidData,
            format!("kind {code} of {length} bytes by {lane:?}"),
        )
    })?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Frame {
        kind,
        body: Bytes::from(body),
    })
}

/// Writes what the queue holds until it is closed.
///
/// # Errors
/// When the connection is gone, or `TimedOut` when the peer does not read.
pub async fn write_queue(
    mut stream: impl AsyncWrite + Unpin,
    mut queue: Receiver<Frame>,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(frame) = queue.recv().await {
        buffer.clear();
        put(&mut buffer, &frame);
        while buffer.len() < COALESCE_BYTES
            && let Ok(frame) = queue.try_recv()
        {
            put(&mut buffer, &frame);
        }
        let write = async {
            stream.write_all(&buffer).await?;
            stream.flush().await
        };
        timeout(WRITE_TIMEOUT, write)
            .await
            .map_err(|_| io::Error::from(ErrorKind::TimedOut))??;
    }
    Ok(())
}

fn put(buffer: &mut Vec<u8>, frame: &Frame) {
    // No frame is longer than a lane's bound; a longer one would be refused by its reader.
    let length = u32::try_from(frame.body.len()).unwrap_or(u32::MAX);
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.push(frame.kind.code());
    buffer.extend_from_slice(&frame.body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::io::Cursor;
    use tokio::sync::mpsc::channel;

    async fn written(frames: &[Frame]) -> Vec<u8> {
        let (sender, queue) = channel(frames.len());
        for frame in frames {
            sender.send(frame.clone()).await.unwrap();
        }
        drop(sender);
        let mut bytes = Vec::new();
        write_queue(Cursor::new(&mut bytes), queue).await.unwrap();
        bytes
    }

    #[tokio::test]
    async fn frames_come_back_in_order() {
        let frames = [
            Frame::new(Kind::Wake, vec![0; 8]),
            Frame::new(Kind::Consensus, vec![3; 1000]),
            Frame::new(Kind::Status, vec![]),
        ];
        let bytes = written(&frames).await;
        let mut stream = Cursor::new(bytes);
        for frame in frames {
            assert_eq!(
                read_frame(&mut stream, Lane::Consensus).await.unwrap(),
                frame
            );
        }
        let end = read_frame(&mut stream, Lane::Consensus).await.unwrap_err();
        assert_eq!(end.kind(), ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn oversize_and_foreign_kinds_end_the_stream() {
        let huge = [255, 255, 255, 255, Kind::Events.code()];
        let foreign = [0, 0, 0, 1, Kind::Chunk.code(), 7];
        let unknown = [0, 0, 0, 0, 99];
        for bytes in [&huge[..], &foreign, &unknown] {
            let read = read_frame(&mut Cursor::new(bytes), Lane::Events).await;
            assert_eq!(read.unwrap_err().kind(), ErrorKind::InvalidData);
        }
    }
}
