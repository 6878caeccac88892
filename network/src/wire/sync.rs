//! Decided blocks on request, for a peer that is behind: length-prefixed bytes over
//! request/response streams of their own, each bounded.

use crate::limits::MAX_SYNC_RESPONSE_BYTES;
use ::bytes::Bytes;
use async_trait::async_trait;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response;
use std::io::{self, ErrorKind};

/// The largest request; a range of heights has 16 bytes.
const MAX_REQUEST_BYTES: usize = 64;
/// The framing and rounding of a response that is full of blocks.
const SLACK_BYTES: usize = 4 * 1024;

/// Reads and writes requests and responses.
#[derive(Clone, Copy, Default)]
pub struct SyncCodec;

#[async_trait]
impl request_response::Codec for SyncCodec {
    type Protocol = StreamProtocol;
    type Request = Bytes;
    type Response = Bytes;

    async fn read_request<T>(&mut self, _: &StreamProtocol, stream: &mut T) -> io::Result<Bytes>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(stream, MAX_REQUEST_BYTES).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, stream: &mut T) -> io::Result<Bytes>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(stream, MAX_SYNC_RESPONSE_BYTES + SLACK_BYTES).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        request: Bytes,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(stream, &request).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        response: Bytes,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(stream, &response).await
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin + Send), most: usize) -> io::Result<Bytes> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > most {
        return Err(io::Error::new(
            ErrorKind::InvalidData,
            format!("{length} bytes announced"),
        ));
    }
    // Grows as bytes come: announcing much costs nothing here.
    let mut body = Vec::new();
    let limit = u64::try_from(length).unwrap_or(u64::MAX);
    stream.take(limit).read_to_end(&mut body).await?;
    if body.len() == length {
        Ok(body.into())
    } else {
        Err(ErrorKind::UnexpectedEof.into())
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin + Send), body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(|_| ErrorKind::InvalidInput)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(body).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::io::Cursor;

    #[tokio::test]
    async fn what_is_too_long_or_cut_short_is_refused() {
        let mut bytes = Vec::new();
        write(&mut Cursor::new(&mut bytes), b"hello").await.unwrap();
        assert_eq!(
            read(&mut Cursor::new(&bytes), 5).await.unwrap().as_ref(),
            b"hello"
        );
        assert!(read(&mut Cursor::new(&bytes), 4).await.is_err());
        assert!(read(&mut Cursor::new(&bytes[..8]), 5).await.is_err());
    }
}
