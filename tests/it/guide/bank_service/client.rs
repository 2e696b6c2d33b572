//! A client of HTTP/1.1 with a connection for each request, which it may leave half-way.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    pub(super) address: SocketAddr,
}

/// How a client behaves.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    /// It reads the answer.
    Reads,
    /// It goes when so many bytes of the request are sent, and so much time has gone by.
    HangsUp { behind: usize, after: Duration },
}

impl Client {
    pub(super) async fn get(self, path: &str, tenant: &str) -> (u16, Value) {
        self.ask("GET", path, tenant, None, "", Patience::Reads).await.expect("it reads the answer")
    }

    pub(super) async fn post(self, path: &str, tenant: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        self.ask("POST", path, tenant, key, &body, Patience::Reads).await.expect("it reads the answer")
    }

    /// The status and body of the answer; `None` if it was not waited for.
    pub(super) async fn ask(
        self,
        method: &str,
        path: &str,
        tenant: &str,
        key: Option<&str>,
        body: &str,
        patience: Patience,
    ) -> Option<(u16, Value)> {
        let key = key.map(|key| format!("idempotency-key: {key}\r\n")).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: bank\r\nx-tenant: {tenant}\r\n{key}connection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.expect("the bank is open");
        let sent = match patience {
            Patience::Reads => request.len(),
            Patience::HangsUp { behind, .. } => behind.min(request.len()),
        };
        stream.write_all(&request.as_bytes()[..sent]).await.expect("the bank listens");
        let mut answer = Vec::new();
        match patience {
            Patience::Reads => stream.read_to_end(&mut answer).await.expect("the bank answers"),
            Patience::HangsUp { after, .. } => {
                // An answer that comes in time is thrown away.
                let _ = timeout(after, stream.read_to_end(&mut answer)).await;
                return None;
            }
        };
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) =
            answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {method} {path}: {answer:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Some((status, serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()))))
    }
}
