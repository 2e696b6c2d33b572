//! What is not a matter of ratios at one load: a crowd on few connections, tasks that wait, growth with size, and many open
//! savepoints. All on PostgreSQL.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use agent::Workload;
use anyhow::{Context, Result, bail, ensure};
use tokio::{process::Command, time::timeout};

use crate::{
    backend::Admin,
    peers::{BB8, DEADPOOL, HELD_POSTGRES, NESTLING, SQLX},
    plan::{LOOPBACK, OPEN, SIZES},
    progress::Progress,
    record::{Crowd, Growth, OpenSavepoints, Record, median},
    rounds::Stage,
};

/// 64 tasks in a loop on 8 connections.
pub(crate) async fn crowd(stage: &mut Stage, quick: bool, record: &mut Record, progress: &mut Progress) -> Result<()> {
    let (rounds, millis) = if quick { (1, 200) } else { (5, 1_000) };
    let url = stage.url(LOOPBACK)?;
    let chosen = chosen(stage, &[NESTLING, BB8, DEADPOOL, SQLX]);
    let mut crowds: Vec<Crowd> =
        chosen.iter().map(|&number| Crowd { peer: stage.agents[number].label(), rounds: Vec::new() }).collect();
    for &number in &chosen {
        stage.agents[number].open(&url, 8, 64).await?;
    }
    for _ in 0..rounds {
        for (crowd, &number) in crowds.iter_mut().zip(&chosen) {
            progress.step(&format!("64 tasks on 8 connections: {}", crowd.peer));
            crowd.rounds.push(stage.measure(number, Workload::A, 64, millis, 0).await?);
        }
    }
    for &number in &chosen {
        stage.agents[number].close().await?;
    }
    record.crowds = crowds;
    Ok(())
}

/// The agents of some peers at their best.
fn chosen(stage: &Stage, titles: &[&str]) -> Vec<usize> {
    let is_chosen = |number: &usize| {
        let agent = &stage.agents[*number];
        titles.contains(&agent.peer.title) && !agent.defaults
    };
    (0..stage.agents.len()).filter(is_chosen).collect()
}

/// 10,000 tasks that wait for 16 connections.
pub(crate) async fn waiting(stage: &Stage, record: &mut Record, progress: &mut Progress) -> Result<()> {
    progress.step("10,000 tasks wait for 16 connections");
    let mut command = Command::new(stage.programs.bin.join("waiting"));
    command.arg(&stage.server.url).kill_on_drop(true);
    let output = timeout(Duration::from_secs(120), command.output()).await??;
    ensure!(output.status.success(), "waiting: {}", String::from_utf8_lossy(&output.stderr));
    record.waiting = Some(serde_json::from_slice(&output.stdout).context("what the program `waiting` has printed")?);
    Ok(())
}

/// How an operation's time grows with its size: one task. A round goes through all sizes, so that the machine's moods fall on
/// all of them.
pub(crate) async fn growth(stage: &mut Stage, quick: bool, record: &mut Record, progress: &mut Progress) -> Result<()> {
    let (rounds, ops) = if quick { (1, 5) } else { (7, 12) };
    let url = stage.url(LOOPBACK)?;
    let chosen = chosen(stage, &[NESTLING, HELD_POSTGRES]);
    for &number in &chosen {
        stage.agents[number].open(&url, 1, 1).await?;
    }
    for kind in ['D', 'E'] {
        let mut found: HashMap<(usize, u32), Vec<f64>> = HashMap::new();
        for _ in 0..rounds {
            for size in SIZES {
                let workload = if kind == 'D' { Workload::D(size) } else { Workload::E(size) };
                for &number in &chosen {
                    progress.step(&format!("growth: {workload} {}", stage.agents[number].label()));
                    let figures = stage.measure(number, workload, 1, 0, ops).await?;
                    found.entry((number, size)).or_default().push(figures.median as f64);
                }
            }
        }
        for &number in &chosen {
            let typical = |size| median(found.remove(&(number, size)).unwrap_or_default()).unwrap_or_default() as u64;
            let points = SIZES.into_iter().zip(SIZES.map(typical)).collect();
            record.growth.push(Growth { peer: stage.agents[number].label(), kind, points });
        }
    }
    for &number in &chosen {
        stage.agents[number].close().await?;
    }
    Ok(())
}

/// How a reader fares while another session has savepoints open in which it has written. PostgreSQL keeps 64 of a session's
/// subtransactions in shared memory; beyond that, whoever meets a young row has to look its transaction up.
pub(crate) async fn open_savepoints(
    stage: &mut Stage,
    quick: bool,
    record: &mut Record,
    progress: &mut Progress,
) -> Result<()> {
    let reads = if quick { 7 } else { 41 };
    let connect = async |url: &str| {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok::<_, tokio_postgres::Error>(client)
    };
    let (holder, reader) = (connect(&stage.server.url).await?, connect(&stage.server.url).await?);
    let Admin::Postgres(_) = stage.server.admin else { bail!("this is about PostgreSQL") };
    for open in OPEN {
        progress.step(&format!("a reader beside {open} open savepoints"));
        stage.server.empty().await?;
        let insert = "insert into entry (account, amount, note) values (1, 1, 'held')";
        holder.batch_execute(&format!("begin; {insert}")).await?;
        for number in 1..=open {
            holder.batch_execute(&format!("savepoint s{number}; {insert}")).await?;
        }
        // Rows that are younger than the open transaction, in 200 transactions.
        for _ in 0..200 {
            let many =
                "insert into entry (account, amount, note) select 1, n, 'young' from generate_series(1, 100) as s(n)";
            stage.server.run(many).await?;
        }
        let mut nanos = Vec::new();
        for _ in 0..reads {
            let began = Instant::now();
            let rows: i64 = reader.query_one("select count(*) from entry", &[]).await?.try_get(0)?;
            nanos.push(began.elapsed().as_nanos() as f64);
            ensure!(rows == 20_000, "the reader sees {rows} rows");
        }
        holder.batch_execute("commit").await?;
        record.open_savepoints.push(OpenSavepoints { open, nanos: median(nanos).unwrap_or_default() as u64 });
    }
    stage.server.empty().await
}
