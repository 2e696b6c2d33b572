//! The greeting of a server: it tells before any login whether the server is MariaDB.

use std::io;

use mysql_async::Opts;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    net::TcpStream,
};

/// More than any server says ahead of a login.
const LARGEST: usize = 1 << 10;

/// Whether the server at this address greets as MariaDB does. It is asked over a connection of its own.
///
/// # Errors
/// The server cannot be reached, or does not greet.
pub(super) async fn is_mariadb(opts: &Opts) -> io::Result<bool> {
    #[cfg(unix)]
    if let Some(path) = opts.socket() {
        return read(UnixStream::connect(path).await?).await;
    }
    read(TcpStream::connect((opts.ip_or_hostname(), opts.tcp_port())).await?).await
}

/// A message has three bytes of length and one of its number; a greeting begins with its own version, 10, and then has the
/// server's as a text that ends with a zero.
async fn read(mut stream: impl AsyncRead + Unpin) -> io::Result<bool> {
    let length = stream.read_u32_le().await? & 0xff_ffff;
    let mut greeting = vec![0; LARGEST.min(length as usize)];
    stream.read_exact(&mut greeting).await?;
    match greeting.split_first() {
        Some((10, rest)) => {
            let version = rest.split(|byte| *byte == 0).next().unwrap_or_default();
            Ok(String::from_utf8_lossy(version).to_ascii_lowercase().contains("mariadb"))
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the server does not greet")),
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    /// A greeting of this text, as far as it matters.
    fn greeting(text: &[u8]) -> Vec<u8> {
        [&[text.len() as u8, 0, 0, 0], text].concat()
    }

    #[tokio::test]
    async fn mariadb_is_told_from_mysql() {
        let of = async |text: &[u8]| read(&*greeting(text)).await.map_err(|error| error.kind());
        assert_eq!(of(b"\x0a10.11.19-MariaDB-0+deb12u1\0rest").await, Ok(true));
        assert_eq!(of(b"\x0a5.5.5-11.8.2-mariadb\0").await, Ok(true));
        assert_eq!(of(b"\x0a9.7.4\0mariadb").await, Ok(false));
        assert_eq!(of(b"\xff\x10\x04Too many connections").await, Err(std::io::ErrorKind::InvalidData));
        assert_eq!(of(b"").await, Err(std::io::ErrorKind::InvalidData));
        assert_eq!(
            read(&b"\x09\0\0\0\x0a10"[..]).await.map_err(|error| error.kind()),
            Err(std::io::ErrorKind::UnexpectedEof)
        );
    }
}
