//! Tasks that take part in blocks: the end of a block waits for them (rule 5).

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::{
    super::TaskGroup,
    fake::{Fake, Recorder, TURN_TIMEOUT, current},
};
use crate::error::ErrorKind;

fn group() -> TaskGroup<Fake> {
    TaskGroup::new(current().unwrap_or_default())
}

/// rule 5
#[tokio::test(start_paused = true)]
async fn the_end_of_a_block_waits_for_its_tasks_in_all_blocks_around() {
    let one = Recorder::of(1);
    let go = Arc::new(Notify::new());
    let mut kept = None;
    let work = one.atomic(async || {
        let inner = one.atomic(async || {
            one.write(1).await?;
            let group = group();
            let (guard, gone) = (group.begin(), Arc::clone(&go));
            tokio::spawn(async move {
                let _until_then = guard;
                gone.notified().await;
            });
            kept = Some(group);
            Ok(())
        });
        let slow = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(one.log(), ["BEGIN", "SAVEPOINT _n1", "write 1"]);
            go.notify_one();
        };
        futures_util::future::join(inner, slow).await.0?;
        one.write(2).await
    });
    work.await.unwrap();
    assert_eq!(one.log(), ["RELEASE _n1", "write 2", "COMMIT", "release"]);
    drop(kept);
    one.assert_at_rest();
}

/// rules 5 and 9
#[tokio::test(start_paused = true)]
async fn a_task_that_does_not_end_is_waited_for_as_long_as_a_turn() {
    let one = Recorder::of(1);
    let mut kept = None;
    let start = tokio::time::Instant::now();
    let work = one.atomic(async || {
        one.write(1).await?;
        let group = group();
        kept = Some((group.begin(), group));
        Ok(())
    });
    assert_eq!(work.await.unwrap_err().kind(), ErrorKind::TurnTimeout);
    assert_eq!(start.elapsed(), TURN_TIMEOUT);
    assert!(!one.log().contains(&"COMMIT".to_owned()), "{:?}", one.log());
    drop(kept);
}

/// rule 5: the group's drop aborts the blocks, unless its tasks have ended or were given up
#[tokio::test]
async fn a_group_that_is_dropped_too_early_aborts_the_block() {
    let (one, two) = (Recorder::of(1), Recorder::of(2));
    for (ended, given_up) in [(true, false), (false, true), (false, false)] {
        let work = one.atomic(async || {
            one.write(1).await?;
            two.atomic(async || {
                let mut group = group();
                let guard = Some(group.begin()).filter(|_| !ended);
                if given_up {
                    group.give_up();
                }
                drop(group);
                drop(guard);
                Ok(())
            })
            .await
        });
        match work.await {
            Ok(()) => assert!(ended || given_up),
            Err(error) => assert_eq!((error.kind(), ended || given_up), (ErrorKind::RolledBack, false)),
        }
    }
}
