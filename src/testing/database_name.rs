//! [`Reserved`]: the name of a database of one test, which tells when and by which process it was made, and so whether anybody
//! still wants it. It knows no database.

use std::{
    collections::{BTreeSet, hash_map::DefaultHasher},
    env, fs,
    hash::{Hash, Hasher as _},
    path::Path,
    process,
    sync::{Mutex, MutexGuard},
    thread,
    time::{Duration, SystemTime},
};

use crate::driver::random;

pub(super) const PREFIX: &str = "nestling_test_";

/// What is older than this is nobody's, wherever it was made.
pub(super) const OLD: Duration = Duration::from_secs(24 * 60 * 60);

/// The names that this process uses.
static IN_USE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn in_use() -> MutexGuard<'static, BTreeSet<String>> {
    IN_USE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A name that is in use as long as this is there. If a panic drops it, it stays in use to the end of the process: the database
/// of a test that has failed is left for a look.
#[derive(Debug)]
pub(super) struct Reserved(String);

impl Reserved {
    /// A name that no database has: of the time, the machine, the process, and chance.
    pub(super) fn new() -> Self {
        let name = format!("{PREFIX}{:x}_{:x}_{:x}_{:08x}", seconds(), machine(), process::id(), random() >> 32);
        in_use().insert(name.clone());
        Self(name)
    }

    pub(super) fn name(&self) -> &str {
        &self.0
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if !thread::panicking() {
            in_use().remove(&self.0);
        }
    }
}

/// Whether the database of this name is nobody's: it is a day old, or was made by a process of this machine that has ended, or by
/// this one, which has dropped the value.
pub(super) fn is_stale(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let parts: Vec<_> = rest.split('_').map(|part| u64::from_str_radix(part, 16)).collect();
    let [Ok(made), Ok(on), Ok(by), Ok(_)] = parts[..] else { return false };
    if in_use().contains(name) {
        return false;
    }
    is_old(made) || (on == machine() && on != 0 && (by == u64::from(process::id()) || !is_alive(by)))
}

/// Whether a moment, in seconds since 1970, is more than a day ago.
pub(super) fn is_old(made: u64) -> bool {
    seconds().saturating_sub(made) > OLD.as_secs()
}

/// The seconds since 1970.
pub(super) fn seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn is_alive(process: u64) -> bool {
    Path::new("/proc").join(process.to_string()).exists()
}

/// Where numbers of processes mean the same, up to the next start: a machine, or a container in it. 0 where nobody tells.
fn machine() -> u64 {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let processes = fs::read_link("/proc/self/ns/pid");
    match (boot, processes) {
        (Ok(boot), Ok(processes)) => hash((boot, processes)) >> 32,
        _ => 0,
    }
}

/// What tells the program apart from what it was before it was built anew.
pub(super) fn program() -> u64 {
    let program = env::current_exe().ok();
    let built =
        program.as_ref().and_then(|path| fs::metadata(path).ok()).map(|file| (file.modified().ok(), file.len()));
    hash((program, built))
}

/// The same in each process of a program.
pub(super) fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_in_use_until_it_is_dropped() {
        let (one, other) = (Reserved::new(), Reserved::new());
        let name = one.name().to_owned();
        assert_ne!(name, other.name());
        // Names of PostgreSQL have 63 bytes.
        assert!(name.len() < 60, "{name}");
        assert!(!is_stale(&name));
        drop(one);
        assert_eq!(is_stale(&name), machine() != 0);
        assert!(!is_stale(other.name()));
    }

    #[test]
    fn a_name_stays_in_use_behind_a_panic() {
        let name = thread::spawn(|| {
            let reserved = Reserved::new();
            std::panic::panic_any(reserved.name().to_owned());
        });
        let name = name.join().expect_err("it panics").downcast::<String>().expect("the name");
        assert!(!is_stale(&name));
    }

    #[test]
    fn what_is_old_or_of_a_process_that_has_ended_is_stale() {
        let of = |made: u64, on: u64, by: u64| is_stale(&format!("{PREFIX}{made:x}_{on:x}_{by:x}_0"));
        let (now, day, here) = (seconds(), OLD.as_secs(), machine());
        // No process has this number.
        let ended = u64::from(u32::MAX);
        assert_eq!(of(now, here, ended), here != 0);
        assert!(!of(now, here ^ 1, ended), "what another machine does is not known");
        assert!(!of(now - day + 60, here ^ 1, 1));
        assert!(of(now - day - 60, here ^ 1, 1));
        assert!(!of(now + day, here ^ 1, 1), "clocks differ");
        for other in ["nestling_test_", "nestling_test_x_1_1_1", "nestling_test_1_1_1", "nestling_7_1", "postgres"] {
            assert!(!is_stale(other), "{other}");
        }
    }
}
