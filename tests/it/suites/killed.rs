//! A process that works on a SQLite file and is killed: at the boundary of each statement, and at random moments in between.
//! Rules 14, 16 and 37; the counterpart of the cut at every byte, as there is no wire. What the process was told of as
//! committed is there as a whole; of what was under way there is all or nothing; the next process works at once.
//!
//! The process is this program itself, which runs the test [`child`] with a file in its environment. It says what it does,
//! line by line, and waits for an answer after each line.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use nestling::{Database, Error, params};

use super::seed::{Cases, Dice};
use crate::harness::Backend;

const FILE: &str = "NESTLING_KILLED_FILE";
const FIRST: &str = "NESTLING_KILLED_FIRST";

/// What each line begins with, among those of the test harness.
const MARK: &str = "@ ";

/// How many transactions a child carries out that nobody kills.
const ROOTS: i64 = 4;

/// How many lines a child says: what the random boundary is below.
const LINES: u64 = 7 * ROOTS as u64 + 1;

/// What is inserted by a transaction, by the numbers of its parts.
const PARTS: [i64; 4] = [1, 2, 3, 5];

/// An error type as a user has it.
#[derive(Debug)]
enum Mine {
    OnPurpose,
    Db(Error),
}

impl From<Error> for Mine {
    fn from(error: Error) -> Self {
        Self::Db(error)
    }
}

/// Says what has just been done, and waits until the parent wants more.
fn say(line: &str) {
    println!("{MARK}{line}");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer).expect("an answer");
    assert_ne!(read, 0, "the parent has gone");
}

/// The process that is killed. It is no test of its own.
#[test]
#[ignore = "the process that the other tests kill"]
fn child() {
    let Ok(file) = env::var(FILE) else { return };
    let first: i64 = env::var(FIRST).expect("a number").parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let db = Database::open(&file).expect("a valid URL");
        db.connect().await.expect("the file");
        say("open");
        for root in first..first + ROOTS {
            match write(&db, root).await {
                Ok(()) => {}
                Err(Mine::Db(error)) => panic!("{error:?}"),
                Err(Mine::OnPurpose) => panic!("an error was not caught"),
            }
            say(&format!("committed {root}"));
        }
    });
}

/// One transaction: parts 1, 2, 3 and 5, and a part 4 that is rolled back.
async fn write(db: &Database, root: i64) -> Result<(), Mine> {
    let put = |part: i64| async move {
        say(&format!("before {part}"));
        // More than a page, so that a part is more than one write.
        let text = "x".repeat(3_000);
        let count = db.execute("insert into entry values ($1, $2, $3)", params![root, part, text]).await?;
        assert_eq!(count, 1);
        Ok::<_, Mine>(())
    };
    db.atomic(|| async {
        put(1).await?;
        db.atomic(|| put(2)).await?;
        let undone = db.savepoint(|| async {
            put(4).await?;
            Err::<(), _>(Mine::OnPurpose)
        });
        match undone.await {
            Err(Mine::OnPurpose) => {}
            other => other?,
        }
        db.savepoint(|| async { db.atomic(|| put(3)).await }).await?;
        put(5).await?;
        say("whole");
        Ok(())
    })
    .await
}

/// The child, as its parent has it.
struct Process {
    child: Child,
    answers: ChildStdin,
    lines: BufReader<ChildStdout>,
}

impl Process {
    fn start(url: &str, first: i64) -> Self {
        let mut command = Command::new(env::current_exe().expect("this program"));
        command.args(["--ignored", "--exact", "--nocapture", "suites::killed::child"]);
        command.env(FILE, url).env(FIRST, first.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("this program runs");
        let answers = child.stdin.take().expect("it is a pipe");
        let lines = BufReader::new(child.stdout.take().expect("it is a pipe"));
        Self { child, answers, lines }
    }

    /// What it says next; nothing at its end.
    fn heard(&mut self) -> Option<String> {
        let mut line = String::new();
        while self.lines.read_line(&mut line).expect("a line") > 0 {
            if let Some((_, said)) = line.split_once(MARK) {
                return Some(said.trim().to_owned());
            }
            line.clear();
        }
        None
    }

    fn go_on(&mut self) {
        self.answers.write_all(b"\n").expect("it listens");
    }

    fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it has ended");
    }
}

/// What is known of a file that many processes have written to.
struct History {
    url: String,
    committed: BTreeSet<i64>,
    /// The first transaction of the process at hand.
    first: i64,
}

impl History {
    /// Runs a process until it has said so many lines, and kills it where it waits behind the next one, or at a moment
    /// when it goes on. Says which transaction may have been at its COMMIT then.
    fn kill_one(&mut self, lines: u64, later: Option<Duration>) -> Option<i64> {
        let mut process = Process::start(&self.url, self.first);
        for _ in 0..lines {
            let Some(said) = process.heard() else { break };
            self.note(&said);
            process.go_on();
        }
        if let Some(later) = later {
            std::thread::sleep(later);
        } else if let Some(said) = process.heard() {
            self.note(&said);
        }
        process.kill();
        // What it had said by then.
        while let Some(said) = process.heard() {
            self.note(&said);
        }
        let next = self.first + self.committed.range(self.first..).count() as i64;
        self.first += ROOTS;
        later.map(|_| next)
    }

    fn note(&mut self, said: &str) {
        if let Some(root) = said.strip_prefix("committed ") {
            self.committed.insert(root.parse().expect("a number"));
        }
    }

    /// Opens the file as the next process would, and compares it with what is known.
    async fn agrees(&mut self, maybe: Option<i64>) -> Result<(), String> {
        let db = Database::open(&self.url).expect("a valid URL");
        let told = |error: Error| format!("the next process fails: {error:?}");
        let row = db.query_one("pragma integrity_check", params![]).await.map_err(told)?;
        let intact: String = row.get(0).map_err(told)?;
        if intact != "ok" {
            return Err(format!("the file is broken: {intact}"));
        }
        let sql = "select root, part from entry where root > 0 order by part";
        let mut found: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for row in db.query(sql, params![]).await.map_err(told)? {
            let (root, part) = row.to().map_err(told)?;
            found.entry(root).or_default().push(part);
        }
        if let Some(root) = maybe.filter(|root| found.get(root).is_some_and(|parts| *parts == PARTS)) {
            self.committed.insert(root);
        }
        let wanted: BTreeMap<i64, Vec<i64>> = self.committed.iter().map(|root| (*root, PARTS.to_vec())).collect();
        if found != wanted {
            return Err(format!("the file has {found:?} instead of {wanted:?}"));
        }
        let free = db.atomic(|| db.execute("insert into entry values ($1, $2, $3)", params![-self.first, 0, "next"]));
        free.await.map_err(told)?;
        db.close().await;
        Ok(())
    }
}

/// rules 14, 16 and 37
#[test]
fn killed_processes_leave_transactions_whole_or_not_at_all() {
    let mut cases = Cases::new(40);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let backend = runtime.block_on(Backend::sqlite());
    let mut known = History { url: backend.url().to_owned(), committed: BTreeSet::new(), first: 1 };
    runtime.block_on(async {
        let table = "create table entry (root integer not null, part integer not null, text text not null)";
        backend.db.batch(table).await.expect("the table of the test");
        backend.db.close().await;
    });
    while let Some(seed) = cases.next() {
        // Seeds in a row meet each boundary, and then a moment behind each.
        let later = (seed / LINES % 2 == 1).then(|| Duration::from_micros(Dice::new(seed).below(3_000)));
        let maybe = known.kill_one(seed % LINES, later);
        if let Err(reason) = runtime.block_on(known.agrees(maybe)) {
            cases.fail(seed, &format!("killed behind line {}, {later:?} later: {reason}", seed % LINES));
        }
    }
    assert!(!known.committed.is_empty(), "no process has come to a COMMIT");
}
