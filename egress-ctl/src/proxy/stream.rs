//! DNS messages on a TCP connection: two bytes of length in front of each (RFC 1035 section 4.2.2).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Bytes of the length.
const PREFIX: usize = 2;
/// Room that a connection keeps between messages.
const KEPT: usize = 4_096;

/// One message and its length; room for it grows as it comes.
#[derive(Debug, Default)]
pub(super) struct Framed(Vec<u8>);

impl Framed {
    /// Reads the next one; false where the stream ended in front of it.
    ///
    /// # Errors
    /// The connection broke, or ended inside of it.
    pub(super) async fn read(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<bool> {
        self.0.clear();
        self.0.shrink_to(KEPT);
        let mut head = from.take(PREFIX as u64);
        match head.read_to_end(&mut self.0).await? {
            0 => return Ok(false),
            PREFIX => {}
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        let len = self
            .0
            .iter()
            .fold(0, |len, byte| len << 8 | u64::from(*byte));
        let read = from.take(len).read_to_end(&mut self.0).await?;
        if read as u64 == len {
            Ok(true)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// The connection broke.
    pub(super) async fn write(&self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        to.write_all(&self.0).await
    }

    /// The message.
    pub(super) fn message(&self) -> &[u8] {
        self.0.get(PREFIX..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a stream, the messages in it, and whether it ends behind one.
    type Stream<'a> = (&'a [u8], &'a [&'a [u8]], bool);

    fn read_all(mut bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().unwrap();
        runtime.block_on(async {
            let (mut framed, mut all) = (Framed::default(), Vec::new());
            loop {
                match framed.read(&mut bytes).await {
                    Ok(true) => all.push(framed.message().to_vec()),
                    Ok(false) => return (all, true),
                    Err(_) => return (all, false),
                }
            }
        })
    }

    #[test]
    fn messages_are_taken_apart() {
        let long = [&[0xff, 0xff][..], &[7; 65_535]].concat();
        let table: [(&str, Stream<'_>); 7] = [
            ("nothing", (b"", &[], true)),
            ("one", (b"\0\x03abc", &[b"abc"], true)),
            ("two", (b"\0\x01a\0\x02bc", &[b"a", b"bc"], true)),
            ("an empty one", (b"\0\0\0\x01a", &[b"", b"a"], true)),
            ("the longest", (&long, &[&[7; 65_535]], true)),
            ("half a length", (b"\0\x01a\0", &[b"a"], false)),
            ("half a message", (b"\0\x01a\0\x02b", &[b"a"], false)),
        ];
        for (what, (bytes, expected, whole)) in table {
            let (all, ended) = read_all(bytes);
            assert_eq!(all, expected, "{what}");
            assert_eq!(ended, whole, "{what}");
        }
    }
}
