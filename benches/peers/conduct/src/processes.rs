//! [`Processes`]: the processes of a server, and how long they have been on the processor.
//!
//! Used around each run. It reads `/proc`, so that it works on Linux alone.

use std::{collections::HashMap, fs, io};

use anyhow::{Context, Result};

/// A server's first process, and with it all that descend from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Processes {
    first: u32,
}

/// What `/proc/PID/stat` counts in: a hundredth of a second.
const TICK: u64 = 10_000_000;

/// One process.
struct Process {
    parent: u32,
    /// On the processor, in nanoseconds.
    own: u64,
    /// The same of its children that have ended.
    ended: u64,
}

impl Processes {
    /// The server whose first process is this.
    pub(crate) fn of(first: u32) -> Self {
        Self { first }
    }

    /// The server of which this process is a direct child of the first one.
    pub(crate) fn of_child(child: u32) -> Result<Self> {
        let process = read(child)?.with_context(|| format!("process {child} is not there"))?;
        Ok(Self::of(process.parent))
    }

    /// How long they have been on the processor, for themselves and in the kernel, those that have ended with them, in
    /// nanoseconds. Exact for processes of one thread, as PostgreSQL's are; to a hundredth of a second for others.
    pub(crate) fn time(self) -> Result<u64> {
        let mut all = HashMap::new();
        for entry in fs::read_dir("/proc").context("/proc")? {
            let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if let Some(process) = read(id)? {
                all.insert(id, process);
            }
        }
        let belongs = |mut id: u32| {
            while id != self.first {
                match all.get(&id) {
                    Some(process) => id = process.parent,
                    None => return false,
                }
            }
            true
        };
        Ok(all.iter().filter(|(id, _)| belongs(**id)).map(|(_, process)| process.own + process.ended).sum())
    }
}

/// Nothing if the process has ended meanwhile.
fn read(id: u32) -> Result<Option<Process>> {
    let Some(stat) = text(id, "stat")? else { return Ok(None) };
    // Behind the name in parentheses, which may have spaces.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |place: usize| -> Result<u64> {
        let field = fields.get(place).with_context(|| format!("/proc/{id}/stat has no field {place}"))?;
        field.parse().with_context(|| format!("/proc/{id}/stat: {field}"))
    };
    let mut own = (field(11)? + field(12)?) * TICK;
    // Of several threads it has the first one's time alone.
    if field(17)? == 1 {
        let Some(exact) = text(id, "schedstat")? else { return Ok(None) };
        let nanos = exact.split_whitespace().next().and_then(|word| word.parse().ok());
        own = nanos.with_context(|| format!("/proc/{id}/schedstat: {exact}"))?;
    }
    Ok(Some(Process { parent: field(1)?.try_into()?, own, ended: (field(13)? + field(14)?) * TICK }))
}

fn text(id: u32, file: &str) -> Result<Option<String>> {
    let path = format!("/proc/{id}/{file}");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        // The process ends between two looks: ESRCH.
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(3) => Ok(None),
        Err(error) => Err(error).context(path),
    }
}
