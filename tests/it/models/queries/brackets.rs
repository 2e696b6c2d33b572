//! Brackets: what a tree of operators means in Rust is what each database makes of its text.

use nestling::{
    Error, Model, Query as _, params,
    query::{Expr, functions::value},
};

use super::models::{Movie, Seat, films, tables};
use crate::harness::Backend;

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

const HALL: i32 = 5;
const NUMBER: i32 = 3;

/// A number, and what it is.
fn number(dice: &mut Dice, depth: u32) -> (Expr<i64>, i64) {
    if depth == 0 {
        return match dice.roll(3) {
            0 => (Seat::HALL.cast::<i64>(), HALL.into()),
            1 => (Seat::NUMBER.cast::<i64>(), NUMBER.into()),
            _ => {
                let number = i64::try_from(dice.roll(9)).unwrap() - 2;
                (value(number), number)
            }
        };
    }
    let shallower = |dice: &mut Dice| {
        let depth = depth - 1 - u32::from(dice.roll(2) == 0).min(depth - 1);
        number(dice, depth)
    };
    let (left, l) = shallower(dice);
    let (right, r) = shallower(dice);
    match dice.roll(6) {
        0 => (left + right, l + r),
        1 => (left - right, l - r),
        2 => (left * right, l * r),
        3 if r != 0 => (left / right, l / r),
        4 if r != 0 => (left % right, l % r),
        _ => (-left, -l),
    }
}

/// A text, and what it is.
fn text(dice: &mut Dice, depth: u32) -> (Expr<String>, String) {
    if depth == 0 {
        let letter = ["a", "ab", "b"][usize::try_from(dice.roll(3)).unwrap()];
        return (value(letter.to_owned()), letter.to_owned());
    }
    let ((left, l), (right, r)) = (text(dice, depth - 1), text(dice, depth - 1));
    (left.concat(right), l + &r)
}

/// A condition, and whether it holds.
fn condition(dice: &mut Dice, depth: u32) -> (Expr<bool>, bool) {
    if depth == 0 {
        let ((left, l), (right, r)) = (number(dice, 2), number(dice, 2));
        return match dice.roll(9) {
            0 => (left.eq(right), l == r),
            1 => (left.ne(right), l != r),
            2 => (left.lt(right), l < r),
            3 => (left.ge(right), l >= r),
            4 => (left.between(right.clone(), right + 5), (r..=r + 5).contains(&l)),
            5 => (left.in_([r, r + 1, r - 2]), [r, r + 1, r - 2].contains(&l)),
            6 => (left.is_null(), false),
            7 => {
                let ((left, l), (right, r)) = (text(dice, 1), text(dice, 1));
                (left.eq(right), l == r)
            }
            _ => {
                let (left, l) = text(dice, 2);
                (left.starts_with("ab"), l.starts_with("ab"))
            }
        };
    }
    let ((left, l), (right, r)) = (condition(dice, depth - 1), condition(dice, depth / 2));
    match dice.roll(5) {
        0 | 1 => (left & right, l && r),
        2 => (left | right, l || r),
        3 => (!left, !l),
        _ => (left.eq(right), l == r),
    }
}

/// Compares what the server says of many expressions with what Rust says.
async fn compare(backend: &Backend, seed: u64, count: u32) {
    let mut dice = Dice(seed);
    for at in 0..count {
        let (condition, holds) = condition(&mut dice, at % 4);
        let (number, is) = number(&mut dice, at % 4);
        let both = Seat::select().columns((condition, number));
        let text = both.sql(backend.db.dialect()).unwrap().0;
        assert_eq!(both.one(&backend.db).await.expect("a row"), (holds, is), "{text}");
    }
}

async fn one_seat(backend: &Backend) {
    tables(backend).await;
    let seat = "insert into seat (hall, number, taken) values ($1, $2, $3)";
    backend.db.execute(seat, params![HALL, NUMBER, true]).await.expect("a row");
}

test_on! {
    every_backend;

    /// rule 72: one query means the same on every database
    async fn a_tree_of_operators_means_what_it_says(backend) {
        one_seat(&backend).await;
        compare(&backend, 0x5eed, 200).await;
    }

    /// rule 72: where MySQL has no words for it, a condition is ordered as a whole
    async fn a_condition_is_ordered_with_null_where_it_is_wanted(backend) {
        tables(&backend).await;
        films(&backend.db).await;
        // It is NULL of the last film, which has no rating.
        let good = Movie::RATING.gt(8.1) & Movie::YEAR.gt(1900);
        let order = Movie::select().order_by(good.asc().nulls_last()).order_by(Movie::ID.asc()).columns(Movie::ID);
        assert_eq!(order.all(&backend.db).await.unwrap(), [2, 3, 1, 4]);
    }
}

test_on! {
    mysql_and_mariadb;

    /// rule 72: also where NOT is set to bind closer than a comparison
    async fn a_tree_of_operators_means_the_same_whatever_the_sql_mode(backend) {
        one_seat(&backend).await;
        let block = backend.db.atomic(|| async {
            let mode = "set session sql_mode = concat(@@sql_mode, ',HIGH_NOT_PRECEDENCE,PIPES_AS_CONCAT')";
            backend.db.execute(mode, params![]).await?;
            let not = backend.db.query_one("select not 1 = 2", params![]).await?.get::<bool>(0)?;
            assert!(!not, "the mode is on");
            compare(&backend, 0xd1ce, 100).await;
            Ok::<_, Error>(())
        });
        block.await.expect("it commits");
    }
}
