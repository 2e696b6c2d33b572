//! A session that listens. Its connection is not the pool's, and runs nothing but LISTEN.

use std::time::Duration;

use futures_util::{StreamExt as _, stream::unfold};
use tokio::{sync::mpsc, time::timeout};
use tokio_postgres::Notification as Native;

use super::connector::Connector;
use crate::{
    driver::{Notification, Notifications, SessionToken},
    error::{Error, ErrorKind},
};

/// How many notifications wait here to be taken. Those behind wait in the socket, and at the server.
const WAITING: usize = 1_024;

/// Connects, and listens to these channels: what is sent once this has returned is in the stream.
pub(super) async fn listen(
    connector: &Connector,
    wait: Duration,
    session: SessionToken,
    channels: &[String],
) -> Result<Notifications, Error> {
    let sql = channels.iter().map(|channel| text(channel)).collect::<Vec<_>>().join("; ");
    let (sender, receiver) = mpsc::channel(WAITING);
    let connected = connector.connect_to_listen(wait, &session, sender).await?;
    match timeout(wait, connected.client.batch_execute(&sql)).await {
        Ok(answer) => answer.map_err(Error::from)?,
        Err(_) => return Err(Error::new(ErrorKind::Connect, format!("LISTEN was not answered within {wait:?}"))),
    }
    let notifications = unfold((connected, receiver), |(connected, mut receiver)| async move {
        let native: Native = receiver.recv().await?;
        let notification = Notification {
            channel: native.channel().to_owned(),
            payload: native.payload().to_owned(),
            process_id: native.process_id(),
        };
        Some((notification, (connected, receiver)))
    });
    Ok(notifications.boxed())
}

/// The name of a channel is checked where it comes in.
fn text(channel: &str) -> String {
    format!("LISTEN \"{}\"", channel.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_channels_are_quoted() {
        assert_eq!(text("say \"hi\"; drop"), "LISTEN \"say \"\"hi\"\"; drop\"");
    }
}
