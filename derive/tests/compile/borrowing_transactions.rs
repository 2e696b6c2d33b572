//! A `transaction` that borrows. (`atomic` may.)

use nestling::{Database, Error, params};

async fn run(db: &Database) -> Result<u64, Error> {
    db.transaction(|| async { db.execute("delete from movie", params![]).await }).await
}

fn main() {}
