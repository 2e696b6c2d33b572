//! Updates, deletes and inserts that choose from the table that they write; and lists that are a query with a limit.

use nestling::{
    ForeignKey, Model, Query, create_tables,
    query::{OnConflict, functions::exists},
};

#[derive(Debug, Clone, PartialEq, Model)]
struct Task {
    id: i64,
    rank: i64,
    #[model(unique, max_length = 20)]
    name: String,
    parent: Option<ForeignKey<Self>>,
}

#[derive(Debug, Clone, PartialEq, Model)]
struct Step {
    #[model(primary_key)]
    hall: i64,
    #[model(primary_key)]
    seat: i64,
    rank: i64,
}

async fn tasks(db: &nestling::Database) {
    create_tables(db, &[Task::TABLE, Step::TABLE]).await.expect("tables");
    let task = |n: i64| [Task::RANK.set(n * 10), Task::NAME.set(format!("t{n}")), Task::PARENT.set(None)];
    Task::insert_many((1..=6).map(task)).run_on(db).await.expect("tasks");
    let step = |n: i64| [Step::HALL.set(1), Step::SEAT.set(n), Step::RANK.set(n)];
    Step::insert_many((1..=6).map(step)).run_on(db).await.expect("steps");
}

async fn ranks(db: &nestling::Database) -> Vec<i64> {
    Task::select().order_by(Task::ID.asc()).columns(Task::RANK).all(db).await.expect("ranks")
}

test_on! {
    every_backend;

    // fault 2.6 (MySQL's 1093)
    async fn rows_are_updated_and_deleted_by_a_query_of_their_own_table(backend) {
        let db = &backend.db;
        tasks(db).await;
        let low = Task::select().filter(Task::RANK.lt(30)).columns(Task::ID);
        let update = Task::update([Task::RANK.set(Task::RANK + 1)]).filter(Task::ID.in_(low.clone()));
        assert_eq!(update.clone().run_on(db).await.expect("updated"), 2);
        assert_eq!(ranks(db).await, [11, 21, 30, 40, 50, 60]);
        let mut back: Vec<i64> = update.returning_columns(Task::RANK).run_on(db).await.expect("given back");
        back.sort_unstable();
        assert_eq!(back, [12, 22]);
        let most = Task::select().columns(Task::RANK.max());
        let top = Task::alias("top");
        let most = Task::update([Task::RANK.set(0)]).filter(Task::RANK.nullable().eq(most.into_expr()));
        assert_eq!(most.run_on(db).await.expect("updated"), 1);
        let average = top.select().columns(top.col(Task::RANK).max()).into_expr();
        let rank = Task::RANK.set(nestling::query::functions::coalesce(average, 0));
        let set = Task::update([rank, Task::NAME.set("same")]).filter(Task::ID.eq(1));
        assert_eq!(set.run_on(db).await.expect("set by a query"), 1);
        assert_eq!(ranks(db).await, [50, 22, 30, 40, 50, 0]);
        let gone = Task::delete().filter(Task::ID.in_(low.clone()) & Task::NAME.ne("t6"));
        assert_eq!(gone.run_on(db).await.expect("deleted"), 1);
        let gone = Task::delete().filter(Task::ID.in_(low)).returning().run_on(db).await.expect("deleted");
        assert_eq!(gone.iter().map(|task| task.id).collect::<Vec<_>>(), [6]);
    }

    // fault 2.6: the query speaks of the row that is written
    async fn a_query_of_the_own_table_may_speak_of_the_row_itself(backend) {
        let db = &backend.db;
        tasks(db).await;
        Task::update([Task::PARENT.set(1)]).filter(Task::ID.in_([2, 3])).run_on(db).await.expect("parents");
        let child = Task::alias("child");
        let has_children = || exists(child.select().filter(child.col(Task::PARENT).eq(Task::ID)));
        assert_eq!(Task::update([Task::RANK.set(7)]).filter(has_children()).run_on(db).await.expect("updated"), 1);
        assert_eq!(ranks(db).await, [7, 20, 30, 40, 50, 60]);
        let lonely = !has_children() & Task::PARENT.is_null();
        assert_eq!(Task::delete().filter(lonely).run_on(db).await.expect("deleted"), 3);
        let other = Step::alias("other");
        let above = other.select().filter(other.col(Step::SEAT).eq(Step::SEAT + 3)).columns(other.col(Step::RANK));
        let lift = Step::update([Step::RANK.set(nestling::query::functions::coalesce(above.into_expr().nullable(), 0))]);
        assert_eq!(lift.run_on(db).await.expect("updated"), 6, "all see what was there before");
        let ranks = Step::select().order_by(Step::SEAT.asc()).columns(Step::RANK).all(db).await.expect("ranks");
        assert_eq!(ranks, [4, 5, 6, 0, 0, 0]);
        let gone = Step::delete().filter(exists(other.select().filter(other.col(Step::RANK).eq(Step::SEAT))));
        assert_eq!(gone.run_on(db).await.expect("deleted"), 3, "by a key of two columns");
    }

    // fault 2.6
    async fn a_row_is_inserted_with_what_a_query_of_its_own_table_finds(backend) {
        let db = &backend.db;
        tasks(db).await;
        let next = || nestling::query::functions::coalesce(Task::select().columns(Task::RANK.max()).into_expr(), 0) + 10;
        let insert = |name: &'static str| Task::insert([Task::RANK.set(next()), Task::NAME.set(name)]);
        assert_eq!(insert("new").returning().run_on(db).await.expect("inserted").rank, 70);
        if backend.is_mysql() && !backend.is_mariadb().await {
            return; // MySQL takes no such query in what an upsert sets, in whatever way it is written.
        }
        let again = OnConflict::columns(Task::NAME).update([Task::RANK.set(next())]);
        assert_eq!(insert("new").on_conflict(again).returning().run_on(db).await.expect("updated").rank, 80);
    }

    // fault 2.6 (MySQL's 1235)
    async fn a_list_may_be_a_query_with_a_limit(backend) {
        let db = &backend.db;
        tasks(db).await;
        let two = || Task::select().order_by(Task::RANK.desc()).limit(2).columns(Task::ID);
        let mut found = Task::select().filter(Task::ID.in_(two())).columns(Task::ID).all(db).await.expect("found");
        found.sort_unstable();
        assert_eq!(found, [5, 6]);
        let others = Task::select().filter(Task::ID.not_in(two().offset(1)));
        assert_eq!(others.count(db).await.expect("counted"), 4);
        let steps = Step::select().filter(Step::SEAT.in_(two())).count(db).await.expect("another table");
        assert_eq!(steps, 2);
        assert_eq!(Task::update([Task::RANK.set(0)]).filter(Task::ID.in_(two())).run_on(db).await.expect("updated"), 2);
        assert_eq!(Task::delete().filter(Task::ID.not_in(two())).run_on(db).await.expect("deleted"), 4);
        let of_union = Task::select().filter(Task::ID.in_(two())).columns(Task::ID).union(two());
        assert_eq!(of_union.count(db).await.expect("counted"), 2);
    }
}
