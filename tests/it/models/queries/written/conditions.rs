//! Expressions and conditions.

use chrono::{TimeZone as _, Utc};
use nestling::{
    Model,
    query::{
        JsonStep,
        functions::{case, coalesce, count, exists, function, now, row, sql, value},
    },
    types::{HStore, Json},
};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Kind, Node, Pair, Texts};

pub(super) fn write(out: &mut Texts) {
    comparisons(out);
    joined(out);
    lists(out);
    numbers(out);
    text(out);
    functions(out);
    documents(out);
    maps(out);
    forms(out);
}

fn comparisons(out: &mut Texts) {
    out.condition("eq", Kind::SMALL.eq(1));
    out.condition("eq none", Kind::REAL.eq(None));
    out.condition("ne none", Kind::REAL.ne(None));
    out.condition("ne", Kind::SMALL.ne(1));
    out.condition("lt le", Kind::SMALL.lt(1) & Kind::SMALL.le(2));
    out.condition("gt ge", Kind::SMALL.gt(1) & Kind::SMALL.ge(Kind::SMALL + 1));
    out.condition("between", Kind::SMALL.between(1, 2));
    out.condition("between of sums", (Kind::SMALL + 1).between(Kind::SMALL - 2, Kind::SMALL * 2));
    out.condition("not between and", !Kind::SMALL.between(1, 2) & Kind::FLAG.eq(true));
    out.condition("is null", Kind::NOTE.is_null() | Kind::NOTE.is_not_null());
    out.condition("is null of a sum", (Kind::REAL + 1.5).is_null());
    out.condition("is null of a comparison", Kind::SMALL.eq(1).is_null());
    out.condition("eq of comparisons", Kind::SMALL.eq(1).eq(Kind::SMALL.gt(2)));
    out.condition("columns", Kind::OTHER.eq(Node::ID) & Node::ID.eq(Kind::OTHER));
    out.condition("decimal beside a column", Kind::PRICE.gt(Decimal::new(15, 1)));
    out.condition("decimal beside a sum", (Kind::PRICE + Decimal::ONE).gt(Decimal::new(15, 1)));
    out.condition("decimal between", (Kind::PRICE * Decimal::TWO).between(Decimal::ONE, Kind::PRICE + Decimal::TEN));
    out.condition("flag", Kind::FLAG.into());
    out.condition("not flag", !Kind::FLAG);
    out.condition("raw", sql("1 = 1 or 2 = 2"));
    out.condition("rows", row((Pair::LEFT, Pair::RIGHT)).lt((1, "x")));
    out.condition("rows of expressions", row((Pair::LEFT, Pair::WEIGHT)).ne((Pair::LEFT + 1, 7)));
}

fn joined(out: &mut Texts) {
    let (a, b, c, d) = (Kind::SMALL.eq(1), Kind::NAME.gt("x"), Kind::FLAG.eq(true), Kind::NOTE.is_null());
    out.condition("and and", a.clone() & b.clone() & c.clone());
    out.condition("and (and)", a.clone() & (b.clone() & c.clone()));
    out.condition("or or", a.clone() | b.clone() | c.clone());
    out.condition("or (or)", a.clone() | (b.clone() | c.clone()));
    out.condition("and in or", a.clone() & b.clone() | c.clone() & d.clone());
    out.condition("or in and", (a.clone() | b.clone()) & (c.clone() | d.clone()));
    out.condition("not and", !(a.clone() & b.clone()) & !c.clone());
    out.condition("not not", !!a.clone());
    out.condition("not in or", !a.clone() | !d.clone());
    out.condition("not of a flag", !Kind::FLAG | Kind::FLAG);
    out.condition("eq of not", (!a.clone()).eq(!b.clone()));
    out.condition("raw and", sql::<bool>("1 = 1 or 2 = 2") & a.clone());
    out.condition("not raw", !sql::<bool>("1 = 1 or 2 = 2"));
    out.condition("raw beside", sql::<i32>("1 + 1").gt(Kind::SMALL));
    out.query("five", &Kind::select().filter(a).filter(b).filter(c).filter(d).filter(Kind::ID.lt(9)));
}

fn lists(out: &mut Texts) {
    out.condition("in nothing", Kind::SMALL.in_([] as [i32; 0]));
    out.condition("not in nothing", Kind::SMALL.not_in([] as [i32; 0]));
    out.condition("in numbers", Kind::SMALL.in_([1, 2, 3]));
    out.condition("not in texts", Kind::NAME.not_in(["a", "b"]));
    out.condition("in with null", Kind::REAL.in_([Some(1.5), None]));
    out.condition("in null", Kind::REAL.in_([None::<f64>]));
    out.condition("in and", Kind::SMALL.in_([1, 2]) & Kind::NAME.in_(["a"]));
    out.condition("sum in", (Kind::SMALL + 1).in_([1, 2]));
    out.condition("in expressions", Kind::SMALL.in_([Kind::SMALL + 1, value(7)]));
    out.condition("in arrays", Kind::TAGS.in_([vec!["a".to_owned()], vec![]]));
    out.condition("in uuids", Kind::UUID.in_([Uuid::nil()]) | Kind::PLAIN.in_([Uuid::nil(), Uuid::max()]));
    out.condition("in documents", Kind::EXTRA.in_([Json(serde_json::json!(1))]));
    out.condition("in a query", Kind::SMALL.in_(Node::select().columns(Node::SIZE).filter(Node::NAME.eq("x"))));
    out.condition("not in a query", Kind::SMALL.not_in(Node::select().columns(Node::SIZE)));
    out.condition("in a limited query", Kind::SMALL.in_(Node::select().columns(Node::SIZE).limit(3)));
    out.condition("rows in", row((Pair::LEFT, Pair::RIGHT)).in_([(1, "a"), (2, "b")]));
    out.condition("one row in", row((Pair::LEFT, Pair::RIGHT)).in_([(1, "a")]));
    out.condition("no rows in", row((Pair::LEFT, Pair::RIGHT)).in_([] as [(i32, &str); 0]));
    out.condition("rows in with expressions", row((Pair::LEFT, Pair::WEIGHT)).in_([(Pair::LEFT + 1, value(1_i64))]));
    out.condition("keys in", Pair::key_in(&[(1, "a".to_owned()), (2, "b".to_owned())]));
    out.condition("one key", Node::key_in(&[7]));
    out.query("by key", &Pair::by_key((1, "a".to_owned())));
    let keys: Vec<(i32, String)> = (0..600).map(|at| (at, "a".to_owned())).collect();
    out.condition("600 keys of two columns", Pair::key_in(&keys));
    out.condition("5,001 numbers", Kind::SMALL.in_(0..5_001));
    out.condition("5,001 texts", Kind::NAME.in_((0..5_001).map(|at| at.to_string())));
    out.condition("10,001 numbers", Kind::SMALL.in_(0..10_001));
    let keys: Vec<(i32, String)> = (0..5_001).map(|at| (at, "a".to_owned())).collect();
    out.condition("5,001 keys of two columns", Pair::key_in(&keys));
}

fn numbers(out: &mut Texts) {
    let (s, l) = (Kind::SMALL, Kind::LARGE);
    out.value("sums", (s + 1 + 2, s - (s - 1), (s + 1) - (s - 1), s + (s + 1)));
    out.value("products", (s * 2 * 3, s * (s * 2), (s + 1) * (s - 1), s * 2 + s * 3, s + s * 2));
    out.value("quotients", (s / 2, s / 2 / 3, s / (s / 2), (s * 2) / 3, s * 2 % 3, (s + 1) % 2, l / 2));
    out.value(
        "quotients of others",
        (Kind::REAL / 2.0, Kind::PRICE / Decimal::TWO, Kind::PRICE / Decimal::TWO / Decimal::TEN),
    );
    out.value("negative", (-s, -(s + 1), -(-s), s - -s, s * -s, -s * 2));
    out.value("aggregates", (count(), s.count(), s.count_distinct(), s.min(), s.max(), Kind::NAME.max()));
    out.value("sums of all", (s.sum(), l.sum(), Kind::REAL.sum(), Kind::PRICE.sum(), (s + 1).sum()));
    out.value("averages", (s.avg(), Kind::PRICE.avg(), Kind::REAL.avg()));
    out.value("rounded", (s.abs(), s.round(), Kind::REAL.round(), (Kind::REAL + 0.5).round(), (s + 1).round() * 2));
    out.condition("of aggregates", (s.sum() + 1).gt(5) & (s.max() - s.min()).lt(3));
}

fn text(out: &mut Texts) {
    out.condition("like", Kind::NAME.like("a%"));
    out.condition("not like and", !Kind::NAME.like("a%") & Kind::NAME.like(Kind::NAME));
    out.condition("ilike", Kind::NAME.ilike("a%"));
    out.condition("ilike and", Kind::NAME.ilike("a%") & Kind::NOTE.ilike("b%") | Kind::FLAG);
    out.condition("not ilike", !Kind::NAME.ilike("a%"));
    out.condition("contains", Kind::NAME.contains("5%_!") | Kind::NOTE.starts_with("x") & Kind::NAME.ends_with("y"));
    out.condition("like of concat", Kind::NAME.concat("x").like("a%"));
    out.condition("like concat", Kind::NAME.like(Kind::NAME.concat("%")));
    out.condition("concat eq", Kind::NAME.concat("x").eq("ax"));
    out.condition("functions", Kind::NAME.lower().eq("a") & Kind::NAME.upper().ne("A"));
    out.value("of text", (Kind::NAME.lower(), Kind::NOTE.upper(), Kind::NAME.trim(), Kind::NAME.length()));
    out.value(
        "concat",
        (
            Kind::NAME.concat("x"),
            value("a".to_owned()).concat(Kind::NAME).concat("b"),
            Kind::NAME.concat(Kind::NAME.concat("c")),
        ),
    );
    out.value("length of concat", Kind::NAME.concat("x").length() + 1);
}

fn functions(out: &mut Texts) {
    out.value(
        "values",
        (value(1_i64), value(true), value("x".to_owned()), value(1.5), value(Decimal::ONE), value(None::<i32>)),
    );
    out.value(
        "values of others",
        (value(Uuid::nil()), value(vec![1_u8]), value(vec![1_i32]), value(serde_json::json!([1]))),
    );
    out.value(
        "casts",
        (
            Kind::SMALL.cast::<i64>(),
            Kind::SMALL.cast::<String>(),
            Kind::NAME.cast::<Decimal>(),
            Kind::NAME.cast::<f64>(),
        ),
    );
    out.value(
        "casts to others",
        (Kind::NAME.cast::<Uuid>(), Kind::NAME.cast::<Vec<u8>>(), Kind::SMALL.cast::<u64>(), Kind::NAME.cast::<bool>()),
    );
    out.value("cast to json", Kind::NAME.cast::<serde_json::Value>());
    out.value("cast to an array", Kind::NAME.cast::<Vec<i32>>());
    out.value("cast to a map", Kind::NAME.cast::<HStore>());
    out.value("cast of a sum", (Kind::SMALL + 1).cast::<i64>() * 2);
    out.value(
        "coalesce",
        (coalesce(Kind::NOTE, "x"), coalesce(Kind::NOTE, Kind::NAME), coalesce(Kind::REAL + 1.0, 2.0) + 3.0),
    );
    out.value("function", function::<i64>("f", [Kind::SMALL.expr() + 1, value(7)]));
    out.value("function of nothing", function::<i64>("pg_catalog.f", [] as [nestling::query::Expr<i64>; 0]));
    out.value("now", (now(), Kind::AT.max()));
    out.condition("before now", Kind::AT.lt(now()) & Kind::TOLD.lt(now()));
    let age = || case::<String>().when(Kind::SMALL.lt(3) & Kind::FLAG, "old").when(Kind::FLAG, Kind::NAME);
    out.value("case", (age().otherwise("new"), age().end()));
    out.condition("case eq", age().otherwise("new").eq("old") | age().end().is_null());
    let nodes = || Node::select().filter(Node::PARENT.eq(Kind::OTHER));
    out.condition("exists", exists(nodes()) & !exists(nodes().limit(2)));
    out.condition("exists with twice the same", exists(nodes().columns((Node::ID, Node::ID, Node::SIZE + 1))));
    out.value("query", Node::select().columns(Node::SIZE.max()).filter(Node::ID.eq(1)).into_expr());
    out.condition("query eq", Node::select().columns(Node::SIZE).limit(1).into_expr().eq(1));
    out.value("names", (Kind::SMALL.named("a\"b`c"), (Kind::SMALL + 1).named("sum"), sql::<i64>("1 + 1").named("raw")));
}

fn documents(out: &mut Texts) {
    let e = Kind::EXTRA;
    out.value("part", (e.at("a"), e.at(0), e.at(("a", 0, "b\"'")), e.at(Vec::<JsonStep>::new())));
    out.value("part as text", (e.text_at("a"), e.text_at(0), e.text_at(("a", 0))));
    out.value("part of a part", (e.at("a").at("b"), e.at("a").text_at("b")));
    out.condition("part eq", e.text_at("a").eq("x") & e.at("a").is_null());
    out.condition("part like", e.text_at("a").like("x%") | e.text_at("b").contains("y"));
    out.value("part cast", e.text_at("a").cast::<Option<i64>>());
    out.condition("contains json", e.contains_json([1, 2]));
    out.condition("has key", e.has_key("a\"b") & e.at("a").has_key("c"));
    out.condition("not has key", !e.has_key("a") | e.has_key("b"));
}

fn maps(out: &mut Texts) {
    let m = Kind::MAP;
    let map = || HStore::from([("a", Some("b")), ("c", None)]);
    out.condition("map", m.key("a").eq("b") & m.has_key("a"));
    out.condition("map keys", m.has_all_keys(["a", "b"]) | m.has_any_key(["c"]));
    out.condition("map contains", m.contains(map()) & !m.contains(HStore::new()));
    out.value("map with", (m.merge(map()), m.without(["a"]), m.merge(map()).without(["a"]).key("c")));
    out.condition("map eq", m.eq(map()));
}

fn forms(out: &mut Texts) {
    let at = Utc.with_ymd_and_hms(2024, 5, 6, 7, 8, 9).unwrap();
    out.condition("stored", Kind::UUID.eq(Uuid::nil()) & Kind::PLAIN.eq(Uuid::nil()));
    out.condition("moments", Kind::TOLD.eq(at) | Kind::AT.between(at, at));
    out.condition("columns of two forms", Kind::UUID.eq(Kind::PLAIN));
    out.condition("columns of one form", Kind::UUID.eq(Kind::UUID) & Kind::AT.lt(Kind::AT));
    out.condition("bytes", Kind::BYTES.eq(vec![1_u8, 255]));
    out.condition("arrays", Kind::TAGS.eq(vec!["a".to_owned()]));
    out.value("case of a form", case::<Uuid>().when(Kind::FLAG, Uuid::nil()).otherwise(Kind::UUID));
}
