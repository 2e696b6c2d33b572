//! Selects: joins, groups, orders, limits, locks, unions, relations.

use nestling::{
    Model,
    query::functions::{count, name, sql},
};

use super::{Kind, Node, Pair, Texts};

pub(super) fn write(out: &mut Texts) {
    selects(out);
    joins(out);
    groups(out);
    orders(out);
    unions(out);
    relations(out);
}

fn selects(out: &mut Texts) {
    out.query("whole", &Node::select());
    out.query("by its key", &Node::select().filter(Node::ID.eq(7)).order_by(Node::NAME.asc()).limit(2));
    out.query("by its key of an alias", &Node::alias("n").select().filter(Node::alias("n").col(Node::ID).eq(7)));
    out.query("limit", &Node::select().limit(3));
    out.query("offset", &Node::select().offset(4));
    out.query("limit and offset", &Node::select().limit(3).offset(4));
    out.query("limits that are too large", &Node::select().limit(u64::MAX).offset(u64::MAX));
    out.query("distinct", &Node::select().columns((Node::SIZE, Node::NAME)).distinct());
    out.query("distinct on", &Node::select().distinct_on((Node::SIZE, Node::NAME)).order_by(Node::SIZE.asc()));
    out.query("distinct on an expression", &Node::select().distinct_on(Node::SIZE + 1));
    out.query("for update", &Node::select().filter(Node::SIZE.gt(1)).limit(1).for_update());
    out.query("for share", &Node::select().for_share());
    out.query("skip locked", &Node::select().skip_locked());
    out.query("for share nowait", &Node::select().for_share().nowait());
    out.query("for update nowait", &Node::select().for_update().nowait());
}

fn joins(out: &mut Texts) {
    out.query("join", &Kind::select().join(Kind::OTHER).filter(Node::NAME.eq("x")).columns((Kind::ID, Node::NAME)));
    out.query(
        "left join from the other side",
        &Node::select().left_join(Kind::OTHER).columns((Node::ID, Kind::NAME.nullable())),
    );
    let parent = Node::alias("parent");
    out.query("join as", &Node::select().join_as(Node::PARENT, &parent).columns((Node::NAME, parent.col(Node::NAME))));
    out.query(
        "left join as",
        &Node::select().left_join_as(Node::PARENT, &parent).columns((Node::NAME, parent.optional())),
    );
    out.query("join on", &Node::select().join_on(&parent, parent.col(Node::SIZE).gt(Node::SIZE + 1)));
    out.query(
        "left join on",
        &Node::select().left_join_on(&Pair::relation(), Pair::LEFT.eq(Node::SIZE) & Pair::WEIGHT.gt(1)),
    );
    out.query("full join on", &Node::select().full_join_on(&parent, parent.col(Node::ID).eq(Node::PARENT)));
    out.query(
        "a page",
        &Kind::select()
            .join(Kind::OTHER)
            .filter(Kind::FLAG.eq(true))
            .filter(Kind::SMALL.between(1, 9))
            .filter(Kind::NAME.starts_with("a"))
            .filter(Node::SIZE.in_([1, 2, 3]))
            .filter(Kind::NOTE.is_null() | Kind::REAL.gt(0.5))
            .order_by(Kind::NAME.asc())
            .order_by(Kind::ID.desc())
            .limit(20)
            .offset(40),
    );
}

fn groups(out: &mut Texts) {
    let busy = || Node::select().group_by(Node::SIZE).columns((Node::SIZE, count()));
    out.query("group", &busy());
    out.query("groups", &busy().group_by(Node::NAME).group_by(Node::SIZE + 1));
    out.query("having", &busy().having(count().gt(1)).having(Node::ID.sum().lt(9)).filter(Node::NAME.ne("x")));
    out.query("named", &busy().columns((Node::SIZE, count().named("n"))).order_by(name::<i64>("n").desc()));
}

fn orders(out: &mut Texts) {
    out.query(
        "orders",
        &Node::select().order_by(Node::SIZE.asc()).order_by((Node::SIZE + Node::ID.cast::<i32>()).desc()),
    );
    out.query(
        "nulls",
        &Node::select().order_by(Node::PARENT.asc().nulls_last()).order_by(Node::PARENT.desc().nulls_first()),
    );
    out.query(
        "order by a condition",
        &Node::select().order_by((Node::SIZE.gt(1) & Node::ID.lt(2)).desc().nulls_last()),
    );
    out.query("order by raw", &Node::select().order_by(sql::<i64>("random()").asc()));
}

fn unions(out: &mut Texts) {
    let sizes = |size: i32| Node::select().filter(Node::SIZE.eq(size)).columns(Node::NAME);
    out.query("union", &sizes(1).union(sizes(2)));
    out.query("union all", &sizes(1).union_all(sizes(2)).union_all(sizes(3)));
    out.query("union of the limited", &sizes(1).limit(1).union(sizes(2).order_by(Node::NAME.asc()).limit(2)));
    out.query("intersect", &sizes(1).union(sizes(2)).intersect(sizes(3)));
    out.query("except", &sizes(1).except(sizes(2)).union(sizes(3).union(sizes(4))));
    out.query("union in order", &sizes(1).union(sizes(2)).order_by(Node::NAME.asc().nulls_last()).limit(3).offset(1));
    out.query("union with an offset", &sizes(1).union(sizes(2)).offset(1));
    out.query("union of a limited union", &sizes(1).union(sizes(2)).limit(3).union_all(sizes(3)));
    out.query(
        "union of the same columns",
        &Node::select().columns((Node::SIZE, Node::SIZE)).union(Node::select().columns((Node::SIZE, Node::SIZE))),
    );
}

fn relations(out: &mut Texts) {
    let newest = Node::select().order_by(Node::ID.desc()).limit(3).as_relation("newest");
    out.query(
        "from a query",
        &newest.select().filter(newest.col(Node::SIZE).gt(1)).order_by(newest.col(Node::NAME).asc()),
    );
    out.query(
        "join a query",
        &Kind::select().join_as(Kind::OTHER, &newest).columns((Kind::ID, newest.col(Node::NAME))),
    );
    out.query(
        "two relations",
        &Node::select().join_on(&newest, newest.col(Node::ID).eq(Node::ID)).columns((Node::relation(), &newest)),
    );
}
