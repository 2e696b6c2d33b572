//! Inserts, updates, deletes, upserts.

use nestling::{
    Model,
    query::{
        OnConflict,
        functions::{count, exists, now, sql},
    },
    types::HStore,
};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Kind, Node, Pair, Texts};

pub(super) fn write(out: &mut Texts) {
    inserts(out);
    upserts(out);
    updates(out);
    deletes(out);
}

fn inserts(out: &mut Texts) {
    out.query("insert", &Node::insert([Node::NAME.set("x")]));
    out.query("insert and return", &Node::insert([Node::NAME.set("x"), Node::SIZE.set(2)]).returning());
    out.query(
        "insert and return columns",
        &Node::insert([Node::NAME.set("x")]).returning_columns((Node::SIZE + 1, Node::NAME.named("n"))),
    );
    out.query("insert nothing", &Pair::insert([]));
    out.query(
        "insert many",
        &Pair::insert_many([vec![Pair::LEFT.set(1)], vec![Pair::RIGHT.set("x"), Pair::WEIGHT.set(3)]]),
    );
    out.query("insert or ignore", &Node::insert([Node::NAME.set("x")]).on_conflict_ignore());
    out.query(
        "insert expressions",
        &Node::insert([Node::NAME.set(sql::<String>("lower('X')")), Node::SIZE.set(Node::SIZE + 1)]),
    );
    let size = || Node::select().columns(Node::SIZE.max()).into_expr();
    out.query("insert a query", &Node::insert([Node::NAME.set("x"), Node::SIZE.set(size())]));
    out.query(
        "insert other kinds",
        &Kind::insert([
            Kind::UUID.set(Uuid::nil()),
            Kind::TOLD.set(now()),
            Kind::MAP.set(HStore::from([("a", None::<&str>)])),
        ]),
    );
}

fn upserts(out: &mut Texts) {
    let insert = || Node::insert([Node::NAME.set("x"), Node::SIZE.set(2)]);
    let more = || OnConflict::columns(Node::NAME).update([Node::SIZE.set(Node::SIZE + Node::SIZE.excluded())]);
    out.query("upsert", &insert().on_conflict(OnConflict::columns(Node::NAME).update_columns(Node::SIZE)));
    out.query("upsert more", &insert().on_conflict(more()).returning());
    out.query("upsert if", &insert().on_conflict_if(more(), Node::SIZE.lt(Node::SIZE.excluded()) & Node::NAME.ne("y")));
    out.query(
        "upsert by a constraint",
        &insert().on_conflict(OnConflict::constraint("node\"key").update_columns(Node::SIZE)),
    );
    let partial = OnConflict::columns(Node::NAME)
        .filter(Node::SIZE.gt(7) & Node::NAME.ne("it's \\ \"so\"") | Node::PARENT.is_null())
        .filter(!Node::NAME.contains("%") & Node::SIZE.in_([1, 2]));
    out.query("upsert of a partial index", &insert().on_conflict(partial.update_columns(Node::SIZE)));
    let kinds = OnConflict::columns(Kind::NAME)
        .filter(Kind::FLAG.eq(true) & Kind::REAL.lt(1.5) & Kind::PRICE.gt(Decimal::new(25, 1)))
        .filter(Kind::PLAIN.eq(Uuid::nil()) & Kind::UUID.ne(Uuid::nil()) & Kind::BYTES.ne(vec![1_u8, 171]));
    out.query(
        "upsert of a partial index of kinds",
        &Kind::insert([Kind::NAME.set("x")]).on_conflict(kinds.update_columns(Kind::FLAG)),
    );
    let raw = OnConflict::columns(Node::NAME).filter(sql("size > 7")).update([Node::SIZE.set(sql::<i32>("0"))]);
    out.query("upsert of raw conditions", &insert().on_conflict(raw));
    let many = Node::insert_many([[Node::NAME.set("x")], [Node::NAME.set("y")]]);
    out.query("upsert many", &many.on_conflict(more()));
    let size = || Node::select().columns(Node::SIZE.max()).into_expr();
    out.query(
        "upsert by a query",
        &insert().on_conflict(OnConflict::columns(Node::NAME).update([Node::SIZE.set(size())])),
    );
}

fn updates(out: &mut Texts) {
    out.query("update by key", &Node::update([Node::SIZE.set(2), Node::PARENT.set(None)]).filter(Node::ID.eq(7)));
    out.query("update all", &Node::update([Node::SIZE.set(Node::SIZE * 2 + 1)]));
    out.query("update some", &Node::update([Node::PARENT.set(7)]).filter(Node::SIZE.gt(1)).filter(Node::NAME.ne("x")));
    out.query("update and return", &Node::update([Node::SIZE.set(2)]).filter(Node::ID.eq(7)).returning());
    let own = || Node::select().columns(count()).filter(Node::SIZE.gt(1)).into_expr().cast::<i32>();
    out.query(
        "update by an own query",
        &Node::update([Node::SIZE.set(own() + 1), Node::NAME.set("x")])
            .filter(Node::ID.in_(Node::select().columns(Node::ID).limit(2))),
    );
    out.query(
        "update by a query",
        &Node::update([Node::SIZE.set(1)]).filter(exists(Kind::select().filter(Kind::OTHER.eq(Node::ID)))),
    );
    out.query("update nothing", &Node::update([]));
    out.query(
        "update of a form",
        &Kind::update([Kind::UUID.set(Uuid::nil()), Kind::AT.set(now())]).filter(Kind::ID.eq(1)),
    );
}

fn deletes(out: &mut Texts) {
    out.query("delete by key", &Node::delete().filter(Node::ID.eq(7)));
    out.query("delete all", &Node::delete());
    out.query("delete and return", &Node::delete().filter(Node::SIZE.gt(1)).returning_columns(Node::NAME));
    out.query(
        "delete by an own query",
        &Pair::delete().filter(Pair::LEFT.in_(Pair::select().columns(Pair::LEFT).filter(Pair::WEIGHT.gt(1)))),
    );
    out.query("delete of a schema", &Kind::delete().filter(Kind::NAME.eq("x") | Kind::SMALL.gt(1)));
}
